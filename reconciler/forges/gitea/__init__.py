"""Gitea and Forgejo, by their API of version 1."""
