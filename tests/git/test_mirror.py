"""The mirror follows its remote, and heals (faults F2, F6, F7, F8, F9)."""

import contextlib
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.git.mirror import MOST_PACKS, Mirror
from reconciler.git.trees import entries, find, read_blob
from reconciler.names import BlobId, Revision

from .world import ENVIRONMENT, ROOT, World, git


def test_refs_are_mirrored_under_their_names_and_pruned(world: World, mirror: Mirror) -> None:
    world.clone.commit("b", branch="feature", b_yaml="b: 1\n")
    world.clone.push()
    git(world.remote, "update-ref", "refs/pull/3/head", "feature")
    moved = mirror.sync()
    assert moved.names == ("refs/heads/feature", "refs/pull/3/head")
    git(world.remote, "update-ref", "-d", "refs/heads/feature")
    git(world.remote, "update-ref", "refs/heads/feature/a", "main")  # a folder where a file was
    assert set(mirror.sync().after) == {"refs/heads/main", "refs/heads/feature/a", "refs/pull/3/head"}


def test_in_a_still_moment_nobody_is_asked_until_somebody_stirs(world: World, mirror: Mirror) -> None:
    mirror.sync()
    world.clone.commit("next", x_yaml="1\n")
    world.clone.push()
    asked = mirror.poller.requests
    with mirror.still():
        with mirror.still():
            assert mirror.sync().names == ()
        assert mirror.sync().names == ()
        assert mirror.poller.requests == asked
        with ThreadPoolExecutor(1) as others:  # a moment is one thread's
            assert others.submit(mirror.sync).result().names == ("refs/heads/main",)
        world.clone.commit("again", x_yaml="2\n")
        world.clone.push()
        mirror.stir()
        assert mirror.sync().names == ("refs/heads/main",)
    world.clone.commit("last", x_yaml="3\n")
    world.clone.push()
    assert mirror.sync().names == ("refs/heads/main",)


def test_refs_of_ours_are_never_pruned(world: World, mirror: Mirror) -> None:
    with mirror.locked():
        mirror.repository.set_ref("refs/local/mine", world.clone.head())
    world.clone.commit("next", x_yaml="1\n")
    world.clone.push()
    mirror.sync()
    assert mirror.repository.ref("refs/local/mine")
    assert "refs/local/mine" not in mirror.refs()


def test_packs_and_open_files_do_not_grow_with_the_fetches(world: World, mirror: Mirror) -> None:
    most = 0
    start = world.clone.head()
    for number in range(MOST_PACKS + 10):
        world.clone.commit(f"change {number}", a_yaml=f"a: {number}\n")
        world.clone.push()
        mirror.sync()
        found = find(mirror.repository, world.clone.head(), "a.yaml")
        assert found is not None
        assert read_blob(mirror.repository, found.blob, 1000) == f"a: {number}\n".encode()
        most = max(most, sum(str(mirror.repository.path) in target for target in open_files()))
    assert len(list(mirror.repository.path.glob("objects/pack/*.pack"))) <= MOST_PACKS
    assert most <= MOST_PACKS + 1
    assert mirror.repository.has(start)
    assert mirror.repository.sound()


def test_compacting_drops_nothing_that_no_ref_names_any_more(world: World, mirror: Mirror) -> None:
    world.clone.commit("accepted", b_yaml="b: 1\n")
    world.clone.push()
    mirror.sync()
    gone = world.clone.head()
    for path in mirror.repository.path.glob("objects/**/*"):
        os.utime(path, (0, 0))  # older than any time after which git would drop it
    git(world.remote, "update-ref", "refs/heads/main", f"{gone}~1")
    mirror.sync()
    mirror.compact()
    assert Mirror(mirror._path, world.address, mirror._transport).repository.has(gone)
    assert [entry.path for entry in entries(mirror.repository, gone) if entry.path == "b.yaml"] == ["b.yaml"]


