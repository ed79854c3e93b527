"""Killed at every step: looking again gives the right answer, and doing it again does it once."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.state.forge import PullRequestState
from tests.forges.embedded.doomed import VERBS
from tests.forges.embedded.world import World

ROOT = Path(__file__).parents[3]
PUSHES = {"open": 1, "comment": 1, "status": 1, "propose": 2, "merge": 2, "squash": 2, "rebase": 2}
POINTS = [
    (verb, point)
    for verb, pushes in PUSHES.items()
    for number in range(1, pushes + 1)
    for point in ((number, 0), (0, number))
]


def killed(world: World, verb: str, point: tuple[int, int]) -> bool:
    command = [sys.executable, "-m", "tests.forges.embedded.doomed", str(world.folder), verb, *map(str, point)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)
    if done.returncode not in (0, -9):
        raise AssertionError(done.stderr.decode())
    return done.returncode == -9


def done(world: World, verb: str) -> None:
    fresh = World.load(world.folder)
    ledger = fresh.ledger()
    VERBS[verb](fresh.door("cleo", ledger), fresh.forge(ledger), fresh)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.commit("feature", {"one.yaml": "1\n"})
    world.commit("feature", {"two.yaml": "2\n"})
    world.commit("other", {"other.yaml": "o\n"}, on=world.tip("main"))
    world.commit("prepared", {"prepared.yaml": "p\n"}, on=world.tip("main"))
    world.person("ana").open("feature", "main", "Two files")
    world.save()
    return world


def shape(world: World) -> object:
    """Everything that a reader can see, without times and commit ids."""
    forge = world.forge()
    pulls = world.person("ben").pull_requests()
    tip = world.tip("main")
    assert tip
    return (
        [(pull.number, pull.title, pull.author, pull.state, pull.merged_by, pull.head_ref) for pull in pulls],
        {pull.number: [comment.body for comment in forge.comments(pull.number)] for pull in pulls},
        world.files(tip),
        len(world.between(str(world.first), tip)),
        sorted(forge.merged_pull_requests(world.between(str(world.first), tip)).values()),
        [(status.context, status.state) for status in forge.statuses(world.first)],
        world.tip("reconciler/raise"),
    )


@pytest.mark.parametrize(
    ("verb", "point"),
    POINTS,
    ids=[f"{verb} {'before' if point[0] else 'after'} push {max(point)}" for verb, point in POINTS],
)
def test_f20_killed_around_any_push_and_done_again_is_done_once(
    world: World, verb: str, point: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = world.copy(tmp_path_factory.mktemp("undisturbed"))
    done(undisturbed, verb)
    assert killed(world, verb, point)
    assert world.forge().ledger.ignored() == (), "a reader in between finds nothing broken"
    try:
        done(world, verb)
    except Refused as error:  # done already, and nobody was told: it says so instead of doing it twice
        assert any(word in error.message for word in ("is open already", "it is merged")), error  # noqa: PT017
        assert point == (0, PUSHES[verb])
    assert shape(world) == shape(undisturbed)


def test_a_merge_killed_before_the_branch_moved_is_no_merge(world: World) -> None:
    before = world.tip("main")
    assert killed(world, "squash", (2, 0))
    forge = world.forge()
    assert forge.pull_request(1).state is PullRequestState.OPEN
    assert world.tip("main") == before


def test_a_merge_killed_after_the_branch_moved_is_a_merge_at_the_next_look(world: World) -> None:
    assert killed(world, "rebase", (0, 2))
    forge = world.forge()
    pull = forge.pull_request(1)
    assert (pull.state, pull.merged_by, pull.merge_commit) == (PullRequestState.MERGED, "cleo", world.tip("main"))
    brought = world.between(str(world.first), str(world.tip("main")))
    assert dict(forge.merged_pull_requests(brought)) == dict.fromkeys(brought, 1)
    with pytest.raises(Refused, match="it is merged"):
        world.person("ana").close(1)


def test_the_table_names_every_verb() -> None:
    assert set(PUSHES) == set(VERBS)
