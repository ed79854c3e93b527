"""Commits without a work tree, and compare-and-swap pushes (L7)."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import Refused, Rejected, Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push, remote_ref
from reconciler.git.remote import Remote
from reconciler.git.trees import entries, read_blob
from reconciler.git.write import commit_tree
from reconciler.names import Revision

from .world import ANNA, AT, World, git, http_backend, serving

MAIN = "refs/heads/main"


def _content(repository: BareRepository, revision: Revision) -> dict[str, bytes | None]:
    return {entry.path: read_blob(repository, entry.blob, 10**6) for entry in entries(repository, revision)}


def test_files_are_written_and_removed_and_the_rest_stays(world: World) -> None:
    tip = world.clone.head()
    made = commit_tree(
        world.bare,
        files={"specs/a.yaml": None, "specs/b/c.yaml": b"c\n", "README.md": b"new\n"},
        parents=(tip,),
        message="change",
        author=ANNA,
    )
    assert _content(world.bare, made) == {"README.md": b"new\n", "specs/b/c.yaml": b"c\n"}
    emptied = commit_tree(
        world.bare, files={"specs/b/c.yaml": None, "README.md": None}, parents=(made,), message="all", author=ANNA
    )
    assert _content(world.bare, emptied) == {}
    git(world.remote, "fsck", "--strict", "--no-dangling")


def test_a_first_commit_has_no_parent(world: World) -> None:
    made = commit_tree(world.bare, files={"a/b": b"1"}, parents=(), message="root", author=ANNA)
    assert git(world.remote, "rev-list", "--parents", made) == made
    assert (
        git(world.remote, "log", "-1", "--format=%an|%ae|%at|%s", made)
        == f"Anna Example|anna@example.org|{int(AT.timestamp())}|root"
    )


def test_an_executable_stays_one_and_a_symlink_does_not(world: World) -> None:
    blob = world.blob(b"/etc/passwd")
    tip = world.commit_of(world.tree(("120000", blob, b"link"), ("100755", blob, b"run")))
    made = commit_tree(world.bare, files={"run": b"1", "link": b"2"}, parents=(tip,), message="m", author=ANNA)
    assert {entry.path: entry.mode for entry in entries(world.bare, made)} == {"run": 0o100755, "link": 0o100644}


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../b", ".git/config", "a/.GIT/hooks/x", "", "a//b", "a\nb", "x" * 5000, "d/" * 70 + "x"]
)
def test_an_odd_path_is_refused(world: World, path: str) -> None:
    with pytest.raises(Refused):
        commit_tree(world.bare, files={path: b"x"}, parents=(), message="m", author=ANNA)


@pytest.mark.parametrize(
    "files",
    [{"specs": b"x"}, {"README.md/x": b"x"}, {"a": b"1", "a/b": b"2"}, {"a/b": b"2", "a": b"1"}, {"specs": None}],
)
def test_a_file_and_a_folder_cannot_share_a_name(world: World, files: dict[str, bytes | None]) -> None:
    with pytest.raises(Rejected):
        commit_tree(world.bare, files=files, parents=(world.clone.head(),), message="m", author=ANNA)


_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
_CHANGES = st.lists(st.dictionaries(_PATHS, st.one_of(st.none(), st.binary(max_size=4)), max_size=5), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(_CHANGES)
def test_a_series_of_changes_is_what_a_dictionary_says(world: World, series: list[dict[str, bytes | None]]) -> None:
    bare, model = world.bare, dict[str, bytes]()
    tip = commit_tree(bare, files={}, parents=(), message="root", author=ANNA)
    for files in series:
        try:
            tip = commit_tree(bare, files=files, parents=(tip,), message="m", author=ANNA)
        except Rejected:
            continue  # a file where a folder is
        model = {p: c for p, c in {**model, **files}.items() if c is not None}
        assert _content(bare, tip) == model


def test_of_racing_pushers_exactly_one_wins(world: World) -> None:
    bare, tip = world.bare, world.clone.head()

    def race(number: int) -> tuple[PushResult, Revision]:
        made = commit_tree(bare, files={f"{number}": b"x"}, parents=(tip,), message=f"{number}", author=ANNA)
        return push(bare, world.address, MAIN, tip, made), made

    other = world.folder / "local.git"
    git(world.folder, "clone", "-q", "--bare", str(world.remote), str(other))
    bare = BareRepository(other, world.transport)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(race, range(6)))
    winners = [made for result, made in results if result is PushResult.DONE]
    assert len(winners) == 1
    assert git(world.remote, "rev-parse", MAIN) == winners[0]


@pytest.mark.parametrize("over_http", [False, True])
def test_a_push_says_what_happened(world: World, mirror: Mirror, over_http: bool) -> None:  # noqa: FBT001
    bare, tip = mirror.repository, world.clone.head()
    numbers = itertools.count()

    def made(parent: Revision) -> Revision:
        return commit_tree(bare, files={"n": str(next(numbers)).encode()}, parents=(parent,), message="m", author=ANNA)

    with serving(http_backend(world.folder)) as requests:
        remote = Remote(f"{requests.url}/remote.git") if over_http else world.address
        one, other = made(tip), made(tip)
        assert push(bare, remote, MAIN, tip, one) is PushResult.DONE
        assert push(bare, remote, MAIN, tip, other) is PushResult.MOVED
        assert push(bare, remote, MAIN, None, other) is PushResult.MOVED
        assert push(bare, remote, MAIN, tip, one) is PushResult.DONE  # the answer to the first was lost
        assert push(bare, remote, "refs/heads/new", None, one) is PushResult.DONE
        assert push(bare, remote, "refs/heads/new", other, one) is PushResult.DONE
        assert push(bare, remote, "refs/heads/new", one, None) is PushResult.DONE
        assert push(bare, remote, "refs/heads/new", one, other) is PushResult.MOVED
        assert remote_ref(bare, remote, "refs/heads/new") is None
        assert remote_ref(bare, remote, MAIN) == one


def test_a_hook_that_says_no_is_a_rejection_with_its_words(world: World, mirror: Mirror, tmp_path: Path) -> None:
    hook = world.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'the branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    tip = world.clone.head()
    made = commit_tree(mirror.repository, files={"n": b"1"}, parents=(tip,), message="m", author=ANNA)
    with serving(http_backend(world.folder)) as requests, pytest.raises(Rejected, match="the branch is protected"):
        push(mirror.repository, Remote(f"{requests.url}/remote.git"), MAIN, tip, made)
    assert git(world.remote, "rev-parse", MAIN) == tip


def test_a_refused_push_that_happened_nevertheless_is_done(world: World, mirror: Mirror) -> None:
    hook = world.remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ngit update-ref "$1" "$3"\nexit 1\n')  # as if another process of ours were faster
    hook.chmod(0o755)
    tip = world.clone.head()
    made = commit_tree(mirror.repository, files={"n": b"1"}, parents=(tip,), message="m", author=ANNA)
    with serving(http_backend(world.folder)) as requests:
        assert push(mirror.repository, Remote(f"{requests.url}/remote.git"), MAIN, tip, made) is PushResult.DONE
    assert git(world.remote, "rev-parse", MAIN) == made


def test_a_ref_that_somebody_is_writing_counts_as_moved(world: World, mirror: Mirror) -> None:
    tip = world.clone.head()
    made = commit_tree(mirror.repository, files={"n": b"1"}, parents=(tip,), message="m", author=ANNA)
    lock = world.remote / "refs/heads/main.lock"
    lock.touch()
    assert push(mirror.repository, world.address, MAIN, tip, made) is PushResult.MOVED
    lock.unlink()
    assert push(mirror.repository, world.address, MAIN, tip, made) is PushResult.DONE


@pytest.mark.parametrize(
    "ref", ["--mirror", "main", "refs/heads/x:refs/heads/main", "refs/heads/*", "+refs/heads/main"]
)
def test_only_a_full_plain_ref_is_pushed(world: World, ref: str) -> None:
    with pytest.raises(Rejected):
        push(world.bare, world.address, ref, None, world.clone.head())


def test_an_absent_parent_is_unavailable(world: World) -> None:
    with pytest.raises(Unavailable):
        commit_tree(world.bare, files={}, parents=(Revision("1" * 40),), message="m", author=ANNA)


def test_a_person_without_a_name_is_still_a_person(world: World) -> None:
    made = commit_tree(world.bare, files={}, parents=(), message="m", author=Person("", "a@b", AT))
    assert git(world.remote, "log", "-1", "--format=%an <%ae>", made) == "a@b <a@b>"
    git(world.remote, "fsck", "--strict", "--no-dangling")
