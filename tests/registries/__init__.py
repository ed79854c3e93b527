"""Registries of images: the client, and a registry in this process that speaks as the specification says."""
