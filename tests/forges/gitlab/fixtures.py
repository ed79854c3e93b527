"""The stand-in for GitLab, one for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forges.gitlab.server import FakeGitLab


@pytest.fixture
def fake_gitlab(tmp_path: Path) -> Iterator[FakeGitLab]:
    """Its pages hold five entries, so that a test sees more than one."""
    with FakeGitLab(tmp_path / "gitlab", largest_page=5) as server:
        yield server
