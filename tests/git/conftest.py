"""Fixtures: one world for each test."""

from pathlib import Path

import pytest

from reconciler.git.mirror import Mirror

from .world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A remote whose `main` has one commit."""
    made = make_world(tmp_path)
    made.clone.commit("first", README_md="hello\n", specs__a_yaml="a: 1\n")
    made.clone.push()
    return made


@pytest.fixture
def mirror(world: World, tmp_path: Path) -> Mirror:
    """A mirror of that remote that has fetched once."""
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    mirror.sync()
    return mirror
