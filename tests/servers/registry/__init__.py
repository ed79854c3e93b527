"""A real registry of images: the one that the specification grew out of, as Debian packages it."""
