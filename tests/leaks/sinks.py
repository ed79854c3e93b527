"""Where text ends up: files, every object and ref of a Git repository, the tables of SQLite files."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

GIT = ("git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null")


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of what was found. `where` names the place for a person, `kind` the class of sink."""

    kind: str
    where: str
    content: bytes


def files(folder: Path, kind: str = "file") -> Iterator[Text]:
    """Every file below a folder and its name; objects of Git are left to `repository`."""
    for path in sorted(folder.rglob("*")):
        where = str(path.relative_to(folder))
        yield Text("file name", where, os.fsencode(where))
        if path.is_file() and not path.is_symlink() and not _packed(path):
            yield Text(kind, where, path.read_bytes())
            if path.read_bytes()[:15] == b"SQLite format 3":
                yield from _tables(path, where)


def repositories(folder: Path) -> list[Path]:
    """Every bare repository below a folder."""
    return sorted(head.parent for head in folder.rglob("HEAD") if (head.parent / "objects").is_dir())


def repository(path: Path) -> Iterator[Text]:
    """Every object, reachable or not, by the path under which a ref reaches it; and every ref."""
    named = dict(
        line.partition(" ")[::2] for line in _git(path, "rev-list", "--objects", "--all").decode().splitlines()
    )
    ids = (
        _git(path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").decode().split("\n")
    )
    kinds = dict(line.split(" ") for line in ids if line)
    stream = _git(path, "cat-file", "--batch-all-objects", "--batch")
    at = 0
    while at < len(stream):
        head, _, _ = stream[at : at + 200].partition(b"\n")
        name, _, size = head.decode().split(" ")
        begin = at + len(head) + 1
        where = named.get(name) or kinds[name]
        yield Text(f"git {kinds[name]}", f"{path.name}:{where}", stream[begin : begin + int(size)])
        at = begin + int(size) + 1
    for line in _git(path, "for-each-ref").splitlines():
        yield Text("git ref", path.name, line)


def _git(path: Path, *words: str) -> bytes:
    return subprocess.run([*GIT, "--git-dir", str(path), *words], capture_output=True, check=True).stdout


def _packed(path: Path) -> bool:
    """An object's file, which is compressed; `repository` reads it."""
    return "objects" in path.parts and (path.suffix in {".pack", ".idx", ".rev"} or len(path.name) == 38)


def _tables(path: Path, where: str) -> Iterator[Text]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  our own tables
                content = b"\n".join(one if isinstance(one, bytes) else str(one).encode() for one in row)
                yield Text("sqlite", f"{where}:{table}", content)