def open_files() -> list[str]:
    """What this process has open."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found.append(str(path.readlink()))
    return found


def test_a_vanished_branch_is_told_and_its_commits_stay(world: World, mirror: Mirror) -> None:
    tip = world.clone.head()
    git(world.remote, "update-ref", "-d", "refs/heads/main")
    moved = mirror.sync()
    assert moved.before == {"refs/heads/main": tip}
    assert moved.after == {}
    assert mirror.repository.has(tip)


def test_a_remote_that_is_away_changes_nothing(world: World, mirror: Mirror) -> None:
    before = mirror.refs()
    world.remote.rename(world.folder / "away.git")
    with pytest.raises(Unavailable):
        mirror.sync()
    with pytest.raises(Unavailable):
        mirror.fetch()
    assert mirror.refs() == before


def test_opening_again_finds_what_was_there_without_the_remote(world: World, mirror: Mirror, tmp_path: Path) -> None:
    world.remote.rename(world.folder / "away.git")
    assert Mirror(tmp_path / "mirror", world.address, world.transport).refs() == mirror.refs()


def test_locks_of_the_dead_are_taken_away(world: World, mirror: Mirror) -> None:
    world.clone.commit("next", x_yaml="1\n")
    world.clone.push()
    path = mirror.repository.path
    locks = [
        path / "refs/heads/main.lock",
        path / "packed-refs.lock",
        path / "HEAD.lock",
        path / "objects/pack/tmp_pack_x",
    ]
    for lock in locks:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    assert mirror.sync().after == {"refs/heads/main": world.clone.head()}
    assert not any(lock.exists() for lock in locks)


def test_locks_are_left_alone_while_a_child_of_a_dead_parent_lives(
    world: World, mirror: Mirror, tmp_path: Path
) -> None:
    lock = mirror.repository.path / "packed-refs.lock"
    lock.touch()
    with mirror.locked() as descriptor:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(descriptor,))  # as git fetch inherits it
    context = multiprocessing.get_context("fork")
    opener = context.Process(target=Mirror, args=(tmp_path / "mirror", world.address, world.transport))
    opener.start()
    opener.join(0.5)
    assert opener.is_alive()
    assert lock.exists()
    child.kill()
    child.communicate()
    opener.join(20)
    assert opener.exitcode == 0
    assert not lock.exists()


def _fill(world: World) -> None:
    for number in range(12):
        world.clone.commit(f"number {number}", **{f"specs__{number}_yaml": f"a: {number}\n" * 50})
    git(world.clone.folder, "branch", "side")
    world.clone.push()


def _damage(path: Path, seed: int) -> str:
    """One byte of one file flipped, or one file emptied or removed."""
    chance = random.Random(seed)
    victim = chance.choice(sorted(p for p in path.rglob("*") if p.is_file() and p.name != "config"))
    victim.chmod(0o600)
    content = bytearray(victim.read_bytes())
    match chance.randrange(4) if content else 2:
        case 0:
            victim.write_bytes(b"")
        case 1:
            victim.unlink()
        case _ if content:
            content[chance.randrange(len(content))] ^= 0xFF
            victim.write_bytes(content)
    return str(victim.relative_to(path))


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_mirror_is_never_read_wrongly_and_heals(world: World, tmp_path: Path, seed: int) -> None:
    _fill(world)
    folder = tmp_path / "mirror"
    mirror = Mirror(folder, world.address, world.transport)
    mirror.sync()
    if seed % 2:
        mirror.compact()
    tip = world.clone.head()
    truth = {entry: read_blob(world.bare, entry.blob, 10000) for entry in entries(world.bare, tip)}
    victim = _damage(mirror.repository.path, seed)
    mirror = Mirror(folder, world.address, world.transport)

    def look() -> None:
        mirror.sync()
        assert {
            entry: read_blob(mirror.repository, entry.blob, 10000) for entry in entries(mirror.repository, tip)
        } == truth

    for _ in range(3):  # each reading that fails leaves a mark, and the next sync acts on it
        try:
            look()
        except ReconcilerError as error:
            assert isinstance(error, Unavailable), victim  # noqa: PT017
    look()


def test_a_mirror_of_garbage_is_replaced_at_once(world: World, mirror: Mirror, tmp_path: Path) -> None:
    path = mirror.repository.path
    shutil.rmtree(path)
    path.mkdir()
    (path / "HEAD").write_bytes(b"\0\xff garbage")
    again = Mirror(tmp_path / "mirror", world.address, world.transport)
    assert again.sync().after == {"refs/heads/main": world.clone.head()}
    assert again.repository.path != path


def test_what_is_only_ours_survives_a_replacement(world: World, mirror: Mirror, tmp_path: Path) -> None:
    mine = world.clone.head()
    packs = mirror.repository.path / "objects" / "pack"
    old = set(packs.iterdir())
    world.clone.commit("next", x_yaml="1\n")
    world.clone.push()
    mirror.sync()
    mirror.repository.set_ref("refs/local/mine", mine)
    blob = BlobId(git(world.clone.folder, "rev-parse", "HEAD:x.yaml"))
    for pack in set(packs.iterdir()) - old:
        pack.unlink()
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    with pytest.raises(Unavailable):
        read_blob(mirror.repository, blob, 100)
    before = mirror.repository.path
    mirror.sync()
    assert mirror.repository.path != before
    assert mirror.repository.ref("refs/local/mine") == mine
    assert read_blob(mirror.repository, blob, 100) == b"1\n"


def test_a_broken_mirror_stays_while_the_remote_is_away(world: World, mirror: Mirror) -> None:
    before = mirror.repository.path
    for pack in (before / "objects" / "pack").iterdir():
        pack.unlink()
    mirror.repository.mark()
    world.remote.rename(world.folder / "away.git")
    with pytest.raises(Unavailable):
        mirror.sync()
    assert mirror.repository.path == before


def test_an_absent_commit_that_somebody_asks_for_is_no_damage(mirror: Mirror) -> None:
    with pytest.raises(Unavailable):
        entries(mirror.repository, Revision("1" * 40))
    assert not mirror.repository.suspect


def _sync(folder: Path, world: World) -> None:
    Mirror(folder, world.address, world.transport).sync()


def test_processes_share_a_mirror(world: World, mirror: Mirror, tmp_path: Path) -> None:
    _fill(world)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_sync, args=(tmp_path / "mirror", world)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert mirror.refs()["refs/heads/side"] == world.clone.head()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["rename", "link", "fsync", "unlink", "mkdir"])
@pytest.mark.parametrize("nth", [1, 2, 5])
def test_a_fetch_killed_anywhere_is_finished_by_the_next(world: World, tmp_path: Path, call: str, nth: int) -> None:
    _fill(world)
    script = (
        "import sys; from pathlib import Path; from reconciler.git.mirror import Mirror\n"
        "from reconciler.git.remote import Remote; from reconciler.git.transport import Transport\n"
        "Mirror(Path(sys.argv[1]), Remote(sys.argv[2]), Transport(Path(sys.argv[3]))).sync()"
    )
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}"]
    python = [sys.executable, "-c", script, str(tmp_path / "mirror"), str(world.remote), str(world.transport.home)]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*command, *python], env=environment, check=False, capture_output=True)
    mirror = Mirror(tmp_path / "mirror", world.address, world.transport)
    assert mirror.sync().after["refs/heads/main"] == world.clone.head()
    git(mirror.repository.path, "fsck", "--strict", "--no-dangling")
