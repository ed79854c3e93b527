"""G6, G10: however a pull request is merged, and whatever was merged beside it, the plan is the one that was approved.

Real git in a temporary folder; targets are values.
"""

from pathlib import Path

import pytest

from reconciler.git import trees
from reconciler.git.bare import BareRepository
from reconciler.git.merge import MergeConflict, MergedTree, merge_tree
from reconciler.names import Digest, Revision
from reconciler.plan.make import Side
from reconciler.plan.units import Cutter
from reconciler.specs.load import load
from reconciler.specs.resolve import resolve
from reconciler.specs.source import TreeEntry
from tests.git.world import Clone, git, make_world
from tests.plan.world import KEY, Files, plan, release


class Merging:
    """A clone in which a pull request stands beside what others merged."""

    def __init__(self, folder: Path, files: Files) -> None:
        world = make_world(folder)
        self.clone: Clone = world.clone
        self.files = files
        self.repository = BareRepository(self.clone.folder / ".git", world.transport)
        self.base = self.write(files.content, "main")

    def write(self, content: object, branch: str, message: str = "change") -> Revision:
        assert hasattr(content, "items")
        if branch:
            git(self.clone.folder, "checkout", "-q", "-B", branch)
        for path, text in content.items():
            target = self.clone.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        git(self.clone.folder, "add", "-A")
        git(self.clone.folder, "commit", "-q", "-m", message)
        return self.clone.head()

    def on(self, revision: str) -> None:
        git(self.clone.folder, "checkout", "-q", revision)

    def side(self, revision: Revision) -> Side:
        entries = tuple(TreeEntry(e.path, e.blob, e.mode) for e in trees.entries(self.repository, revision))

        def read(blob: object) -> bytes:
            content = trees.read_blob(self.repository, blob, 1 << 20)  # type: ignore[arg-type]
            assert content is not None
            return content

        loaded = load(entries, read, self.files.cache, self.files.reader)
        desired = resolve(loaded, entries, read, self.files.cache, self.files.reader)
        assert not desired.problems
        return Side(desired, Cutter(KEY, {}).cut(desired))

    def digest(self, before: Revision, after: Revision) -> Digest:
        return plan(self.side(after), self.side(before)).digest


@pytest.fixture
def merging(tmp_path: Path, files: Files) -> Merging:
    return Merging(tmp_path, files)


def change(made: Merging) -> Revision:
    """Two commits on a branch: an image and a setting."""
    made.on("main")
    made.write({"apps/web/deployment.yaml": made.files.edited("apps/web/deployment.yaml", "web:v1", "web:v2").content[
        "apps/web/deployment.yaml"]}, "feature", "image")  # fmt: skip
    text = made.files.content["apps/web/config.yaml"].replace("'1'", "'2'")
    return made.write({"apps/web/config.yaml": text}, "", "setting")


def unrelated(made: Merging) -> Revision:
    """Somebody else's pull request was merged: another release, and a file that is no spec."""
    made.on("main")
    config = made.files.content["apps/web/config.yaml"].replace("settings", "theirs")
    return made.write({"notes.yaml": "a: 1\n", "o.yaml": release("other"), "apps/other/c.yaml": config}, "", "theirs")


def previewed(made: Merging, tip: Revision, head: Revision) -> Digest:
    merged = merge_tree(made.repository, tip, head)
    assert isinstance(merged, MergedTree)
    return made.digest(tip, Revision(merged.tree))


WAYS = {
    "merge": ("merge", "-q", "--no-ff", "-m", "merged", "feature"),
    "squash": ("merge", "-q", "--squash", "feature"),
}


def land(made: Merging, way: str) -> Revision:
    made.on("main")
    if way == "rebase":
        git(made.clone.folder, "checkout", "-q", "feature")
        git(made.clone.folder, "rebase", "-q", "main")
        git(made.clone.folder, "checkout", "-q", "main")
        git(made.clone.folder, "merge", "-q", "--ff-only", "feature")
    else:
        git(made.clone.folder, *WAYS[way])
        if way == "squash":
            git(made.clone.folder, "commit", "-q", "-m", "squashed")
    return made.clone.head()


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
@pytest.mark.parametrize("meanwhile", [False, True], ids=["alone", "after another merge"])
def test_g10_every_way_of_merging_has_the_digest_that_was_previewed(
    merging: Merging, way: str, *, meanwhile: bool
) -> None:
    head = change(merging)
    approved = previewed(merging, merging.base, head)
    tip = unrelated(merging) if meanwhile else merging.base
    assert previewed(merging, tip, head) == approved
    landed = land(merging, way)
    assert (landed == head) == (way == "rebase" and not meanwhile)  # else it is another commit
    assert merging.digest(tip, landed) == approved


def test_g6_what_was_merged_meanwhile_into_the_same_unit_moves_the_digest(merging: Merging) -> None:
    head = change(merging)
    approved = previewed(merging, merging.base, head)
    merging.on("main")
    text = merging.files.content["web.yaml"].replace("namespace: web", "namespace: web, variables: {a: b}")
    tip = merging.write({"web.yaml": text}, "", "their change of this release")
    assert previewed(merging, tip, head) != approved
    assert merging.digest(tip, land(merging, "squash")) != approved


def test_g6_the_head_alone_is_not_what_is_planned(merging: Merging) -> None:
    head = change(merging)
    tip = unrelated(merging)
    reverted = plan(merging.side(head), merging.side(tip))
    assert any(unit.removed for unit in reverted.units)  # planning the head alone would remove what others merged
    merged = merge_tree(merging.repository, tip, head)
    assert isinstance(merged, MergedTree)
    assert [unit.unit for unit in plan(merging.side(Revision(merged.tree)), merging.side(tip)).units] == ["release/web"]


def test_g6_a_conflict_gives_no_plan(merging: Merging) -> None:
    head = change(merging)
    merging.on("main")
    text = merging.files.content["apps/web/config.yaml"].replace("'1'", "'3'")
    tip = merging.write({"apps/web/config.yaml": text}, "", "theirs")
    assert isinstance(merge_tree(merging.repository, tip, head), MergeConflict)


def test_g10_one_more_character_in_the_merge_itself_moves_the_digest(merging: Merging) -> None:
    head = change(merging)
    approved = previewed(merging, merging.base, head)
    land(merging, "merge")
    text = merging.files.content["apps/web/config.yaml"].replace("'1'", "'22'")
    (merging.clone.folder / "apps/web/config.yaml").write_text(text)
    git(merging.clone.folder, "commit", "-q", "-a", "--amend", "-m", "merged, with an addition")
    assert merging.digest(merging.base, merging.clone.head()) != approved
