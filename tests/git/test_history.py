"""Movement of refs (T8, F7, F8), what a pull request brings in, and merges (G6, G14; L10)."""

from datetime import timedelta

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.git.commits import Person, parse, serialise
from reconciler.git.history import (
    Movement,
    clean_merge_of_tracked,
    commit,
    commits,
    first_parent,
    is_ancestor,
    merge_base,
    movement,
    resolve,
)
from reconciler.git.merge import MergeConflict, MergedTree, merge_tree
from reconciler.git.write import merge, rebase, squash
from reconciler.names import Revision

from .world import ANNA, AT, BOT, World, git

ABSENT = Revision("1" * 40)


def test_every_movement_of_a_ref_is_told_apart(world: World) -> None:
    clone = world.clone
    first = clone.head()
    second = clone.commit(x_yaml="2\n")
    git(clone.folder, "checkout", "-q", "-b", "amended", first)
    amended = clone.commit(x_yaml="3\n")
    git(clone.folder, "checkout", "-q", "--orphan", "other")
    unrelated = clone.commit("same tree, other history")
    clone.push()
    bare = world.bare
    assert movement(bare, first, first) is Movement.UNCHANGED
    assert movement(bare, None, None) is Movement.UNCHANGED
    assert movement(bare, None, first) is Movement.FORWARD
    assert movement(bare, first, second) is Movement.FORWARD
    assert movement(bare, second, first) is Movement.REWOUND
    assert movement(bare, second, amended) is Movement.REWOUND
    assert movement(bare, second, unrelated) is Movement.UNRELATED
    assert movement(bare, ABSENT, second) is Movement.UNRELATED
    assert movement(bare, first, None) is Movement.VANISHED
    with pytest.raises(Unavailable):
        movement(bare, first, ABSENT)


def test_ancestry_agrees_with_git(world: World) -> None:
    first = world.clone.head()
    second = world.clone.commit(x_yaml="2\n")
    git(world.clone.folder, "checkout", "-q", "-b", "side", first)
    side = world.clone.commit(y_yaml="2\n")
    world.clone.push()
    assert merge_base(world.bare, second, side) == git(world.remote, "merge-base", second, side) == first
    assert is_ancestor(world.bare, first, second)
    assert is_ancestor(world.bare, first, first)
    assert not is_ancestor(world.bare, second, first)
    assert not is_ancestor(world.bare, second, side)
    with pytest.raises(Unavailable):
        is_ancestor(world.bare, ABSENT, side)


def test_what_a_pull_request_brings_in_is_listed_parents_first(world: World) -> None:
    base = world.clone.head()
    one = world.clone.commit("one\n\nwith a body", branch="topic", x_yaml="1\n")
    git(world.clone.folder, "checkout", "-q", "main")
    ahead = world.clone.commit("main goes on", m_yaml="1\n")
    git(world.clone.folder, "checkout", "-q", "topic")
    git(world.clone.folder, "merge", "-q", "--no-ff", "-m", "merge main", "main")
    merged = world.clone.head()
    two = world.clone.commit("two", y_yaml="1\n")
    world.clone.push()
    assert [c.id for c in commits(world.bare, ahead, two)] == [one, merged, two]
    assert [c.id for c in first_parent(world.bare, base, two)] == [one, merged, two]
    assert {c.id for c in commits(world.bare, base, two)} == {one, ahead, merged, two}
    assert commits(world.bare, two, two) == ()
    assert [c.id for c in commits(world.bare, None, one)] == [base, one]
    found = commit(world.bare, one)
    assert found.subject == "one"
    assert found.author.email == "anna@example.org"
    assert (found.author.at - AT, found.author.at.utcoffset()) == (timedelta(), timedelta(hours=1))
    assert found.parents == (base,)


def test_a_tag_stands_for_its_commit(world: World) -> None:
    git(world.clone.folder, "tag", "-a", "v1", "-m", "v1")
    world.clone.push("origin", "v1")
    assert resolve(world.bare, "refs/tags/v1") == world.clone.head()
    assert resolve(world.bare, "refs/tags/v2") is None


