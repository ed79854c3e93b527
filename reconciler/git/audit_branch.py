"""The audit branch: an append-only chain of signed commits on the remote.

Knows how to append by compare-and-swap, how to keep records here while the remote is away, and when the branch is not
ours any more. Knows nothing of what an entry says. The rule: a record is on disk here before it is pushed and on the
remote before it counts; the remote's tip descends from the last one that we saw and holds no commit that is not ours,
or nothing starts (gate.md G24; threat T40; faults F2, F10, F28).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pygit2

from reconciler.errors import Rejected, Unavailable, Untrusted
from reconciler.git import anchor as anchors
from reconciler.git import audit_chain, history
from reconciler.git.anchor import Anchor
from reconciler.git.audit_chain import Finding
from reconciler.git.audit_message import Entry, Record, message_of
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.git.trees import find
from reconciler.git.write import commit_tree
from reconciler.names import Revision

__all__ = ["AUDIT", "OURS", "AuditBranch", "Entry", "Finding", "Record"]

AUDIT = "refs/heads/reconciler/audit"
OURS = ("refs/heads/reconciler/*",)  # a pattern, because git fails on a single ref that does not exist
STARTS = 100  # first commits tried in vain that are remembered
ROUNDS = 200  # lost races before an append is given up; each round somebody else has won
_TIP = "refs/local/audit"  # the last good tip: keeps its objects when the remote's branch is rewound
_JOURNAL = "refs/local/journal"
_SOON = timedelta(seconds=1)

_Timed = tuple[Entry, datetime]


class AuditBranch:
    """The audit branch of a mirror's remote. Everything that moves a ref here holds the mirror's lock.

    `trusted` are public key lines beside our own: those of other reconcilers that share the branch, and older ones.
    `apart`: the mirror is of a repository that nobody else here looks at.
    """

    def __init__(
        self, mirror: Mirror, key: SigningKey, anchor: Path, *, trusted: Iterable[str] = (), apart: bool = False
    ) -> None:
        self._mirror = mirror
        self._key = key
        self._anchor = anchor
        self.apart = apart
        self._trusted = frozenset((*trusted, key.public.line))

    def tip(self) -> Revision | None:
        """The newest commit that the mirror has, once it and all since the anchor are checked; None before the first.

        Asks the remote only where the mirror has no branch and should have one. Raises Untrusted (audit_diverged).
        """
        with self._mirror.locked():
            remembered = anchors.read(self._anchor)
            seen = self._repository.ref(AUDIT)
            if seen is None and (remembered.tip or remembered.starts):
                self._mirror.fetch(OURS)
                seen = self._repository.ref(AUDIT)
            if seen == remembered.tip and self._repository.ref(_TIP) == seen:
                return seen
            self._check(remembered, seen)
            if seen is not None:
                self._settle(seen, replace(remembered, tip=seen, starts=()))
            return seen

    def sync(self) -> None:
        """Poll the remote, where no other look at the same repository does. Raises Unavailable, Rejected."""
        if self.apart:
            self._mirror.sync()

    def refresh(self) -> Revision | None:
        """Fetch the branch, then `tip`."""
        with self._mirror.locked():
            self._mirror.fetch(OURS)
            return self.tip()

    def append(
        self, entries: Sequence[Entry], *, at: datetime, only_on: Revision | None = None, guarded: bool = False
    ) -> tuple[Revision, ...]:
        """One commit for each entry, one push for all; journaled entries go first. The commits, in order.

        After Unavailable some or all may have been appended; trying the same entries again adds what is missing.
        `guarded`: only while the branch still stands at `only_on`, else Unavailable (resource_conflict).
        """
        with self._mirror.locked():
            self.flush()
            return self._publish([(entry, at) for entry in entries], only_on=only_on, guarded=guarded)

    def journal(self, entries: Sequence[Entry], *, at: datetime) -> None:
        """Keep entries here, in order and on disk, until `flush` or the next `append` pushes them."""
        with self._mirror.locked():
            remembered = anchors.read(self._anchor)
            base = self._pending(remembered) or self._repository.ref(_TIP)
            _, newest = self._build([(entry, at) for entry in entries], base)
            if newest and newest != base:
                self._repository.set_ref(_JOURNAL, newest)
                anchors.write(self._anchor, replace(remembered, journal=newest))

    def pending(self) -> tuple[Record, ...]:
        """Journaled entries that are not on the remote yet. Their commits may be made anew when they are pushed."""
        with self._mirror.locked():
            return self._journaled(anchors.read(self._anchor))

    def flush(self) -> None:
        """Push what was journaled, in order. Raises Unavailable while the remote is away, and then keeps it."""
        with self._mirror.locked():
            waiting = self._journaled(anchors.read(self._anchor))
            if waiting:
                self._publish([(record.entry, record.at) for record in waiting])
            if self._repository.ref(_JOURNAL):
                anchors.write(self._anchor, replace(anchors.read(self._anchor), journal=None))
                self._repository.set_ref(_JOURNAL, None)

    def read(self, since: Revision | None = None) -> Iterator[Record]:
        """The records after `since` up to `tip`, oldest first; without journaled ones."""
        tip = self.tip()
        if tip is None:
            return iter(())
        return audit_chain.records(self._repository, audit_chain.between(self._repository, since, tip))

    def file(self, path: str) -> bytes | None:
        """A file of the newest tree; None where there is none."""
        tip = self.tip()
        found = find(self._repository, tip, path) if tip else None
        return self._repository.blob(found.blob, audit_chain.LARGEST) if found else None

    def verify(self) -> tuple[Finding, ...]:
        """Everything wrong with the whole chain as the mirror has it, and with its relation to the anchor."""
        remembered, seen = anchors.read(self._anchor), self._repository.ref(AUDIT)
        if seen is None:
            return (Finding(remembered.tip, "the branch is gone"),) if remembered.tip else ()
        return audit_chain.findings(self._repository, seen, self._trusted, remembered.tip)

    def restore(self) -> Revision:
        """Push the last good tip back over whatever the remote has, keeping what others of us added. The tip."""
        with self._mirror.locked():
            good, repository = anchors.read(self._anchor).tip, self._repository
            if good is None or not repository.has(good):
                raise self._diverged("no last good tip is left here", hint="a root signature has to name the tip")
            self._mirror.fetch(OURS)
            seen, repository = self._repository.ref(AUDIT), self._repository
            if seen is not None and history.is_ancestor(repository, good, seen):
                newer = audit_chain.between(repository, good, seen)
                foreign = audit_chain.first_foreign(repository, newer, self._trusted)
                kept = newer[: newer.index(foreign.revision)] if foreign else newer
                good = kept[-1] if kept else good
            if push(repository, self._mirror.remote, AUDIT, seen, good) is PushResult.MOVED:
                raise Unavailable("restoring the audit branch: somebody else is writing it", retry_after=_SOON)
            self._settle(good, replace(anchors.read(self._anchor), tip=good))
            return good

    def trust(self, tip: Revision) -> None:
        """Take a tip that a person named as the anchor; it and all before it must be ours. A lost journal is let go."""
        with self._mirror.locked():
            self._mirror.fetch(OURS)
            if not self._repository.has(tip):
                raise self._diverged(f"{tip} is neither here nor on the remote")
            if found := audit_chain.findings(self._repository, tip, self._trusted):
                raise self._diverged(f"{found[0].revision}: {found[0].problem}")
            self._settle(tip, Anchor(tip), mirrored=False)

    @property
    def _repository(self) -> BareRepository:
        return self._mirror.repository

    def _check(self, remembered: Anchor, seen: Revision | None) -> None:
        """Raise Untrusted unless `seen` descends from the anchor through commits of ours alone."""
        if seen is None:
            if remembered.tip:
                raise self._diverged(
                    f"it is gone; its last tip was {remembered.tip}", hint=self._elsewhere(remembered.tip)
                )
            return
        if remembered.tip is None and not remembered.starts:
            raise self._diverged("it exists, and none of it is known here", hint="a root signature has to name the tip")
        try:
            new = audit_chain.between(self._repository, remembered.tip, seen)
        except Untrusted as error:
            raise self._diverged(
                f"its tip {seen} does not descend from the last one, {remembered.tip}",
                hint=self._elsewhere(remembered.tip) if remembered.tip else "",
            ) from error
        if remembered.tip is None and new[0] not in remembered.starts:
            raise self._diverged(f"it starts at {new[0]}, which we did not write")
        if foreign := audit_chain.first_foreign(self._repository, new, self._trusted):
            raise self._diverged(f"{foreign.revision}: {foreign.problem}")

    def _publish(
        self, entries: Sequence[_Timed], *, only_on: Revision | None = None, guarded: bool = False
    ) -> tuple[Revision, ...]:
        for lost in range(ROUNDS):
            tip = self.refresh() if lost else self.tip()
            if guarded and tip != only_on:
                raise Unavailable(
                    f"appending to the audit branch: it stands at {tip}, not at {only_on}",
                    key="resource_conflict",
                    retry_after=_SOON,
                )
            chain, newest = self._build(entries, tip)
            if newest is None or newest == tip:
                return chain
            remembered = anchors.read(self._anchor)
            if tip is None and chain[0] not in remembered.starts:
                remembered = replace(remembered, starts=(*remembered.starts[-STARTS:], chain[0]))
                anchors.write(self._anchor, remembered)
            if push(self._repository, self._mirror.remote, AUDIT, tip, newest) is PushResult.DONE:
                self._settle(newest, replace(remembered, tip=newest, starts=()))
                return chain
        raise Unavailable(f"appending to the audit branch: lost {ROUNDS} races", retry_after=_SOON)

    def _build(self, entries: Sequence[_Timed], tip: Revision | None) -> tuple[tuple[Revision, ...], Revision | None]:
        """The commit of each entry (one that is there already keeps its own), and the newest of them all."""
        chain: list[Revision] = []
        for entry, at in entries:
            there = self._present(entry, tip)
            if there is None:
                person = Person("reconciler", "reconciler@localhost", at.astimezone(UTC))
                there = tip = commit_tree(
                    self._repository,
                    files=entry.files,
                    parents=(tip,) if tip else (),
                    message=message_of(entry),
                    author=person,
                    signer=self._key,
                )
            chain.append(there)
        return tuple(chain), tip

    def _present(self, entry: Entry, tip: Revision | None) -> Revision | None:
        """The commit that added this entry before, if one did. Raises Rejected where a path holds something else."""
        lasting = {path: content for path, content in entry.files.items() if path not in entry.replaces}
        if tip is None or not lasting:
            return None
        found = {path: find(self._repository, tip, path) for path in lasting}
        there = {path: item for path, item in found.items() if item}
        for path, item in there.items():
            if item.blob != str(pygit2.hash(lasting[path])):
                raise Rejected(f"appending to the audit branch: {path} is there already", key="resource_conflict")
        if len(there) < len(lasting):
            return None
        path, at = next(iter(lasting)), tip
        while parents := history.commit(self._repository, at).parents:
            if find(self._repository, parents[0], path) is None:
                break
            at = parents[0]
        return at

    def _holds(self, tip: Revision | None, revision: Revision) -> bool:
        return tip is not None and history.is_ancestor(self._repository, revision, tip)

    def _pending(self, remembered: Anchor) -> Revision | None:
        waiting = self._repository.ref(_JOURNAL)
        if remembered.journal and waiting is None:
            raise self._diverged(
                f"the journaled records up to {remembered.journal} are lost",
                hint="if [audit] in reconciler.toml was changed: change it back until they are pushed",
            )
        return waiting

    def _journaled(self, remembered: Anchor) -> tuple[Record, ...]:
        at, tip, waiting = self._pending(remembered), remembered.tip, list[Revision]()
        while at is not None and not (tip and self._repository.has(tip) and self._holds(tip, at)):
            waiting.append(at)
            parents = history.commit(self._repository, at).parents
            at = parents[0] if parents else None
        return tuple(audit_chain.records(self._repository, tuple(reversed(waiting))))

    def _settle(self, tip: Revision, anchor: Anchor, *, mirrored: bool = True) -> None:
        """Remember a good tip: the mirror's ref first, then ours, then the anchor; after a crash, look again."""
        if mirrored:
            self._repository.set_ref(AUDIT, tip)
        self._repository.set_ref(_TIP, tip)
        anchors.write(self._anchor, anchor)

    def _elsewhere(self, tip: Revision) -> str:
        """What helps where the branch was in another repository before."""
        return (
            "if [audit] in reconciler.toml was changed: either change it back, or push the branch from a clone of the "
            f"earlier repository, git push {self._mirror.remote.url} {tip}:{AUDIT}"
        )

    def _diverged(self, why: str, hint: str = "") -> Untrusted:
        return Untrusted(
            f"reading the audit branch of {self._mirror.remote.url}: {why}", key="audit_diverged", hint=hint
        )
