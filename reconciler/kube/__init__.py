"""Kubernetes: look, apply, wait. Knows no approval."""
