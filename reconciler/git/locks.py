"""A folder's lock, for threads and processes.

Knows flock and how to take away what dead processes left. Knows no Git but the names of its lock files. The rule: a
stale lock file is removed only by who holds the folder's lock; children of git inherit the lock's descriptor, so a
child that outlives a killed parent still holds it, and nobody tidies up under its hands (fault F2).
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
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
    removed: list[Path] = []
    for folder, pattern in (
        (repository, "*.lock"),
        (repository / "refs", "**/*.lock"),
        (repository / "objects", "**/tmp_*"),
    ):
        for path in _found(folder, pattern):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return tuple(removed)


def _found(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError as error:  # no descriptor left, for one: not the end of the process
        raise Unavailable(f"looking for stale locks in {folder}: {error}") from error
