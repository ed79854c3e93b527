"""A stand-in for GitHub on loopback, and what the adapter for GitHub has to hold beside the contract of all forges."""
