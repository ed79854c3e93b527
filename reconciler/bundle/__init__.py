"""The offline bundle: index, checksums, signature."""
