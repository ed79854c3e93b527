"""What was observed: values that adapters return and the core reads. Nothing here fetches anything."""
