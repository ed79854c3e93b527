"""A bare mirror of one remote.

Knows how to follow the remote's refs with one fetch for whatever moved, and how to start again in a new folder when
the old one is broken. Knows nothing of what the refs mean: a rewound or vanished branch is told, not judged
(history.py). The rule: the remote's refs are mirrored under their own names, `refs/local/*` is ours and never pruned,
objects are checked before a ref moves, and a broken mirror is replaced by one rename (faults F2, F6, F9).
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.locks import FolderLock, remove_stale
from reconciler.git.outcry import speaks_of_damage
from reconciler.git.poll import Poller, direct_refs
from reconciler.git.refnames import WANTED, wanted
from reconciler.git.remote import Remote
from reconciler.git.transport import LONG, Transport
from reconciler.names import Revision

LOCAL = "refs/local/*"  # refs of ours that no remote has
MOST_PACKS = 30  # every fetch brings one, and each is a file that stays open
MOST_LOOSE = 27  # in one of 256 folders, about 7,000 in all: where git's own housekeeping begins (gc.auto)


@dataclass(frozen=True, slots=True)
class Moved:
    """Refs before and after looking. `fetched` says whether anything had to be fetched."""

    before: Mapping[str, Revision]
    after: Mapping[str, Revision]
    fetched: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Refs that came, went or moved."""
        return tuple(sorted(n for n in {*self.before, *self.after} if self.before.get(n) != self.after.get(n)))


