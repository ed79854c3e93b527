"""Records -> pull requests and statuses: the only judge of what a record may do.

Knows no Git, no signature mathematics and no clock: entries arrive verified (log.py), with the key that signed them,
and `now` is an argument. The rules: a login speaks only with a key that is bound to it; statuses and markers are ours
alone; a review's verdict is taken away by its author, or an approval by anybody; time never goes back, and a person's
record from the future (ahead of our clock, or of a later record of ours) does not count. Clocks are wrong at times,
ours too: what lies ahead of the reader's clock, or of any later record of ours, pushes nothing else into the future;
where the clock or a new record of ours says something else about what was read, all is folded again (`outdated`). What
a record may not do is ignored and reported, and takes nothing else with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Generic

from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.thread import Claim, Sighting, Thread
from reconciler.names import Revision
from reconciler.state.forge import Comment, CommitStatus, Review, Verdict

RECONCILER = "reconciler"  # our own login: no person can have it
SKEW = timedelta(minutes=5)  # how far a person's clock may be ahead of ours
_TICK = timedelta(microseconds=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record at its place, signed by `signer`, a public key line; `decision_signer` is one or empty."""

    position: int
    commit: Revision
    record: rec.Record
    signer: str
    decision_signer: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A commit of the log that does not count, and why."""

    position: int
    commit: Revision
    reason: str


@dataclass(frozen=True, slots=True)
class Told(Generic[rec.S]):
    """A record about a pull request that may be one; `at` is the forge's time of it."""

    entry: Entry
    said: rec.S
    at: datetime


@dataclass(frozen=True, slots=True)
class _Limits:
    """`latest`: until when a person's record may claim to be. `pushing`: until when a time moves that of later records.

    `latest` comes from our own next record, so that a step back of our clock takes only the records beside it with it.
    """

    latest: datetime
    pushing: datetime


Binds = Callable[[str, str], bool]  # (login, public key line) -> whether the key speaks for the login


class Fold:
    """The state of the forge after the entries given so far, in order."""

    def __init__(self, binds: Binds) -> None:
        self.threads: dict[int, Thread] = {}
        self.statuses: dict[Revision, dict[str, CommitStatus]] = {}
        self.ignored: list[Ignored] = []
        self.opened = 0  # numbers given so far, also to records that were then ignored
        self.last: datetime | None = None
        self._binds = binds
        self._our_last = _BEGINNING
        self._people_last = _BEGINNING
        self._read_at = _BEGINNING
        self._ahead: datetime | None = None  # the first time that we did not believe: ahead of the clock of its reading

    def outdated(self, entries: Iterable[Entry], now: datetime) -> bool:
        """Whether clock or new entries say something else about what was read, so that all is to be folded again."""
        ours = [self._our_last, *(entry.record.at for entry in entries if self._ours(entry))]
        back = any(later < earlier - SKEW for earlier, later in pairwise(ours))
        return back or now < self._read_at - SKEW or (self._ahead is not None and self._ahead <= now)

    def extend(self, entries: Sequence[Entry], now: datetime) -> None:
        """Fold new entries, oldest first."""
        self._read_at = max(now, self._read_at)
        limits = self._limits(entries, now)
        for entry in entries:
            if isinstance(entry.record.said, rec.Opened):
                self.opened += 1
            reason = self._apply(entry, limits[entry.position])
            if reason:
                self.ignored.append(Ignored(entry.position, entry.commit, reason))

    def tick(self, now: datetime) -> datetime:
        """The time to write into a person's next record."""
        return now if self.last is None else max(now, self.last + _TICK)

    def our_tick(self, now: datetime) -> datetime:
        """The time to write into our own: never before a person's that counts, or that would be from the future."""
        return max(self.tick(now), self._people_last + _TICK)

    def _limits(self, entries: Sequence[Entry], now: datetime) -> Mapping[int, _Limits]:
        """What is known about the time of the record at each position, from what stands behind it."""
        limits = {}
        self._our_last = next((entry.record.at for entry in reversed(entries) if self._ours(entry)), self._our_last)
        ceiling = max(now, self._our_last)  # a person's own clock may be slow
        proven = now
        for entry in reversed(entries):
            ours = self._ours(entry)
            limits[entry.position] = _Limits((entry.record.at if ours else ceiling) + SKEW, proven + SKEW)
            if ours:
                ceiling = entry.record.at
                proven = min(proven, ceiling)
        return limits

    def _apply(self, entry: Entry, limits: _Limits) -> str:
        record = entry.record
        if not self._binds(record.author, entry.signer):
            return f"the key that signed it is not one of {record.author}"
        if record.at > limits.latest:
            self._disbelieve(record.at)
            return "its time lies in the future; the clock of its author is wrong"
        at = self.tick(record.at)
        said = record.said
        ours = self._ours(entry)
        if isinstance(said, rec.Began):
            return self._count(entry, at, limits) if entry.position == 1 else "the log began before"
        if isinstance(said, rec.StatusSet):
            return self._status(said, ours=ours, number=record.number) or self._count(entry, at, limits)
        if isinstance(said, rec.Opened):
            return self._open(entry, said, at) or self._count(entry, at, limits)
        thread = self.threads.get(record.number)
        if thread is None:
            return f"there is no pull request {record.number}"
        reason = _RULES[type(said)](thread, Told(entry, said, at))
        if reason:
            return reason
        seen = getattr(said, "seen", "")
        thread.sightings.append(Sighting(entry.position, at, Revision(seen), ours=ours, decisive=_decides(said)))
        return self._count(entry, at, limits)

    def _count(self, entry: Entry, at: datetime, limits: _Limits) -> str:
        if not self._ours(entry):
            self._people_last = max(self._people_last, entry.record.at)
        if at <= limits.pushing:
            self.last = at
        else:
            self._disbelieve(at)
        return ""

    def _disbelieve(self, at: datetime) -> None:
        if at > self._read_at:
            self._ahead = min(at, self._ahead or at)

    def _ours(self, entry: Entry) -> bool:
        return entry.record.author == RECONCILER and self._binds(RECONCILER, entry.signer)

    def _open(self, entry: Entry, said: rec.Opened, at: datetime) -> str:
        if entry.record.number != self.opened:
            return f"it claims number {entry.record.number}, but {self.opened} is next"
        if said.base == said.head_ref:
            return "its branch is its own base"
        ours = entry.record.author == RECONCILER
        self.threads[self.opened] = Thread(
            number=self.opened,
            title=said.title,
            body=said.body,
            author=entry.record.author,
            base=said.base,
            head_ref=said.head_ref,
            head=Revision(said.head),
            created_at=at,
            ours=ours,
        )
        return ""

    def _status(self, said: rec.StatusSet, *, ours: bool, number: int) -> str:
        if not ours or number != 0:
            return "only the reconciler sets statuses"
        contexts = self.statuses.setdefault(Revision(said.revision), {})
        contexts[said.context] = CommitStatus(said.context, said.state, said.description, said.url)
        return ""


