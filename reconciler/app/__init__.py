"""Adapters at the rim, the pure core inside: this package connects them and runs the loop."""
