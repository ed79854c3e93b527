"""The Kubernetes programs: a Go module of our own, pinned by its go.sum, and how it is built."""
