"""Watches a process from inside: what it starts, with which environment, and what it writes and removes again.

An audit hook (PEP 578) sees every way in which Python starts a program or opens a file, whatever module does it. It
cannot be taken out again, so there is one for the life of the process, and it only records while somebody watches.
Files are read just before they are removed, replaced or cut, so that what existed for a moment is searched, too.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

STARTS: Final = {"subprocess.Popen": 1, "os.posix_spawn": 1, "os.exec": 1}  # place of the arguments
GONE: Final = frozenset({"os.remove", "os.rename", "os.truncate", "shutil.rmtree", "os.rmdir"})
WRITING: Final = os.O_WRONLY | os.O_RDWR
LARGEST: Final = 4 * 1024 * 1024


@dataclass(slots=True)
class Watched:
    """What was seen: arguments and environments of children, what was written and is gone, names of files opened."""

    arguments: list[bytes] = field(default_factory=list)
    environments: list[bytes] = field(default_factory=list)
    removed: list[tuple[str, bytes]] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    modes: dict[str, int] = field(default_factory=dict)


_watching: list[Watched] = []
_inside = threading.local()
_installed: list[bool] = []


@contextlib.contextmanager
def watching() -> Iterator[Watched]:
    """Record until the block ends."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)
    seen = Watched()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or getattr(_inside, "busy", False):
        return
    _inside.busy = True
    try:
        for seen in _watching:
            _record(seen, event, arguments)
    finally:
        _inside.busy = False


def _record(seen: Watched, event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTS:
        seen.arguments.append(b"\n".join(map(_bytes, arguments[1] if not isinstance(arguments[1], str) else ())))
        seen.arguments.append(_bytes(arguments[0]))
        environment = arguments[-1] if arguments[-1] is not None else os.environ
        seen.environments.append(b"\n".join(_bytes(k) + b"=" + _bytes(v) for k, v in dict(environment).items()))
    elif event == "os.system":
        seen.arguments.append(_bytes(arguments[0]))
    elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING:
            name = os.fsdecode(path)
            seen.written.add(name)
            if flags & os.O_TRUNC:
                _keep(seen, name)
    elif event in GONE:
        for path in arguments[:2]:
            if isinstance(path, (str, bytes, os.PathLike)):
                _keep(seen, os.fsdecode(path))


def _keep(seen: Watched, name: str) -> None:
    with contextlib.suppress(OSError):
        path = Path(name)
        for one in [path] if not path.is_dir() else [one for one in path.rglob("*") if one.is_file()]:
            if one.is_file() and not one.is_symlink() and one.stat().st_size <= LARGEST:
                seen.removed.append((str(one), one.read_bytes()))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else os.fsencode(os.fspath(value))
