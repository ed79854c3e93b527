"""git between two folders of this machine without a process: what a push or a fetch brings is copied by libgit2.

For sweeps of hundreds of plays, of which most of the time is git's processes. What they are about is the cluster; what
git does is seen by every other test. The rule: one ref moves by compare-and-swap, a fetch brings and prunes what its
patterns name, objects are there before a ref moves; everything else is left to the real one.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import FileMode

from reconciler.git.remote import Remote
from reconciler.git.transport import Answer, Transport

DONE = Answer(0, b"", "")
MOVED = Answer(1, b"!\t[rejected] (stale info)\n", "stale info")
_PUSHING = threading.Lock()


@contextmanager
def near_git() -> Iterator[None]:
    """Every transport of this process does so."""
    real = Transport.run

    def run(
        transport: Transport,
        arguments: Sequence[str],
        *,
        directory: Path | None = None,
        remote: Remote | None = None,
        **more: Any,
    ) -> Answer:
        words = tuple(arguments)
        if directory and remote and remote.scheme == "file" and words[0] in ("push", "fetch"):
            here, there = pygit2.Repository(str(directory)), pygit2.Repository(remote.url)
            return _pushed(here, there, words) if words[0] == "push" else _fetched(here, there, words)
        return real(transport, arguments, directory=directory, remote=remote, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "run", run)
        yield


def _pushed(here: pygit2.Repository, there: pygit2.Repository, words: Sequence[str]) -> Answer:
    (lease,) = (word for word in words if word.startswith("--force-with-lease="))
    ref, _, old = lease.partition("=")[2].rpartition(":")
    new, _, _ = words[-1].partition(":")
    if new:
        _carry(here, there, pygit2.Oid(hex=new))
    with _PUSHING:
        stands = there.references.get(ref)
        if (str(stands.target) if stands else "") != old:
            return MOVED
        if new:
            there.references.create(ref, pygit2.Oid(hex=new), force=True)
        elif stands:
            there.references.delete(ref)
    return DONE


def _fetched(here: pygit2.Repository, there: pygit2.Repository, words: Sequence[str]) -> Answer:
    patterns = [word.rpartition(":")[2] for word in words if re.match(r"\+?refs/", word)]
    wanted = re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in patterns))
    theirs, ours = ({one: refs[one].target for one in refs if wanted.fullmatch(one)} for refs in _refs(there, here))
    for name in ours.keys() - theirs.keys() if "--prune" in words else ():
        here.references.delete(name)  # first: a folder may come where a file was
    for name, target in theirs.items():
        if ours.get(name) != target:
            _carry(there, here, target)
            here.references.create(name, target, force=True)
    return DONE


def _refs(*repositories: pygit2.Repository) -> Iterator[Any]:
    for one in repositories:
        yield one.references


def _carry(source: pygit2.Repository, target: pygit2.Repository, tip: pygit2.Oid) -> None:
    """What a commit consists of, and whatever it stands on, parts first: what is there is there as a whole."""
    open_ones = [(tip, False)]
    while open_ones:
        name, parts_are_there = open_ones.pop()
        if name in target.odb:
            continue
        kind, content = source.odb.read(name)
        parts = () if parts_are_there else tuple(_parts(source[name]))
        if parts:
            open_ones += [(name, True), *((part, False) for part in parts)]
        else:
            target.odb.write(kind, content)


def _parts(one: pygit2.Object) -> Iterator[pygit2.Oid]:
    match one:
        case pygit2.Commit():
            yield from (*one.parent_ids, one.tree_id)
        case pygit2.Tree():
            yield from (entry.id for entry in one if entry.filemode != FileMode.COMMIT)
        case pygit2.Tag():
            yield one.target
