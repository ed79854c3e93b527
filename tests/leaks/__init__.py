"""No secret leaves by accident: canaries go in everywhere, and every place where text ends up is searched."""
