"""The stand-in for GitLab, and the contract suite's project on it."""

from pathlib import Path

import pytest

from tests.contracts.forge_gitlab import GitLabUnderTest
from tests.forges.gitlab.fixtures import fake_gitlab
from tests.forges.gitlab.server import FakeGitLab

__all__ = ["fake_gitlab"]


@pytest.fixture
def world(tmp_path: Path, fake_gitlab: FakeGitLab) -> GitLabUnderTest:
    """One project with ana, ben and cleo; no clock moves but by what they do."""
    return GitLabUnderTest(tmp_path, fake_gitlab)
