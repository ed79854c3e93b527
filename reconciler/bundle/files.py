"""Files below one folder, opened without following a link: path rules, a walk that reports what is no file, hashes.

Knows no bundle. The rule: a path is relative, made of plain names, and each of its components is opened with O_NOFOLLOW
from the folder above it, so neither `..` nor a link, present or swapped in later, leads outside the root.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,254}"
PATH: Final = re.compile(rf"{NAME}(?:/{NAME}){{0,15}}")
BLOCK: Final = 1 << 20  # bytes read at once


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path: `kind` is "file", or what else it is."""

    path: str
    kind: str
    size: int = 0
    stamp: tuple[int, ...] = ()  # inode, mtime, ctime: tells whether a file may have changed since


def path_allowed(path: str) -> bool:
    """Relative, no `.` or `..`, no empty component, plain ASCII names."""
    return PATH.fullmatch(path) is not None


@contextmanager
def open_inside(root: Path, path: str) -> Iterator[BinaryIO]:
    """Open a regular file below the root for reading. Raises OSError (ELOOP or ENOTDIR for a link), ValueError."""
    if not path_allowed(path):
        raise ValueError(f"{path!r} is not a path inside a bundle")
    *folders, name = path.split("/")
    above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            os.close(above)
            above = below
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
    finally:
        os.close(above)
    with os.fdopen(opened, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a regular file")
        yield file


def read_inside(root: Path, path: str, limit: int) -> bytes:
    """The whole of a small file, read once. Raises OSError, ValueError where it is larger than the limit."""
    with open_inside(root, path) as file:
        content = b"".join(blocks(file, limit + 1))
    if len(content) > limit:
        raise ValueError(f"{path} is larger than {limit} bytes")
    return content


def blocks(file: BinaryIO, limit: int = 1 << 50) -> Iterator[bytes]:
    """The content in blocks, at most `limit` bytes in all."""
    while limit > 0 and (block := file.read(min(BLOCK, limit))):
        limit -= len(block)
        yield block


def sha256_inside(root: Path, path: str) -> tuple[str, int]:
    """The sha256 and size of a file, in one read."""
    digest, size = hashlib.sha256(), 0
    with open_inside(root, path) as file:
        for block in blocks(file):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def walk(root: Path, below: str = "") -> Iterator[Found]:
    """Everything below the root that is not a folder, in order of path; links are reported, never followed."""
    with os.scandir(root / below) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            path = f"{below}/{entry.name}" if below else entry.name
            seen = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                yield from walk(root, path)
            else:
                yield Found(path, _kind(seen.st_mode), seen.st_size, (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns))


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "link" if stat.S_ISLNK(mode) else "device"
