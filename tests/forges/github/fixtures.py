"""A started stand-in for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forges.embedded.world import TickingClock
from tests.forges.github.hub import Hub
from tests.forges.github.server import FakeGitHub


@pytest.fixture
def fake_github(tmp_path: Path) -> Iterator[FakeGitHub]:
    """Empty; its clock goes on by a second with each look."""
    with FakeGitHub(Hub(tmp_path / "github", TickingClock())) as fake:
        yield fake
