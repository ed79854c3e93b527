"""What sweeps use in the place of git's processes does what git does."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.names import Revision
from tests.faults.near_git import near_git
from tests.git.world import World, git, make_world

REF = "refs/heads/reconciler/audit"


@pytest.fixture(params=["git", "near"], autouse=True)
def _transport(request: pytest.FixtureRequest) -> Iterator[None]:
    with near_git() if request.param == "near" else nullcontext():
        yield


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    made.clone.commit("first", specs__a_yaml="a: 1\n")
    made.clone.push()
    return made


def test_a_fetch_brings_what_moved_whole_and_prunes_what_went(world: World, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    world.clone.commit("second", branch="feature", specs__b__c_yaml="b: 1\n")
    world.clone.push()
    assert mirror.sync().names == ("refs/heads/feature", "refs/heads/main")
    git(world.remote, "update-ref", "-d", "refs/heads/feature")
    git(world.remote, "update-ref", "refs/heads/feature/a", "main")  # a folder where a file was
    assert set(mirror.sync().after) == {"refs/heads/main", "refs/heads/feature/a"}
    assert git(mirror.repository.path, "fsck", "--full", "--no-dangling") == ""


def test_one_of_two_pushes_wins_and_what_it_brings_is_whole(world: World, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    mirror.sync()
    here, tree = mirror.repository, git(world.remote, "rev-parse", "main^{tree}")
    one, two = (Revision(git(here.path, "commit-tree", tree, "-m", words)) for words in ("one", "two"))
    moves = [(None, one), (None, two), (one, two), (one, None), (two, None)]
    done, moved = PushResult.DONE, PushResult.MOVED
    assert [push(here, world.address, REF, *move) for move in moves[:3]] == [done, moved, done]
    assert git(world.remote, "fsck", "--full", "--no-dangling") == ""
    assert world.bare.ref(REF) == two
    assert [push(here, world.address, REF, *move) for move in moves[3:]] == [moved, done]
    assert world.bare.ref(REF) is None
