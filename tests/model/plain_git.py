"""Git for the model: the transport's questions answered in this process, over one store of objects.

Knows the five commands that the product asks of git while it runs (init, fetch, push, ls-remote, merge-tree) and gives
the same answers without a process each. The rule it keeps: a push is one compare-and-swap of one ref, under one lock
for all who push, as on a real remote; a fetch copies refs and prunes. Objects are shared by a link, so that moving a
ref is all that a push is. Anything else that is asked goes to the real git. What is not proved here (real pushes,
merges by git's own code, damaged objects) is proved in tests/git and tests/story.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2

from reconciler.errors import Unavailable
from reconciler.git.poll import direct_refs
from reconciler.git.refnames import wanted
from reconciler.git.remote import Remote
from reconciler.git.transport import SHORT, Answer, Transport
from tests.model.lifeline import Lifeline, Line

DONE = Answer(0, b"", "")
_REFS = threading.Lock()  # the remote's: one push at a time


@dataclass(frozen=True, slots=True)
class PlainGit(Transport):
    """A transport without processes. `life` says when the remote is away, or the process dies around a push."""

    objects: Path
    life: Lifeline

    def run(
        self,
        arguments: Sequence[str],
        *,
        directory: Path | None = None,
        remote: Remote | None = None,
        allowed: Sequence[int] = (0,),
        timeout: float = SHORT,
        hold: Sequence[int] = (),
    ) -> Answer:
        match arguments[0]:
            case "init":
                return self._init(Path(arguments[-1]))
            case "merge-tree" if directory is not None:
                return _merge_tree(directory, arguments[-2], arguments[-1])
            case "fetch" if directory is not None and remote is not None:
                self.life.reach(Line.GIT)
                return _fetch(directory, remote, arguments)
            case "push" if remote is not None:
                return self._push(remote, arguments)
            case "ls-remote" if remote is not None:
                self.life.reach(Line.GIT)
                return _listed(remote, arguments[-1])
        return Transport.run(
            self, arguments, directory=directory, remote=remote, allowed=allowed, timeout=timeout, hold=hold
        )

    def _init(self, path: Path) -> Answer:
        if not (path / "HEAD").exists():
            pygit2.init_repository(str(path), bare=True, initial_head="main")
            if path / "objects" != self.objects:
                _emptied(path / "objects")
                (path / "objects").symlink_to(self.objects)
        return DONE

    def _push(self, remote: Remote, arguments: Sequence[str]) -> Answer:
        lease = next(part for part in arguments if part.startswith("--force-with-lease="))
        ref, _, old = lease.partition("=")[2].partition(":")
        new = arguments[-1].rpartition(":")[0]
        self.life.reach(Line.GIT)
        with self.life.effect(f"push {ref}"), _REFS:
            repository = pygit2.Repository(str(remote.directory))
            stands = direct_refs(repository).get(ref, "")
            if stands != old:
                return Answer(1, f"!\t{new}:{ref}\t[rejected] (stale info)\n".encode(), "")
            if new:
                repository.references.create(ref, pygit2.Oid(hex=new), force=True)
            else:
                repository.references.delete(ref)
        return DONE


def _emptied(objects: Path) -> None:
    for folder in sorted(objects.glob("*"), reverse=True):
        folder.rmdir()
    objects.rmdir()


def _fetch(directory: Path, remote: Remote, arguments: Sequence[str]) -> Answer:
    specs = arguments[arguments.index(remote.url) + 1 :]
    patterns = tuple(spec.lstrip("+").partition(":")[0] for spec in specs)
    theirs = direct_refs(pygit2.Repository(str(remote.directory)))
    mine = pygit2.Repository(str(directory))
    ours = direct_refs(mine)
    for name in sorted({*theirs, *ours}):
        if not wanted(name, patterns) or theirs.get(name) == ours.get(name):
            continue
        if name in theirs:
            mine.references.create(name, pygit2.Oid(hex=theirs[name]), force=True)
        else:
            mine.references.delete(name)
    return DONE


def _listed(remote: Remote, ref: str) -> Answer:
    found = direct_refs(pygit2.Repository(str(remote.directory))).get(ref)
    return Answer(0, f"{found}\t{ref}\n".encode() if found else b"", "")


def _merge_tree(directory: Path, tip: str, head: str) -> Answer:
    repository = pygit2.Repository(str(directory))
    try:
        index = repository.merge_commits(pygit2.Oid(hex=tip), pygit2.Oid(hex=head))
    except (KeyError, pygit2.GitError) as error:
        raise Unavailable(f"merging {head}: {error}") from error
    if index.conflicts is None:
        return Answer(0, f"{index.write_tree(repository)}\0".encode(), "")
    sides = {side.path for conflict in index.conflicts for side in conflict if side is not None}
    return Answer(1, ("0" * 40 + "\0" + "\0".join(sorted(sides)) + "\0").encode(), "")
