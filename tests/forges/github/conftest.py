"""The stand-in, for the tests of what only GitHub has."""

from tests.forges.github.fixtures import fake_github

__all__ = ["fake_github"]