@pytest.mark.parametrize(
    "shape", ["diverged", "fast-forward", "rename", "several commits", "merged main in", "criss-cross"]
)
def test_merge_squash_and_rebase_give_the_previewed_tree(world: World, shape: str) -> None:
    clone, folder = world.clone, world.clone.folder
    long = "".join(f"line {number}\n" for number in range(40))
    clone.commit("content", long_yaml=long, b__long_yaml=long + "b\n")
    clone.commit("topic", branch="topic", long_yaml=long.replace("line 3\n", "line three\n"))
    if shape == "rename":
        git(folder, "mv", "b/long.yaml", "renamed.yaml")
        clone.commit("rename")
    if shape in ("several commits", "merged main in"):
        clone.commit("more", long_yaml=long.replace("line 3\n", "line three\nand more\n"), new_yaml="n\n")
        clone.commit("removed again", new_yaml=None)
    git(folder, "checkout", "-q", "main")
    if shape != "fast-forward":
        clone.commit("main", long_yaml=long.replace("line 30\n", "line thirty\n"), b__long_yaml=long + "c\n")
    if shape == "merged main in":
        git(folder, "checkout", "-q", "topic")
        git(folder, "merge", "-q", "-m", "merge main", "main")
        clone.commit("after", z_yaml="z\n")
    if shape == "criss-cross":
        git(folder, "branch", "old-main")
        git(folder, "merge", "-q", "-m", "into main", "topic")
        git(folder, "checkout", "-q", "topic")
        git(folder, "merge", "-q", "-m", "into topic", "old-main")
        clone.commit("again", t_yaml="t\n")
    clone.push()
    tip, head = clone.head("main"), clone.head("topic")
    previewed = merge_tree(world.bare, tip, head)
    assert isinstance(previewed, MergedTree)

    git(folder, "checkout", "-q", "-B", "real", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "real merge", "topic")
    assert git(folder, "rev-parse", "HEAD^{tree}") == previewed.tree
    git(folder, "checkout", "-q", "-B", "real", "main")
    git(folder, "merge", "-q", "--squash", "topic")
    assert git(folder, "write-tree") == previewed.tree
    git(folder, "reset", "-q", "--hard")
    if shape != "criss-cross":
        git(folder, "checkout", "-q", "-B", "real", "topic")
        git(folder, "rebase", "-q", "main")
        assert git(folder, "rev-parse", "HEAD^{tree}") == previewed.tree

    for made in (
        merge(world.bare, tip, head, message="merge", author=BOT),
        squash(world.bare, tip, head, message="squash", author=ANNA, committer=BOT),
        rebase(world.bare, tip, head, committer=BOT),
    ):
        assert isinstance(made, str)
        assert commit(world.bare, made).tree == previewed.tree
        assert is_ancestor(world.bare, tip, made)


def test_a_rebase_keeps_authors_messages_and_order(world: World) -> None:
    world.clone.commit("one\n\nbody", branch="topic", x_yaml="1\n")
    world.clone.commit("two", y_yaml="1\n")
    git(world.clone.folder, "checkout", "-q", "main")
    tip = world.clone.commit("main", m_yaml="1\n")
    world.clone.push()
    made = rebase(world.bare, tip, world.clone.head("topic"), committer=BOT)
    assert isinstance(made, str)
    found = commits(world.bare, tip, made)
    assert [c.message for c in found] == ["one\n\nbody\n", "two\n"]
    assert {(c.author.name, c.author.at, c.committer.name) for c in found} == {("Anna Example", AT, "reconciler")}


def test_a_rebase_leaves_out_what_is_there_already(world: World) -> None:
    world.clone.commit("one", branch="topic", x_yaml="1\n")
    world.clone.commit("two", y_yaml="1\n")
    git(world.clone.folder, "checkout", "-q", "main")
    tip = world.clone.commit("one, picked", x_yaml="1\n")
    world.clone.push()
    made = rebase(world.bare, tip, world.clone.head("topic"), committer=BOT)
    assert isinstance(made, str)
    assert [c.subject for c in commits(world.bare, tip, made)] == ["two"]


