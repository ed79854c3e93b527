"""What the worlds of the contract suites are built on."""

from tests.forges.github.fixtures import fake_github
from tests.forges.gitlab.fixtures import fake_gitlab

__all__ = ["fake_github", "fake_gitlab"]
