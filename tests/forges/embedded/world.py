"""A bare repository in a temporary folder, people with keys, and doors to the embedded forge on their own machines."""

import itertools
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pygit2

from reconciler.forges.embedded.fold import RECONCILER
from reconciler.forges.embedded.forge import EmbeddedForge
from reconciler.forges.embedded.ledger import Ledger
from reconciler.forges.embedded.log import RECORD, REF, SIGNATURE
from reconciler.forges.embedded.person import Person
from reconciler.forges.embedded.record import NAMESPACE, Record, Something, written
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Answer, Transport
from reconciler.names import Revision

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
REPOSITORY = "test://repository"
_NUMBERS = itertools.count(1)
PEOPLE = ("ana", "ben", "cleo")


@dataclass(slots=True)
class TickingClock:
    """One second goes by with each look at it."""

    at: datetime = START
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        with self._lock:
            self.at += timedelta(seconds=1)
            return self.at

    def wait(self, duration: timedelta) -> bool:
        with self._lock:
            self.at += duration
        return False


@dataclass(frozen=True, slots=True)
class WatchedTransport(Transport):
    """The real one. `before` and `after` are called with the command around each push, and may raise."""

    before: list[object] = field(default_factory=list, compare=False)
    after: list[object] = field(default_factory=list, compare=False)
    pushes: list[str] = field(default_factory=list, compare=False)

    def run(self, arguments, **options) -> Answer:  # type: ignore[no-untyped-def]  # as its ancestor's
        if arguments[0] != "push":
            return Transport.run(self, arguments, **options)
        if self.before:
            self.before.pop(0)(arguments)  # type: ignore[operator]
        answer = Transport.run(self, arguments, **options)
        self.pushes.append(arguments[-1].partition(":")[2])
        if self.after:
            self.after.pop(0)(arguments)  # type: ignore[operator]
        return answer


