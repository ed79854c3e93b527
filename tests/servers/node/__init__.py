"""What makes a test host a Kubernetes node: programs, images and settings, built once, laid under its disk."""
