"""The command line: asks the app, prints for people and programs."""
