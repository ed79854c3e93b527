"""Specs for doors: what a folder or a revision says, whether it is valid, and one spec as plain values.

A folder is read as if it were committed: files become blobs by content, links and submodules stay what they are, and
what .gitignore names is left out at the root of a work tree. Nothing is checked out and nothing is followed.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2

from reconciler.doors.reading import Json
from reconciler.errors import Problem, Refused
from reconciler.git.bare import opened
from reconciler.names import BlobId, Revision
from reconciler.plan.hide import hidden_value
from reconciler.specs.cache import MemoryCache
from reconciler.specs.desired import Desired
from reconciler.specs.load import load
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import SUBMODULE, SYMLINK, TreeEntry

PLAIN = 0o100644
MOST_FILES = 200_000
BLOCK = 1 << 20
LARGEST_BLOB = 8 * 1024 * 1024  # bytes; parsers refuse far smaller ones

Files = tuple[Sequence[TreeEntry], Callable[[BlobId], bytes]]


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether specs are valid. `specs` counts the documents that are valid by themselves."""

    specs: int
    problems: tuple[Problem, ...]


def validate(path: Path, revision: str = "") -> Validation:
    """Everything wrong with the specs of a folder, or of a revision of the repository there. Raises Refused."""
    if not path.is_dir():
        raise Refused(f"reading {path}: it is no folder", key="validation_error", hint="name a folder or a repository")
    bare = (path / "objects").is_dir() and (path / "HEAD").is_file()
    files = _committed(path, revision or "HEAD") if bare or revision else _folder(path)
    loaded, desired = _read(files)
    return Validation(loaded, desired.problems)


def _read(files: Files) -> tuple[int, Desired]:
    entries, read = files
    cache = MemoryCache()
    with Reader() as reader:
        loaded = load(entries, read, cache, reader)
        return len(loaded.specs), resolve(loaded, entries, read, cache, reader)


def _folder(root: Path) -> Files:
    ignored = _ignored(root)
    paths: dict[BlobId, Path] = {}
    entries: list[TreeEntry] = []
    for place, folders, names in os.walk(root):
        here = Path(place)
        for folder in sorted(folders):
            path = here / folder
            name = path.relative_to(root).as_posix()
            if folder == ".git" or ignored(f"{name}/"):
                folders.remove(folder)
            elif path.is_symlink() or (path / ".git").exists():
                folders.remove(folder)
                entries.append(TreeEntry(name, BlobId("0" * 40), SYMLINK if path.is_symlink() else SUBMODULE))
        for file in names:
            path = here / file
            name = path.relative_to(root).as_posix()
            if file == ".git" or ignored(name):
                continue
            entry = _entry(path, name)
            entries.append(entry)
            if entry.followable:
                paths.setdefault(entry.blob, path)
        if len(entries) > MOST_FILES:
            raise Refused(f"reading {root}: more than {MOST_FILES} files", key="validation_error")
    return sorted(entries), lambda blob: _content(paths[blob])


def _entry(path: Path, name: str) -> TreeEntry:
    if path.is_symlink():
        return TreeEntry(name, _blob(os.readlink(path).encode(errors="surrogateescape")), SYMLINK)
    if not path.is_file():
        return TreeEntry(name, BlobId("0" * 40), SYMLINK)  # a socket or a device: never opened
    return TreeEntry(name, _hashed(path), PLAIN)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BLOB)
    except OSError as error:
        raise Refused(f"reading {path}: {error.strerror}", key="validation_error") from error


def _blob(content: bytes) -> BlobId:
    """The id that git gives these bytes (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects)."""
    return BlobId(hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())


def _hashed(path: Path) -> BlobId:
    """The same of a file of any size."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise Refused(f"reading {path}: {error.strerror}", key="validation_error") from error
    return BlobId(digest.hexdigest())


def _ignored(root: Path) -> Callable[[str], bool]:
    if not (root / ".git").exists():
        return lambda _: False
    repository = _repository(root)
    return lambda name: bool(repository.path_is_ignored(name))


def _repository(path: Path) -> pygit2.Repository:
    try:
        return pygit2.Repository(str(path))
    except (pygit2.GitError, KeyError, ValueError, OSError) as error:
        raise Refused(f"opening the repository in {path}: {error}", key="validation_error") from error


def _committed(path: Path, revision: str) -> Files:
    repository = opened(path) if (path / "objects").is_dir() else _repository(path)
    try:
        commit = repository.revparse_single(revision).peel(pygit2.Commit)
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise Refused(f"reading {revision} of {path}: there is no such commit", key="validation_error") from error
    entries: list[TreeEntry] = []
    pending: list[tuple[str, pygit2.Tree]] = [("", commit.tree)]
    while pending:
        prefix, tree = pending.pop()
        for item in tree:
            name = prefix + str(item.name)
            if isinstance(item, pygit2.Tree):
                pending.append((f"{name}/", item))
            else:
                entries.append(TreeEntry(name, BlobId(str(item.id)), int(item.filemode)))
    return sorted(entries), lambda blob: bytes(repository[pygit2.Oid(hex=blob)].read_raw())


def commit_named(repository: pygit2.Repository, text: str) -> Revision:
    """A commit by at least seven digits of its id. Raises Refused."""
    digits = len(text) >= 7 and set(text) <= set("0123456789abcdef")
    try:
        found = repository.get(text) if digits else None
    except ValueError:
        found = None  # more than one begins so
    if not isinstance(found, pygit2.Commit):
        raise Refused(
            f"looking for commit {text[:60]}: there is none of this name",
            key="validation_error",
            hint="name a branch, a tag, or at least seven digits of a commit's id",
        )
    return Revision(str(found.id))


def spec_json(desired: Desired, table: str, name: str) -> Json:
    """One spec as it is written, with its place; sealed text and what is secret by its name are not shown."""
    spec = getattr(desired, table)[name]
    content = hidden_value(spec.spec.model_dump(mode="json", exclude_defaults=True))
    if content.get("age"):
        content["age"] = "(sealed)"
    return {
        "kind": str(spec.kind),
        "name": name,
        "path": spec.place.path,
        "line": spec.place.line,
        "labels": dict(spec.labels),
        "spec": content,
    }


def schemas() -> Mapping[str, str]:
    """The JSON Schemas of all kinds, by file name."""
    from reconciler.specs.schema import files

    return files()
