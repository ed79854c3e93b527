"""Trees are read from the object database, in full, and compared by id (threat T10)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.git.paths import is_odd
from reconciler.git.trees import Changed, TreeEntry, changed, entries, find, read_blob
from reconciler.names import BlobId, Revision

from .world import World, git


def test_entries_are_what_git_lists(world: World) -> None:
    tip = world.clone.commit(a__b__c_yaml="c\n", a__b_yaml="b\n", z_yaml="z\n")
    world.clone.push()
    listed = [line.split(maxsplit=3) for line in git(world.remote, "ls-tree", "-r", tip).splitlines()]
    expected = sorted((path, oid, int(mode, 8)) for mode, _, oid, path in listed)
    assert [(entry.path, entry.blob, entry.mode) for entry in entries(world.bare, tip)] == expected
    tree = Revision(git(world.remote, "rev-parse", f"{tip}^{{tree}}"))
    assert entries(world.bare, tree) == entries(world.bare, tip)


def test_symlinks_submodules_and_executables_keep_their_modes(world: World) -> None:
    blob = world.blob(b"/etc/passwd")
    tree = world.tree(
        ("100755", blob, b"run"),
        ("100644", blob, b"file"),
        ("120000", blob, b"link"),
        ("160000", world.clone.head(), b"module"),
    )
    found = {entry.path: entry.mode for entry in entries(world.bare, world.commit_of(tree))}
    assert found == {"run": 0o100755, "file": 0o100644, "link": 0o120000, "module": 0o160000}


def test_hostile_names_are_flagged_and_equal_no_plain_path(world: World) -> None:
    blob = world.blob(b"canary")
    inner = world.tree(("100644", blob, b"x"))
    names = (b"..", b".git", b"\xff\xfe", b"new\nline", b"a\\b")
    tree = world.tree(*(("040000", inner, name) for name in names), ("100644", blob, b"plain"))
    revision = world.commit_of(tree)
    found = [entry.path for entry in entries(world.bare, revision)]
    assert len(found) == len(names) + 1
    assert [path for path in found if not is_odd(path)] == ["plain"]
    assert find(world.bare, revision, "../x") is None
    assert find(world.bare, revision, ".git/x") is None


def test_a_tree_that_unfolds_without_end_is_rejected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.git.trees.MOST_ENTRIES", 20_000)
    tree = world.tree(("100644", world.blob(b"x"), b"x"))
    for _ in range(12):
        tree = world.tree(*(("040000", tree, f"{number:02}".encode()) for number in range(20)))
    with pytest.raises(Rejected):
        entries(world.bare, world.commit_of(tree))
    with pytest.raises(Rejected):
        changed(world.bare, None, world.commit_of(tree))


def test_a_tree_that_is_too_deep_is_rejected(world: World) -> None:
    tree = world.tree(("100644", world.blob(b"x"), b"x"))
    for _ in range(70):
        tree = world.tree(("040000", tree, b"d"))
    with pytest.raises(Rejected, match="deep"):
        entries(world.bare, world.commit_of(tree))


def test_what_changed_is_told_by_path_and_id(world: World) -> None:
    old = world.clone.commit(a__x_yaml="1\n", a__y_yaml="1\n", b_yaml="1\n", gone_yaml="1\n")
    new = world.clone.commit(a__x_yaml="2\n", gone_yaml=None, c__d__e_yaml="new\n")
    world.clone.push()
    found = changed(world.bare, old, new)
    assert [(change.path, change.old_mode != 0, change.new_mode != 0) for change in found] == [
        ("a/x.yaml", True, True), ("c/d/e.yaml", False, True), ("gone.yaml", True, False),
    ]  # fmt: skip
    assert {c.path for c in found} == set(
        git(world.remote, "diff", "--name-only", "--no-renames", old, new).splitlines()
    )
    assert read_blob(world.bare, found[0].new_blob or BlobId(""), 10) == b"2\n"


def test_everything_changed_from_nothing(world: World) -> None:
    tip = world.clone.head()
    assert [change.path for change in changed(world.bare, None, tip)] == [
        entry.path for entry in entries(world.bare, tip)
    ]
    assert all(change.new_blob is None for change in changed(world.bare, tip, None))
    assert changed(world.bare, tip, tip) == ()


def test_a_mode_that_changes_alone_is_a_change(world: World) -> None:
    blob = world.blob(b"../secret")
    old = world.commit_of(world.tree(("100644", blob, b"a.yaml")))
    new = world.commit_of(world.tree(("120000", blob, b"a.yaml")))
    assert changed(world.bare, old, new) == (Changed("a.yaml", BlobId(blob), BlobId(blob), 0o100644, 0o120000),)


def test_a_file_that_becomes_a_folder_is_gone_and_its_content_new(world: World) -> None:
    old = world.clone.commit(a="file\n")
    world.clone.commit(a=None)
    new = world.clone.commit(a__b="inside\n")
    world.clone.push()
    found = changed(world.bare, old, new)
    assert [(change.path, change.old_blob is None, change.new_blob is None) for change in found] == [
        ("a", False, True), ("a/b", True, False),
    ]  # fmt: skip


def test_equal_subtrees_are_not_even_read(world: World) -> None:
    absent = "1" * 40
    old = world.commit_of(world.tree(("100644", world.blob(b"1"), b"a"), ("040000", absent, b"same")))
    new = world.commit_of(world.tree(("100644", world.blob(b"2"), b"a"), ("040000", absent, b"same")))
    assert [change.path for change in changed(world.bare, old, new)] == ["a"]
    with pytest.raises(Unavailable):
        entries(world.bare, new)
    assert world.bare.suspect  # something that should be there is not


def test_a_large_blob_is_not_read(world: World) -> None:
    blob = BlobId(world.blob(b"x" * 1000))
    assert read_blob(world.bare, blob, 999) is None
    assert read_blob(world.bare, blob, 1000) == b"x" * 1000


def test_one_file_is_found_without_listing(world: World) -> None:
    tip = world.clone.head()
    assert find(world.bare, tip, "specs/a.yaml") == next(
        e for e in entries(world.bare, tip) if e.path == "specs/a.yaml"
    )
    assert find(world.bare, tip, "specs") is None
    assert find(world.bare, tip, "specs/a.yaml/x") is None
    assert find(world.bare, tip, "no/such") is None


def test_threads_each_read_with_their_own_handle(world: World) -> None:
    bare, tip, together = world.bare, world.clone.head(), threading.Barrier(4)

    def read(_: int) -> tuple[tuple[TreeEntry, ...], object]:
        together.wait(10)
        return entries(bare, tip), bare.objects

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(4)))
    assert len({listed for listed, _ in found}) == 1
    assert len({id(handle) for _, handle in found}) == 4
