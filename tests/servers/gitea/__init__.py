"""How Gitea is built and run for tests."""
