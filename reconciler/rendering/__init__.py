"""Sources that a tool of others renders, in a limited child (contracts: gate.md, G26)."""
