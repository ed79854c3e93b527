"""Commits made without a work tree.

Knows how to change a tree, and how a merge, a squash and a rebase look. Knows no remote and moves no ref: what is
made here is unnamed until somebody pushes it (push.py). The rule: only the folders on the way to a changed file are
written anew, a path is checked before it is written, and time is an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pygit2
from pygit2.enums import FileMode

from reconciler.errors import Rejected
from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person, serialise
from reconciler.git.merge import MergeConflict, merge_tree, transplant
from reconciler.git.paths import parts_of
from reconciler.names import Revision


class Signer(Protocol):
    """Signs the bytes of a commit; signatures.SigningKey is one."""

    def sign(self, message: bytes, namespace: str) -> str: ...


def commit_tree(
    repository: BareRepository,
    *,
    files: Mapping[str, bytes | None],
    parents: Sequence[Revision],
    message: str,
    author: Person,
    committer: Person | None = None,
    signer: Signer | None = None,
) -> Revision:
    """A commit whose tree is its first parent's with these files written (None: removed); the committer is the author
    unless named. Existing files keep their mode. Raises Refused on a path that is not plain, Rejected on a path that
    goes through a file or would replace a folder."""
    start = repository.commit(parents[0]).tree.id if parents else None
    tree = changed_tree(repository, start, files)
    return _commit(repository, tree, parents, message, author, committer or author, signer)


def changed_tree(repository: BareRepository, start: pygit2.Oid | None, files: Mapping[str, bytes | None]) -> str:
    """The id of a tree with these files written or removed."""
    wanted: dict[str, object] = {}
    for path, content in files.items():
        *folders, name = parts_of(path)
        level = wanted
        for folder in folders:
            below = level.setdefault(folder, {})
            if not isinstance(below, dict):
                raise Rejected(f"writing {path}: {folder} is a file", key="resource_conflict")
            level = below
        if isinstance(level.get(name), dict):
            raise Rejected(f"writing {path}: it is a folder", key="resource_conflict")
        level[name] = content
    with repository.reading("a tree to change"):
        made = _update(repository.objects, start, wanted)
        return str(made or repository.objects.TreeBuilder().write())


def merge(
    repository: BareRepository,
    base: Revision,
    head: Revision,
    *,
    message: str,
    author: Person,
    signer: Signer | None = None,
) -> Revision | MergeConflict:
    """A merge commit of `head` into `base`, also where a fast-forward would do."""
    merged = merge_tree(repository, base, head)
    if isinstance(merged, MergeConflict):
        return merged
    return _commit(repository, merged.tree, (base, head), message, author, author, signer)


def squash(
    repository: BareRepository,
    base: Revision,
    head: Revision,
    *,
    message: str,
    author: Person,
    committer: Person | None = None,
    signer: Signer | None = None,
) -> Revision | MergeConflict:
    """One commit on `base` with everything that `head` brings."""
    merged = merge_tree(repository, base, head)
    if isinstance(merged, MergeConflict):
        return merged
    return _commit(repository, merged.tree, (base,), message, author, committer or author, signer)


def rebase(
    repository: BareRepository, base: Revision, head: Revision, *, committer: Person, signer: Signer | None = None
) -> Revision | MergeConflict:
    """The commits of `head` on top of `base`, one by one with their authors, without merges and what became empty."""
    tip, tree = base, history.commit(repository, base).tree
    for picked in history.commits(repository, base, head):
        if len(picked.parents) > 1:
            continue
        before = (
            history.commit(repository, picked.parents[0]).tree if picked.parents else changed_tree(repository, None, {})
        )
        step = transplant(repository, tree, before, picked.tree, committer)
        if isinstance(step, MergeConflict):
            return step
        if step.tree != tree:
            tree = step.tree
            tip = _commit(repository, tree, (tip,), picked.message, picked.author, committer, signer)
    return tip


def _commit(
    repository: BareRepository,
    tree: str,
    parents: Sequence[Revision],
    message: str,
    author: Person,
    committer: Person,
    signer: Signer | None,
) -> Revision:
    signature = signer.sign(serialise(tree, parents, author, committer, message), "git") if signer else ""
    return repository.write_commit(serialise(tree, parents, author, committer, message, signature))


def _update(repository: pygit2.Repository, start: pygit2.Oid | None, wanted: Mapping[str, object]) -> pygit2.Oid | None:
    """The changed tree's id; None where nothing is left in it."""
    builder = repository.TreeBuilder(start) if start else repository.TreeBuilder()
    for name, change in wanted.items():
        found = builder.get(name)
        old = (found.id, int(found.filemode)) if found else None
        if isinstance(change, dict):
            if old and old[1] != FileMode.TREE:
                if all(below is None for below in change.values()):
                    continue  # nothing to remove below a file
                raise Rejected(f"writing below {name}: it is a file", key="resource_conflict")
            below = _update(repository, old[0] if old else None, change)
            if below:
                builder.insert(name, below, FileMode.TREE)
            elif old:
                builder.remove(name)
            continue
        if old and old[1] == FileMode.TREE:
            raise Rejected(f"writing {name}: it is a folder", key="resource_conflict")
        if isinstance(change, bytes):
            keep = old is not None and old[1] == FileMode.BLOB_EXECUTABLE
            builder.insert(name, repository.create_blob(change), FileMode.BLOB_EXECUTABLE if keep else FileMode.BLOB)
        elif old:
            builder.remove(name)
    return builder.write() if len(builder) else None
