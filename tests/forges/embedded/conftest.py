"""Fixtures: one world for each test."""

from pathlib import Path

import pytest

from tests.forges.embedded.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A remote whose `main` has one commit, and three people."""
    return World(tmp_path)