def _comment(thread: Thread, told: Told[rec.Commented]) -> str:
    ours = told.entry.record.author == RECONCILER
    if told.said.marker and not ours:
        return "only the reconciler marks comments"
    name = str(told.entry.position)
    thread.comments[name] = Comment(name, told.entry.record.author, told.said.body, told.at, author_is_bot=ours)
    if told.said.marker:
        thread.markers.setdefault(told.said.marker, name)
    return ""


def _edit(thread: Thread, told: Told[rec.CommentEdited]) -> str:
    found = thread.comments.get(told.said.comment)
    if found is None or found.author != told.entry.record.author:
        return f"comment {told.said.comment} is not one of its author's here"
    thread.edit(told.said.comment, told.said.body)
    return ""


def _review(thread: Thread, told: Told[rec.Reviewed]) -> str:
    if told.entry.record.author == RECONCILER:
        return "the reconciler reviews nothing"
    name = str(told.entry.position)
    thread.head = Revision(told.said.commit)
    thread.reviews[name] = Review(
        id=name,
        author=told.entry.record.author,
        verdict=Verdict(told.said.verdict),
        commit=Revision(told.said.commit),
        base=told.said.base,
        body=told.said.body,
        submitted_at=told.at,
        signer=told.entry.decision_signer,
        decision=told.said.decision,
    )
    return ""


def _dismiss(thread: Thread, told: Told[rec.ReviewDismissed]) -> str:
    found = thread.reviews.get(told.said.review)
    if found is None:
        return f"there is no review {told.said.review} here"
    if found.author != told.entry.record.author and found.verdict is not Verdict.APPROVE:
        return f"review {told.said.review} is no approval, and only its author {found.author} may take it back"
    thread.dismiss(told.said.review)
    return ""


def _assign(thread: Thread, told: Told[rec.Assigned]) -> str:
    thread.assignees = tuple(dict.fromkeys(told.said.assignees))
    return ""


def _retarget(thread: Thread, told: Told[rec.Retargeted]) -> str:
    if told.said.base == thread.head_ref:
        return "its branch is its own base"
    thread.base = told.said.base
    return ""


def _merge(thread: Thread, told: Told[rec.Merged]) -> str:
    if thread.closed_at:
        return "the pull request is closed"
    if told.said.base != thread.base:
        return f"it claims a merge into {told.said.base}, but the base is {thread.base}"
    thread.head = Revision(told.said.head)
    thread.claims.append(
        Claim(
            by=told.entry.record.author,
            method=told.said.method,
            base=told.said.base,
            parent=Revision(told.said.parent),
            head=Revision(told.said.head),
            merge_commit=Revision(told.said.merge_commit),
            at=told.at,
            position=told.entry.position,
        )
    )
    return ""


def _close(thread: Thread, told: Told[rec.Closed]) -> str:
    if thread.closed_at:
        return "it is closed already"
    thread.head = Revision(told.said.head)
    thread.closed_at = told.at
    return ""


def _reopen(thread: Thread, _told: Told[rec.Reopened]) -> str:
    if not thread.closed_at:
        return "it is not closed"
    thread.closed_at = None
    return ""


def _decides(said: rec.Said) -> bool:
    if isinstance(said, rec.Reviewed):
        return said.verdict != "comment"
    return isinstance(said, (rec.ReviewDismissed, rec.Retargeted, rec.Closed, rec.Reopened))


_RULES: Mapping[type[rec.Said], Callable[[Thread, Told[Any]], str]] = {
    rec.Commented: _comment,
    rec.CommentEdited: _edit,
    rec.Reviewed: _review,
    rec.ReviewDismissed: _dismiss,
    rec.Assigned: _assign,
    rec.Retargeted: _retarget,
    rec.Merged: _merge,
    rec.Closed: _close,
    rec.Reopened: _reopen,
}
