"""Writes events to the audit branch and folds them into the ledger: intent before an effect, result after it (G24).

One `record` is one append: all of its events land together or none does. What a caller decided from the ledger holds
only while nobody else wrote: a guarded append on a branch that moved is refused, and the caller looks again.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.errors import Unavailable, Untrusted
from reconciler.git.audit_branch import AuditBranch
from reconciler.git.audit_branch import Entry as AuditCommit
from reconciler.machine.entry import ENTRY, Entry, Placed
from reconciler.machine.ledger import Ledger
from reconciler.names import EventId, Revision
from reconciler.ports import Clock
from reconciler.report.record import commit_of, event_of
from reconciler.state.event import (
    RANDOM_BYTES,
    ActorType,
    Domain,
    Event,
    EventStatus,
    Severity,
    Source,
    event_id,
)

SYSTEM = "reconciler"
ROUNDS = 20  # lost races before a record that stands on something is given up; the next look tries again


@dataclass(frozen=True, slots=True)
class Note:
    """An event before it has an id and a time. `files` go beside it on the audit branch, by path."""

    domain: Domain
    action: str
    resource_type: str
    resource_id: str
    actor: str = SYSTEM
    source: Source = Source.SYSTEM_SCHEDULER
    status: EventStatus = EventStatus.SUCCESS
    severity: Severity = Severity.INFO
    environment: str | None = None
    project: str | None = None
    team: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


class Overtaken(Unavailable):
    """What a record stood on is not so any more: another reconciler went on. Nothing was written; look again."""

    default_key = "resource_conflict"


class Journal:
    """The audit branch and what it says. One per process; threads take turns."""

    def __init__(self, branch: AuditBranch, clock: Clock) -> None:
        self.branch = branch
        self.ledger = Ledger()
        self.events: list[Event] = []
        self._clock = clock
        self._read: Revision | None = None
        self._absorbed: set[EventId] = set()
        self._counter = 0
        self._lock = threading.RLock()

    def sync(self) -> None:
        """Ask a repository that holds the audit alone what it has now; before the desired state is looked at, so that
        nothing recorded is about commits that are not here yet. Raises Unavailable, Rejected."""
        self.branch.sync()

    def catch_up(self) -> None:
        """Fold in what others, or we before a crash, have written; push what was kept here while the remote was away.

        Raises Untrusted(audit_diverged), Unavailable.
        """
        with self._lock:
            for record in self.branch.read(self._read):
                self._fold(record.files)
                self._read = record.revision
            for record in self.branch.pending():
                self._fold(record.files)
            self.branch.flush()

    def refresh(self) -> None:
        """Ask the remote for what others have written, and fold it in. Raises as `catch_up`."""
        with self._lock:
            self.branch.refresh()
            self.catch_up()

    def record(
        self,
        notes: Iterable[Note],
        *,
        guarded: bool = False,
        keep: bool = False,
        holds: Callable[[Ledger], bool] | None = None,
    ) -> tuple[EventId, ...]:
        """Append durably, then fold in.

        `guarded`: refuse where somebody wrote since the last catch up. `keep`: while the branch cannot be reached, keep
        the records here, to be pushed before anything else (G24); for plans that were recorded before, never for new
        ones. `holds`: what has to be so where the append lands, whatever else was written meanwhile; Overtaken
        otherwise. Raises Unavailable otherwise; nothing was written then.
        """
        with self._lock:
            made = [(note, self._event(note)) for note in notes]
            if not made:
                return ()
            entry = _commit([event for _, event in made], [note.files for note, _ in made])
            now = self._clock.now()
            try:
                self._append(entry, now, guarded=guarded, holds=holds)
            except Overtaken:
                raise
            except Unavailable:
                if not keep:
                    raise
                self.branch.journal([entry], at=now)
                self._fold(entry.files)
            else:
                self.catch_up()
            return tuple(event.event_id for _, event in made)

    def _append(
        self, entry: AuditCommit, now: datetime, *, guarded: bool, holds: Callable[[Ledger], bool] | None
    ) -> None:
        """One append; with `holds`, on exactly the tip of which it was asked."""
        if holds is None:
            self.branch.append([entry], at=now, only_on=self._read if guarded else None, guarded=guarded)
            return
        for _ in range(ROUNDS):
            if not holds(self.ledger):
                raise Overtaken(f"recording {entry.subject}: another reconciler went on with it")
            try:
                self.branch.append([entry], at=now, only_on=self._read, guarded=True)
            except Unavailable as error:
                if error.key != "resource_conflict":
                    raise
                self.catch_up()  # somebody wrote, perhaps about something else
            else:
                return
        raise Overtaken(f"recording {entry.subject}: lost {ROUNDS} races")

    def file(self, path: str) -> bytes:
        """A file of the branch's newest tree. Raises Unavailable where it is not there."""
        content = self.branch.file(path)
        if content is None:
            raise Unavailable(f"reading {path} from the audit branch: it is not there", key="audit_diverged")
        return content

    def _event(self, note: Note) -> Event:
        now = self._clock.now()
        self._counter += 1
        detail = dict(note.detail)
        if note.entry is not None:
            detail["entry"] = note.entry.model_dump(mode="json")
        return Event(
            event_id=event_id(now, counter=self._counter, randomness=secrets.token_bytes(RANDOM_BYTES)),
            domain=note.domain,
            action=note.action,
            resource_type=note.resource_type,
            resource_id=note.resource_id,
            actor_id=note.actor,
            actor_type=ActorType.SYSTEM if note.actor == SYSTEM else ActorType.USER,
            source=note.source,
            status=note.status,
            severity=note.severity,
            occurred_at=now,
            environment_id=note.environment,
            project_id=note.project,
            team_id=note.team,
            detail=detail,
        )

    def _fold(self, files: Mapping[str, bytes]) -> None:
        fold_files(files, self.ledger, self.events, self._absorbed)


def fold_files(files: Mapping[str, bytes], ledger: Ledger, events: list[Event], absorbed: set[EventId]) -> None:
    """Fold the events among an audit commit's files in, each once. Raises Untrusted on one that is no record."""
    for event in _events_in(files):
        if event.event_id in absorbed:
            continue
        absorbed.add(event.event_id)
        events.append(event)
        entry = event.detail.get("entry")
        if entry is not None:
            ledger.absorb(
                Placed(
                    event=event.event_id, at=event.occurred_at, actor=event.actor_id, entry=ENTRY.validate_python(entry)
                )
            )


def _commit(events: list[Event], beside: list[Mapping[str, bytes]]) -> AuditCommit:
    """One audit commit for a batch of events. What lies beside them may be written again with newer bookkeeping."""
    written = commit_of(events)
    subject, *body, trailers = written.message.strip().split("\n\n")
    named: dict[str, str] = {}
    for line in trailers.splitlines():
        name, _, value = line.partition(": ")
        named[name] = f"{named[name]}, {value}" if name in named else value
    files = {path: text.encode() for path, text in written.files.items()}
    artifacts = {path: content for more in beside for path, content in more.items()}
    paragraphs = [text for text in body if text != "[skip ci]"]
    return AuditCommit(subject, named, {**files, **artifacts}, "\n\n".join(paragraphs), frozenset(artifacts))


def _events_in(files: Mapping[str, bytes]) -> Iterator[Event]:
    for path, content in sorted(files.items()):  # ids sort by time and then by our counter
        if path.startswith("events/"):
            try:
                yield event_of(path, content)
            except ValueError as error:
                raise Untrusted(f"reading {path} from the audit branch: {error}", key="audit_diverged") from error
