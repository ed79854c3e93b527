"""Trees read from the object database.

Knows entries, their modes, and what differs between two trees. Knows no checkout and follows nothing: symlinks and
submodules are entries with their mode, for others to refuse. The rule: equal object ids are equal content, so equal
subtrees are not entered; depth and number of entries are limited, because small trees can unfold without end (T10).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Rejected
from reconciler.git.bare import BareRepository
from reconciler.git.paths import DEEPEST, as_text, is_odd
from reconciler.names import BlobId, Revision
from reconciler.specs.source import TreeEntry

MOST_ENTRIES = 200_000

__all__ = ["Changed", "TreeEntry", "changed", "entries", "find", "read_blob"]

_Item = tuple[int, pygit2.Oid]  # mode, id


@dataclass(frozen=True, slots=True, order=True)
class Changed:
    """One path that differs. The side where it does not exist has None and mode 0; a mode may change alone."""

    path: str
    old_blob: BlobId | None
    new_blob: BlobId | None
    old_mode: int
    new_mode: int


def entries(repository: BareRepository, revision: Revision) -> tuple[TreeEntry, ...]:
    """Everything in the tree of a commit (or in a tree, by its id), sorted by path: files, symlinks (0o120000) and
    submodules (0o160000, whose `blob` is a commit), at their paths as paths.as_text writes them."""
    found: list[TreeEntry] = []
    with repository.reading(f"the tree of {revision}"):
        pending = [(b"", _tree(repository, revision), 0)]
        while pending:
            prefix, tree, depth = pending.pop()
            for name, (mode, oid) in _items(repository, tree).items():
                path = prefix + name
                if mode == FileMode.TREE:
                    pending.append((path + b"/", oid, _deeper(depth, path)))
                else:
                    found.append(TreeEntry(as_text(path), BlobId(str(oid)), mode))
            if len(found) + len(pending) > MOST_ENTRIES:
                raise Rejected(
                    f"reading the tree of {revision}: more than {MOST_ENTRIES} entries", key="validation_error"
                )
    return tuple(sorted(found))


def changed(repository: BareRepository, old: Revision | None, new: Revision | None) -> tuple[Changed, ...]:
    """What differs between the trees of two commits (or two trees), sorted by path; None is the empty tree."""
    with repository.reading(f"the difference of {old} and {new}"):
        before = _tree(repository, old) if old else None
        after = _tree(repository, new) if new else None
        return tuple(sorted(_differences(repository, before, after)))


def read_blob(repository: BareRepository, blob: BlobId, limit: int) -> bytes | None:
    """A blob's bytes; None where it is larger than `limit` bytes."""
    return repository.blob(blob, limit)


def find(repository: BareRepository, revision: Revision, path: str) -> TreeEntry | None:
    """The file, symlink or submodule at one plain path; None where there is none, or a folder."""
    if is_odd(as_text(path.encode(errors="surrogatepass"))):
        return None
    with repository.reading(f"{path} at {revision}"):
        oid, mode = _tree(repository, revision), int(FileMode.TREE)
        for part in path.encode().split(b"/"):
            if mode != FileMode.TREE:
                return None
            item = _items(repository, oid).get(part)
            if item is None:
                return None
            mode, oid = item
        return None if mode == FileMode.TREE else TreeEntry(path, BlobId(str(oid)), mode)


def _differences(repository: BareRepository, before: pygit2.Oid | None, after: pygit2.Oid | None) -> Iterator[Changed]:
    pending: list[tuple[bytes, pygit2.Oid | None, pygit2.Oid | None, int]] = [(b"", before, after, 0)]
    count = 0
    while pending:
        prefix, left, right, depth = pending.pop()
        olds = _items(repository, left) if left else {}
        news = _items(repository, right) if right else {}
        for name in olds.keys() | news.keys():
            one, two = olds.get(name), news.get(name)
            if one == two:
                continue
            count += 1
            if count > MOST_ENTRIES:
                raise Rejected(f"comparing trees: more than {MOST_ENTRIES} differences", key="validation_error")
            path = prefix + name
            left_tree, right_tree = _subtree(one), _subtree(two)
            if left_tree or right_tree:
                pending.append((path + b"/", left_tree, right_tree, _deeper(depth, path)))
            one, two = (None if left_tree else one), (None if right_tree else two)
            if one or two:
                yield Changed(as_text(path), _blob(one), _blob(two), one[0] if one else 0, two[0] if two else 0)


def _items(repository: BareRepository, tree: pygit2.Oid) -> dict[bytes, _Item]:
    found = repository.objects[tree]
    if not isinstance(found, pygit2.Tree):
        raise ValueError(f"{tree} is no tree")
    return {item.raw_name or b"": (int(item.filemode), item.id) for item in found}


def _tree(repository: BareRepository, revision: Revision) -> pygit2.Oid:
    oid = pygit2.Oid(hex=revision)
    if oid not in repository.objects.odb:
        return repository.commit(revision).tree.id  # raises, without a mark: it may never have been here
    return repository.objects[oid].peel(pygit2.Tree).id


def _deeper(depth: int, path: bytes) -> int:
    if depth >= DEEPEST:
        raise Rejected(f"reading {as_text(path)[:200]}: more than {DEEPEST} folders deep", key="validation_error")
    return depth + 1


def _subtree(item: _Item | None) -> pygit2.Oid | None:
    return item[1] if item and item[0] == FileMode.TREE else None


def _blob(item: _Item | None) -> BlobId | None:
    return BlobId(str(item[1])) if item else None