class World:
    """The remote is written with pygit2, as people's pushes would; every door has a mirror of its own."""

    def __init__(self, folder: Path, keys: Mapping[str, SigningKey] | None = None) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        self.clock = TickingClock()
        made = keys or {login: SigningKey.generate() for login in (*PEOPLE, RECONCILER)}
        self.keys = {login: made[login] for login in PEOPLE}
        self.ours = made[RECONCILER]
        self.logins: dict[str, list[str]] = {login: [key.public.line] for login, key in self.keys.items()}
        self.store = pygit2.init_repository(str(self.remote), bare=True, initial_head="main")
        self._people: dict[str, Person] = {}
        self.ledgers: list[Ledger] = []
        if not keys:
            self.commit("main", {"README.md": "hello\n", "a.yaml": "a: 1\n"})
        self.first = self.tip("main") or Revision("")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A world that was saved, in another process."""
        return cls(folder, {login: SigningKey.load(folder / f"key-{login}") for login in (*PEOPLE, RECONCILER)})

    def save(self) -> None:
        """Keep the keys beside the repository."""
        for login, key in {**self.keys, RECONCILER: self.ours}.items():
            key.save(self.folder / f"key-{login}")

    def copy(self, folder: Path) -> "World":
        """The same world once more, as it is now and with the same keys."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        other = World.load(folder)
        other.first = self.first
        return other

    def ledger(self, *, repository_id: str = REPOSITORY, transport: Transport | None = None, url: str = "") -> Ledger:
        """A machine that follows the remote, by its path or by another way to it."""
        number = next(_NUMBERS)
        made = transport or Transport(self.folder / "transport")
        mirror = Mirror(self.folder / f"mirror-{os.getpid()}-{number}", Remote(url or str(self.remote)), made)
        ledger = Ledger(
            mirror,
            repository_id=repository_id,
            logins=lambda login: self.logins.get(login, []),
            our_keys=[self.ours.public.line],
            clock=self.clock,
        )
        self.ledgers.append(ledger)
        return ledger

    def forge(self, ledger: Ledger | None = None) -> EmbeddedForge:
        """The reconciler's door."""
        return EmbeddedForge(ledger or self.ledger(), key=self.ours, tracked="main")

    def person(self, login: str) -> Person:
        """The door of a person who is asked for no statuses; the same one each time."""
        if login not in self._people:
            self._people[login] = self.door(login)
        return self._people[login]

    def door(self, login: str, ledger: Ledger | None = None, key: SigningKey | None = None, **more: object) -> Person:
        """A new door of a person."""
        settings: Mapping[str, object] = {"required": (), "email": f"{login}@example.org", **more}
        return Person(ledger or self.ledger(), login=login, key=key or self.keys[login], **settings)  # type: ignore[arg-type]

    def commit(
        self,
        branch: str,
        files: Mapping[str, str | None],
        *,
        on: str | None = None,
        author: str = "ana",
        message: str = "",
    ) -> Revision:
        """Commit files on top of a branch (or of the commit `on`), and let the branch stand there."""
        ref = f"refs/heads/{branch}"
        parent = on or self.tip(branch) or self.tip("main")
        index = pygit2.Index()
        if parent:
            index.read_tree(self.store[parent].peel(pygit2.Tree))
        for path, content in files.items():
            if content is None:
                index.remove(path)
            else:
                blob = self.store.create_blob(content.encode())
                index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
        who = pygit2.Signature(author, f"{author}@example.org", int(self.clock.now().timestamp()), 0)
        tree = index.write_tree(self.store)
        made = self.store.create_commit(None, who, who, message or f"change {branch}", tree, [parent] if parent else [])
        self.store.references.create(ref, made, force=True)
        return Revision(str(made))

    def tree_commit(self, files: Mapping[str, str], parents: Sequence[str]) -> Revision:
        """A commit with exactly these files, which nothing names."""
        builder = self.store.TreeBuilder()
        for name, content in files.items():
            builder.insert(name, self.store.create_blob(content.encode()), pygit2.enums.FileMode.BLOB)
        who = pygit2.Signature("cleo", "cleo@example.org", int(self.clock.now().timestamp()), 0)
        return Revision(str(self.store.create_commit(None, who, who, "by hand", builder.write(), list(parents))))

    def tip(self, branch: str) -> Revision | None:
        """Where a branch of the remote stands."""
        found = self.store.references.get(f"refs/heads/{branch}")
        return Revision(str(found.target)) if found else None

    def set_ref(self, ref: str, commit: str | None) -> None:
        """Move or remove a ref of the remote by hand, as a force-push would."""
        if commit is None:
            self.store.references.delete(ref)
        else:
            self.store.references.create(ref, pygit2.Oid(hex=commit), force=True)

    def log_tip(self) -> Revision | None:
        """Where the log of the forge stands."""
        found = self.store.references.get(REF)
        return Revision(str(found.target)) if found else None

    def record(self, said: Something, author: str, number: int, **more: Any) -> Record:
        """A record for the place after the log's tip, unless told otherwise."""
        fields: dict[str, Any] = {
            "repository": REPOSITORY,
            "previous": self.log_tip() or "",
            "number": number,
            "author": author,
            "time": written(self.clock.now()),
            "said": said,
        }
        return Record(**{**fields, **more})

    def slip_in(self, record: Record | bytes, key: SigningKey, **more: Any) -> Revision:
        """Push a record past every door, as anybody who may push can; `more` replaces files or `parents`."""
        content = record if isinstance(record, bytes) else record.canonical()
        parents = more.pop("parents", [self.log_tip()] if self.log_tip() else [])
        files = {RECORD: content, SIGNATURE: key.sign(content, NAMESPACE).encode(), **more}
        builder = self.store.TreeBuilder()
        for name, file in files.items():
            if isinstance(file, bytes):
                builder.insert(name, self.store.create_blob(file), pygit2.enums.FileMode.BLOB)
            elif file is not None:
                builder.insert(name, *file)
        who = pygit2.Signature("somebody", "somebody@example.org", 0, 0)
        made = self.store.create_commit(None, who, who, "slipped in", builder.write(), parents)
        self.store.references.create(REF, made, force=True)
        return Revision(str(made))

    def between(self, base: str, tip: str) -> list[Revision]:
        """What the remote has above `base`, newest first."""
        walker = self.store.walk(pygit2.Oid(hex=tip))
        walker.hide(pygit2.Oid(hex=base))
        return [Revision(str(commit.id)) for commit in walker]

    def files(self, commit: str) -> dict[str, str]:
        """The files at the top of a commit's tree."""
        tree = self.store[commit].peel(pygit2.Tree)
        return {item.name: item.data.decode() for item in tree if isinstance(item, pygit2.Blob)}  # type: ignore[misc]