def test_a_conflict_names_its_paths(world: World) -> None:
    world.clone.commit("topic", branch="topic", specs__a_yaml="a: 2\n", ok_yaml="1\n")
    git(world.clone.folder, "checkout", "-q", "main")
    world.clone.commit("main", specs__a_yaml="a: 3\n")
    world.clone.push()
    tip, head = world.clone.head("main"), world.clone.head("topic")
    expected = MergeConflict(("specs/a.yaml",))
    assert merge_tree(world.bare, tip, head) == expected
    assert merge(world.bare, tip, head, message="m", author=BOT) == expected
    assert squash(world.bare, tip, head, message="m", author=BOT) == expected
    assert rebase(world.bare, tip, head, committer=BOT) == expected


def test_unrelated_histories_are_a_conflict_and_an_absent_head_is_not(world: World) -> None:
    tip = world.clone.head()
    git(world.clone.folder, "checkout", "-q", "--orphan", "other")
    other = world.clone.commit("other")
    world.clone.push()
    assert merge_tree(world.bare, tip, other) == MergeConflict(())
    with pytest.raises(Unavailable):
        merge_tree(world.bare, tip, ABSENT)


def test_a_merge_driver_of_the_repository_is_not_run(world: World) -> None:
    git(world.remote, "config", "merge.evil.driver", f"touch {world.folder}/ran")
    world.clone.commit("attributes", _gitattributes="*.yaml merge=evil\n")
    world.clone.commit("topic", branch="topic", specs__a_yaml="a: 2\n")
    git(world.clone.folder, "checkout", "-q", "main")
    world.clone.commit("main", specs__a_yaml="a: 3\n")
    world.clone.push()
    assert isinstance(merge_tree(world.bare, world.clone.head("main"), world.clone.head("topic")), MergeConflict)
    assert not (world.folder / "ran").exists()


def test_only_a_clean_merge_of_the_tracked_branch_is_set_aside(world: World) -> None:
    clone, folder = world.clone, world.clone.folder
    clone.commit("topic", branch="topic", x_yaml="1\n")
    git(folder, "checkout", "-q", "-b", "feature")
    clone.commit("feature", f_yaml="1\n")
    git(folder, "checkout", "-q", "main")
    tracked = clone.commit("main", m_yaml="1\n")
    git(folder, "checkout", "-q", "topic")
    git(folder, "merge", "-q", "--no-ff", "-m", "clean", "main")
    clean = clone.head()
    git(folder, "merge", "-q", "--no-ff", "-m", "another branch", "feature")
    foreign = clone.head()
    git(folder, "checkout", "-q", "-B", "evil", clean)
    (folder / "x.yaml").write_text("smuggled: true\n")
    git(folder, "commit", "-q", "-a", "--amend", "-m", "clean")
    evil = clone.head()
    clone.push()
    bare = world.bare
    assert clean_merge_of_tracked(bare, clean, tracked)
    assert not clean_merge_of_tracked(bare, evil, tracked)
    assert not clean_merge_of_tracked(bare, foreign, tracked)
    assert not clean_merge_of_tracked(bare, tracked, tracked)


def test_a_commit_is_read_to_the_byte(world: World) -> None:
    revision = world.clone.commit("ünïcode\n\nbody\n\nTrailer: x\n")
    world.clone.push()
    found = commit(world.bare, revision)
    assert found.payload == world.bare.raw_commit(revision)
    assert serialise(found.tree, found.parents, found.author, found.committer, found.message) == found.payload


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\n\n", b"tree x\n\nm", b"tree x\nauthor a <b> 1 +0000\n\nm",
        b"tree x\nauthor nobody\ncommitter c <d> 1 +0000\n\nm",
        b"tree x\nauthor a <b> 99999999999999 +0000\ncommitter c <d> 1 +0000\n\nm",
        b"tree x\nauthor a <b> 1 +0000\nauthor a <b> 1 +0000\ncommitter c <d> 1 +0000\n\nm",
    ],
)  # fmt: skip
def test_a_broken_commit_is_rejected(raw: bytes) -> None:
    with pytest.raises(Rejected):
        parse(ABSENT, raw)


def test_a_name_cannot_forge_a_header() -> None:
    person = Person("A <x>\ncommitter Evil", "a@b>\nx", AT)
    found = parse(ABSENT, serialise("t", (), person, person, "m"))
    assert found.author.email == "a@b x"
    assert found.author.name == "A  x committer Evil"
