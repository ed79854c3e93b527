"""What one thing costs in requests, processes, records and parsed files. A number that rises here is a cost that
everybody pays in every round: raise it only with a reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.loading import desires, load_at
from benchmarks.specs_tree import SOURCES, Tree
from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.names import UnitKind, UnitRef
from reconciler.specs.cache import SqliteCache
from reconciler.state.forge import CommitStatus, StatusState
from tests.benchmarks.counting import Counts, Processes, counts, files_below
from tests.git.world import http_backend, make_world, serving
from tests.story.stage import RELEASE, Stage

NOTHING = Counts(polls=1, asked=0, written=0, audit=0, forge=0, git={})
SPECS = 60


@dataclass(slots=True)
class Told:
    """One story, and what each of its parts did."""

    stage: Stage
    parts: dict[str, Counts] = field(default_factory=dict)
    changed: dict[str, set[str]] = field(default_factory=dict)  # files, by part

    def look(self, part: str, processes: Processes) -> None:
        """One round of the reconciler."""
        world = self.stage.world
        before = files_below(world.home, world.origin)
        self.parts[part] = counts(self.stage, processes, world.opened.reconciler.look)
        after = files_below(world.home, world.origin)
        self.changed[part] = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        assert world.opened.reconciler.faults == []


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    stage = Stage.build(tmp_path_factory.mktemp("counts") / "world")
    with pytest.MonkeyPatch.context() as patch:
        processes = Processes.watched(patch)
        try:
            stage.accept_first()
            story = Told(stage)
            story.look("at rest", processes)
            text = stage.release_text("v2.0.1")
            stage.world.commit("a change", {RELEASE: text}, author="dev_user", branch="change")
            number = stage.desk("dev_user").person().open("change", "main", "a change")
            story.look("preview", processes)
            story.look("waiting", processes)
            stage.approve(number)
            merged = stage.merge(number, settle=False)
            story.look("landing", processes)
            assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
            stage.settle()
            story.look("at rest again", processes)
            yield story
        finally:
            stage.world.close()


@pytest.mark.parametrize("part", ["at rest", "waiting", "at rest again"])
def test_a_round_in_which_nothing_moved_is_one_request_and_writes_nothing(part: str, told: Told) -> None:
    """Also with a pull request open, whose preview waits for people."""
    assert told.parts[part] == NOTHING
    assert told.changed[part] == set()


def test_a_preview_is_one_poll_one_fetch_one_merge_and_five_pushes(told: Told) -> None:
    """One record of the audit; a comment and three statuses. The fifth record of the forge is the opening itself.

    One of the eleven requests asks which rights the change needs that are missing.
    """
    git = {"fetch": 1, "merge-tree": 1, "push": 5}
    assert told.parts["preview"] == Counts(polls=1, asked=11, written=0, audit=1, forge=5, git=git)


def test_carrying_out_asks_for_no_more_than_before(told: Told) -> None:
    landing = told.parts["landing"]
    assert landing.written == 4  # two batches of one object: each is a turn of the release's parent (G25)
    assert landing.audit == 6
    assert sum(landing.git.values()) <= 16
    assert landing.asked <= 36  # one asks which rights the change needs that are missing


def test_whoever_is_beaten_within_a_still_moment_looks_anew(told: Told) -> None:
    opened, stage = told.stage.world.opened, told.stage
    assert isinstance(opened.forge, EmbeddedForge)
    number = max(one.number for one in opened.forge.ledger._fold.threads.values())
    status = CommitStatus("reconciler/test", StatusState.SUCCESS, "said")
    with opened.mirror.still():
        stage.desk("dev_user").person().comment(number, "meanwhile")
        before = opened.mirror.poller.requests
        opened.forge.statuses(stage.pull(number).head)
        assert opened.mirror.poller.requests == before
        opened.forge.set_status(stage.pull(number).head, status)
        assert opened.mirror.poller.requests > before
    assert status in opened.forge.statuses(stage.pull(number).head)
    assert [one for one in opened.forge.comments(number) if one.body == "meanwhile"]


def test_a_poll_with_nothing_moved_is_one_request_and_starts_no_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    processes = Processes.watched(monkeypatch)
    with serving(http_backend(world.remote.parent)) as requests:
        mirror = Mirror(tmp_path / "mirror", Remote(f"{requests.url}/{world.remote.name}"), world.transport)
        mirror.sync()
        processes.started.clear()
        before = len(requests.seen)
        assert not mirror.sync().fetched
        assert len(requests.seen) - before == 1
        mirror.poller.close()
    assert not processes.started


def test_cold_parses_every_file_once_a_restart_none_and_a_change_one(tmp_path: Path) -> None:
    tree = Tree.make(tmp_path, SPECS)
    kept = tmp_path / "kept.sqlite"
    cold = load_at(tree.repository, tree.tip, SqliteCache(kept))
    restart = load_at(tree.repository, tree.tip, SqliteCache(kept))
    changed = load_at(tree.repository, tree.change(3, "v2"), SqliteCache(kept))
    assert [(one.read, one.parsed) for one in (cold, restart, changed)] == [(SPECS + SOURCES, SPECS), (0, 0), (1, 1)]
    assert [(len(one.specs), one.problems) for one in (cold, restart, changed)] == [(SPECS, ())] * 3
    assert restart.specs == cold.specs


def test_one_changed_release_makes_one_unit_anew(tmp_path: Path) -> None:
    tree = Tree.make(tmp_path, SPECS)
    first, second = tree.tip, tree.change(3, "v2.0.0")
    made = desires(tmp_path, tree, tmp_path / "side.sqlite")
    before = made.at(first)
    after = made.at(second)
    anew = [
        ref for ref, unit in after.units.items() if before.units.get(ref) is not unit and ref.kind is UnitKind.RELEASE
    ]
    assert anew == [UnitRef(UnitKind.RELEASE, "app-3")]
