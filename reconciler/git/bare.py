"""A bare repository on this machine: pygit2 for objects, the transport for what only git can do.

Knows how to make and open one, and how to read an object. Knows no remote. The rule: libgit2 reads no configuration
of the machine, writes are on disk before they count, and an object that should be there and is not leaves a mark, so
that whoever owns the repository can look at it as a whole.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pygit2
from pygit2.enums import ConfigLevel, ObjectType, RepositoryOpenFlag

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.git.refnames import checked
from reconciler.git.transport import LONG, SHORT, Answer, Transport
from reconciler.names import BlobId, Revision

SUSPECT = "reconciler-suspect"  # a file in the repository's folder: something could not be read

for _level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
    pygit2.settings.search_path[_level] = ""
pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003  not ours
pygit2.settings.mwindow_file_limit = 256  # packs open at once in all repositories; without a limit, every one ever read


class BareRepository:
    """One bare repository. pygit2's handles are for one thread each, so every thread gets its own."""

    def __init__(self, path: Path, transport: Transport) -> None:
        self.path = path
        self.transport = transport
        self.merges: dict[tuple[Revision, Revision], object] = {}  # what merge.py was told, while this is open
        self._handles = threading.local()

    @classmethod
    def create(cls, path: Path, transport: Transport) -> Self:
        """Make an empty one, without hooks; an existing one stays as it is."""
        transport.run(
            ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--end-of-options", str(path)]
        )
        return cls(path, transport)

    @property
    def objects(self) -> pygit2.Repository:
        """This thread's handle. Raises Unavailable where nothing can be opened."""
        handle: pygit2.Repository | None = getattr(self._handles, "opened", None)
        if handle is None:
            handle = self._handles.opened = opened(self.path)
        return handle

    def git(
        self, *arguments: str, allowed: Sequence[int] = (0,), timeout: float = SHORT, hold: Sequence[int] = ()
    ) -> Answer:
        """Run git here, without any remote."""
        return self.transport.run(arguments, directory=self.path, allowed=allowed, timeout=timeout, hold=hold)

    def raw_commit(self, revision: Revision) -> bytes:
        """The bytes of a commit. Raises Unavailable where this repository has no such commit."""
        with self.reading(f"commit {revision}", marks=False):
            kind, content = self.objects.odb.read(pygit2.Oid(hex=revision))
            if kind != ObjectType.COMMIT:
                raise Unavailable(f"reading commit {revision}: it is no commit")
            return content

    def write_commit(self, raw: bytes) -> Revision:
        """Keep the bytes of a commit object; on disk when this returns."""
        with self.reading("what is being written", marks=False):
            return Revision(str(self.objects.odb.write(ObjectType.COMMIT, raw)))

    def has(self, revision: Revision) -> bool:
        """Whether an object of this id is here."""
        with self.reading(f"object {revision}"):
            return pygit2.Oid(hex=revision) in self.objects.odb

    def commit(self, revision: Revision) -> pygit2.Commit:
        """A commit, also through an annotated tag."""
        with self.reading(f"commit {revision}", marks=False):
            return self.objects[pygit2.Oid(hex=revision)].peel(pygit2.Commit)

    def blob(self, blob: BlobId, limit: int) -> bytes | None:
        """A blob's bytes, or None where it is larger than `limit`; the size is asked for first."""
        with self.reading(f"blob {blob}"):
            oid = pygit2.Oid(hex=blob)
            kind, size = self.objects.odb.read_header(oid)
            if kind != ObjectType.BLOB:
                raise Unavailable(f"reading blob {blob}: it is no blob")
            return self.objects.odb.read(oid)[1] if size <= limit else None

    def ref(self, name: str) -> Revision | None:
        """Where a ref stands; None where it does not exist."""
        with self.reading(f"ref {name}"):
            found = self.objects.references.get(checked(name))
            return Revision(str(found.raw_target)) if found and isinstance(found.raw_target, pygit2.Oid) else None

    def set_ref(self, name: str, revision: Revision | None) -> None:
        """Move, make or remove a ref. The caller holds whatever lock guards it."""
        with self.reading(f"ref {name}"):
            if revision is not None:
                self.objects.references.create(checked(name), pygit2.Oid(hex=revision), force=True)
            elif self.objects.references.get(checked(name)):
                self.objects.references.delete(name)

    @property
    def suspect(self) -> bool:
        """Whether something that should be here could not be read since the last full check."""
        return (self.path / SUSPECT).exists()

    def mark(self) -> None:
        """Say that something here could not be read."""
        with contextlib.suppress(OSError):
            (self.path / SUSPECT).touch()

    def sound(self) -> bool:
        """Read and hash every object (git fsck), minutes for a large repository; if all is well, unmark it."""
        answer = self.git("fsck", "--full", "--no-dangling", "--no-progress", allowed=range(256), timeout=LONG)
        if answer.code == 0:
            (self.path / SUSPECT).unlink(missing_ok=True)
        return answer.code == 0

    @contextlib.contextmanager
    def reading(self, what: str, *, marks: bool = True) -> Iterator[None]:
        """The door of pygit2: what it raises becomes Unavailable, and marks the repository unless `marks` is off."""
        try:
            yield
        except ReconcilerError:
            raise
        except (KeyError, ValueError, TypeError, OSError, pygit2.GitError, pygit2.InvalidSpecError) as error:
            if marks or not isinstance(error, KeyError):
                self.mark()
            raise Unavailable(f"reading {what} in {self.path}: {error}") from error


def opened(path: Path) -> pygit2.Repository:
    """Open a bare repository at exactly this folder. Raises Unavailable."""
    try:
        return pygit2.Repository(str(path), RepositoryOpenFlag.BARE | RepositoryOpenFlag.NO_SEARCH)
    except (pygit2.GitError, KeyError, ValueError, OSError) as error:
        raise Unavailable(f"opening the repository {path}: {error}") from error
