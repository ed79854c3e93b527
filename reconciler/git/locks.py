"""A folder's lock, for threads and processes.

Knows flock and how to take away what dead processes left. Knows no Git but the names of its lock files. The rule: a
stale lock file is removed only by who holds the folder's lock; children of git inherit the lock's descriptor, so a
child that outlives a killed parent still holds it, and nobody tidies up under its hands (fault F2).
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from reconciler.errors import Unavailable


class FolderLock:
    """An exclusive lock on a folder; the same thread may take it again inside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.RLock()
        self._descriptor = -1
        self._depth = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Wait for the lock and hold it; gives the descriptor that a child has to keep open."""
        with self._threads:
            if self._depth == 0:
                self._descriptor = self._open()
            self._depth += 1
            try:
                yield self._descriptor
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._descriptor)  # a child that is still running keeps the lock itself

    def _open(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"locking {self._path}: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            os.close(descriptor)
            raise Unavailable(f"locking {self._path}: {error}") from error
        return descriptor


def remove_stale(repository: Path) -> tuple[Path, ...]:
    """Remove, and name, lock files and unfinished objects of a bare repository; the caller holds its lock."""
    found = [
        *_found(repository, lambda name: name.endswith(".lock"), deep=False),
        *_found(repository / "refs", lambda name: name.endswith(".lock")),
        *_found(repository / "objects", lambda name: name.startswith("tmp_")),
    ]
    removed: list[Path] = []
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(path)
    return tuple(removed)


def _found(folder: Path, stale: Callable[[str], bool], *, deep: bool = True) -> list[Path]:
    """Files below a folder; one that is gone or closed to us has none."""
    found: list[Path] = []
    for place, _, files in os.walk(folder, onerror=_unlisted):  # before every fetch: no path is made for a name
        found += [Path(place, name) for name in files if stale(name)]
        if not deep:
            break
    return found


def _unlisted(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        # no descriptor left, for one: not the end of the process
        raise Unavailable(f"looking for stale locks in {error.filename}: {error}") from error
