"""Registries of container images: which digest a tag stands for, asked only where the operator's settings list them."""
