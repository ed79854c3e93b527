"""The disk of the reconciler is full, or its caches are garbage: nothing that cannot be recorded is done."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.sandbox.cluster_http import Asked
from tests.faults.far_cluster import Cut, is_write
from tests.faults.release import check, cluster_of, next_version, state_of
from tests.story.stage import Stage

SIZE = "48m"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; skips in one line where nobody may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "faults", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a full disk needs a tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(behind: Stage, small: Path) -> Iterator[Stage]:
    """The reconciler's keys, mirror and caches are on the small disk."""
    state = behind.world.home / "state"
    shutil.copytree(state, small / "state", symlinks=True)
    state.rename(state.with_name("large"))
    state.symlink_to(small / "state")
    behind.restart()
    yield behind
    state.unlink()
    shutil.rmtree(state.with_name("large"))
    shutil.copytree(small / "state", state, symlinks=True)
    behind.restart()


def fill(disk: Path) -> None:
    """Until nothing fits any more."""
    for size in (1 << 20, 1 << 12, 1):
        with suppress(OSError), (disk / f"filler-{size}").open("wb", buffering=0) as file:
            while file.write(b"x" * size):
                pass


def make_room(disk: Path) -> None:
    for filler in disk.glob("filler-*"):
        filler.unlink()


def settle(stage: Stage) -> list[str]:
    """Some looks, as the timer does, also where they fail as a whole; what went wrong in them."""
    faults: list[str] = []
    for _ in range(2):
        try:
            faults += stage.settle()
        except ReconcilerError as error:
            faults.append(f"{error.key}: {error.message}")
    return faults


def test_f04_a_full_disk_starts_nothing_and_goes_on_when_there_is_room(cramped: Stage, small: Path) -> None:
    pull, tag = next_version(cramped)
    merged = cramped.merge(pull, settle=False)
    before = cramped.effects()
    fill(small)
    faults = settle(cramped)
    assert cramped.effects() == before
    assert faults
    assert not [fault for fault in faults if fault.endswith("Error")], "a defect is named by its class"
    make_room(small)
    settle(cramped)
    check(cramped, pull, tag, merged)


def test_f04_a_disk_that_is_full_after_an_effect_loses_no_record(cramped: Stage, small: Path) -> None:
    pull, tag = next_version(cramped)
    merged = cramped.merge(pull, settle=False)

    def filling(asked: Asked) -> bool:
        if is_write(asked):
            fill(small)
        return False

    cluster_of(cramped).cut_at(Cut.UNHEARD, 1, filling, away=False)
    settle(cramped)
    assert "applied" not in cramped.actions(ticket=pull)
    assert state_of(cramped, merged) != "success"
    cluster_of(cramped).heal()
    make_room(small)
    settle(cramped)
    check(cramped, pull, tag, merged)


@pytest.mark.parametrize("kind", ["garbage", "directory"])
def test_f04_a_cache_that_is_garbage_or_read_only_changes_no_result(behind: Stage, kind: str) -> None:
    cache = behind.world.opened.settings.cache / "specs.sqlite"
    cache.unlink(missing_ok=True)
    if kind == "garbage":
        cache.write_bytes(b"SQLite format 3\0" + b"\xa5" * 9000)
    else:
        cache.mkdir()
    behind.restart()
    pull, tag = next_version(behind)
    merged = behind.merge(pull)
    check(behind, pull, tag, merged)
    if kind == "directory":
        cache.rmdir()