class Mirror:
    """`path` holds a lock, numbered repositories, and a link `current` to the one in use; opened or made at once.

    Opening needs no remote. The folder is a cache: deleting it loses nothing but what is under `refs/local/`.
    """

    def __init__(self, path: Path, remote: Remote, transport: Transport, refs: tuple[str, ...] = WANTED) -> None:
        self.remote = remote
        self.poller = Poller(remote, transport, refs)
        self.fetches = 0
        self._path = path
        self._transport = transport
        self._patterns = refs
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"making the mirror's folder {path}: {error}") from error
        self._stillness = threading.local()
        self._lock = FolderLock(path / "lock")
        self._opened: BareRepository | None = None
        self._link = str(path / "current")
        self._named: tuple[str, Path] = ("", path)  # what the link said last, and the folder that is
        with self._lock.held():
            self._open()

    @property
    def repository(self) -> BareRepository:
        """The repository in use. Ask again after a sync: a broken one is replaced, also by another process."""
        current = self._current()
        if self._opened is None or self._opened.path != current:
            if current is None:
                raise Unavailable(f"opening the mirror {self._path}: it is gone")
            self._opened = BareRepository(current, self._transport)
        return self._opened

    def refs(self) -> Mapping[str, Revision]:
        """The mirrored refs as they stand here."""
        found = direct_refs(self.repository.objects)
        return {name: revision for name, revision in sorted(found.items()) if wanted(name, self._patterns)}

    def sync(self) -> Moved:
        """Poll; fetch only where something moved. Where the poll or the fetch raises, the refs stay."""
        before = self.refs()
        if getattr(self._stillness, "on", False):
            return Moved(before, before, fetched=False)
        if self.poller.poll() == before and not self.repository.suspect:
            return Moved(before, before, fetched=False)
        self.fetch()
        if crowded(self.repository.path):
            self._tidy()
        return Moved(before, self.refs(), fetched=True)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Within, and in this thread, everything is of one moment: `sync` answers with what the last poll left.

        For reading and reporting. What decides whether something is done looks anew.
        """
        before, self._stillness.on = getattr(self._stillness, "on", False), True
        try:
            yield
        finally:
            self._stillness.on = before

    def stir(self) -> None:
        """End this thread's stillness: somebody else was faster, or nobody knows."""
        self._stillness.on = False

    def fetch(self, patterns: Sequence[str] = ()) -> None:
        """Fetch and prune; of the given patterns only, or of all. A repository found broken is replaced first."""
        with self._lock.held() as descriptor:
            remove_stale(self.repository.path)
            if self.repository.suspect and not self.repository.sound():
                self._replace(descriptor)
                return
            try:
                self._fetch_into(self.repository, patterns or self._patterns, descriptor)
            except ReconcilerError as error:
                if not speaks_of_damage(error.message) or self.repository.sound():
                    raise
                self._replace(descriptor)

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the mirror against other threads and processes, to move refs of our own."""
        with self._lock.held() as descriptor:
            yield descriptor

    def compact(self) -> None:
        """Roll small packs and loose objects up into larger packs; what nothing names stays, too (git repack).

        What was accepted may be gone from the remote and is still needed for a return, so nothing is ever dropped.
        """
        with self._lock.held() as descriptor:
            remove_stale(self.repository.path)
            self.repository.git("repack", "--quiet", "--geometric=2", "-d", timeout=LONG, hold=(descriptor,))
            self.repository.objects.free()  # a handle keeps every pack open that it has seen
            self._opened = None

    def _tidy(self) -> None:
        """Compact; where that fails the mirror is as good as before, and damage is looked into by the next sync."""
        try:
            self.compact()
        except ReconcilerError as error:
            if speaks_of_damage(error.message):
                self.repository.mark()

    def _fetch_into(self, repository: BareRepository, patterns: Sequence[str], descriptor: int) -> None:
        self.fetches += 1
        arguments = ["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        arguments += ["--no-auto-maintenance", "--end-of-options", self.remote.url, *(f"+{p}:{p}" for p in patterns)]
        self._transport.run(arguments, directory=repository.path, remote=self.remote, timeout=LONG, hold=(descriptor,))

    def _current(self) -> Path | None:
        try:
            name = os.readlink(self._link)  # asked for every object that is read
        except OSError:
            return None
        named = self._named
        if named[0] != name:
            named = self._named = (name, self._path / name)
        return named[1]

    def _open(self) -> None:
        current = self._current()
        if current is not None:
            remove_stale(current)
            repository = BareRepository(current, self._transport)
            try:
                if not _whole(repository):
                    repository.mark()
            except Unavailable:
                current = None
        if current is None:
            self._switch(self._new())

    def _new(self) -> BareRepository:
        number = max((int(p.stem) for p in self._path.glob("*.git") if p.stem.isdigit()), default=0) + 1
        return BareRepository.create(self._path / f"{number:04}.git", self._transport)

    def _replace(self, descriptor: int) -> None:
        """Clone again beside the broken one, carry over what is only ours, and switch when all of it is there."""
        fresh, old = self._new(), self.repository
        try:
            self._fetch_into(fresh, self._patterns, descriptor)
        except ReconcilerError:
            shutil.rmtree(fresh.path, ignore_errors=True)
            raise
        beside = Remote(str(old.path))
        with contextlib.suppress(ReconcilerError):  # what cannot be read any more is missed by who keeps an anchor
            arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options", beside.url]
            self._transport.run([*arguments, f"{LOCAL}:{LOCAL}"], directory=fresh.path, remote=beside, timeout=LONG)
        self._switch(fresh)

    def _switch(self, fresh: BareRepository) -> None:
        before = self._current()
        try:
            link = self._path / "next"
            link.unlink(missing_ok=True)
            link.symlink_to(fresh.path.name)
            link.replace(self._path / "current")
            folder = os.open(self._path, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            raise Unavailable(f"switching the mirror {self._path}: {error}") from error
        for leftover in self._path.glob("*.git"):  # the last one stays a while: threads may be reading it
            if leftover not in (before, fresh.path):
                shutil.rmtree(leftover, ignore_errors=True)
        self._opened = fresh


def crowded(path: Path) -> bool:
    """Whether so much lies by itself in a repository that reading it gets slow, or runs out of open files."""
    packs = sum(1 for _ in path.glob("objects/pack/*.pack"))
    return packs > MOST_PACKS or sum(1 for _ in path.glob("objects/17/*")) > MOST_LOOSE


def _whole(repository: BareRepository) -> bool:
    """Whether each ref names an object that can be read, and each branch's tip its tree: a cheap first look."""
    handle = repository.objects
    try:
        for revision in direct_refs(handle).values():
            found = handle[pygit2.Oid(hex=revision)]
            if isinstance(found, pygit2.Commit) and found.tree.id not in handle.odb:
                return False
    except (KeyError, ValueError, pygit2.GitError):
        return False
    return True
