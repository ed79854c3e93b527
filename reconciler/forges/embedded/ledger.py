"""One remote's log, read, folded and appended to: what the reconciler's door and the people's door share.

Knows the mirror, the log, the fold and which merges landed; knows no verb. The rules: everything that one look answers
comes from one poll (fault F13); a record is appended by compare-and-swap, and whoever loses the race looks again and
decides again on what stands there now, at most ATTEMPTS times (F10); after an ambiguous answer the log is asked whether
the record is in it, before anything is written twice (F12).
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable
from reconciler.forges.embedded import log as records
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.fold import RECONCILER, Fold, Ignored
from reconciler.forges.embedded.landing import Landing
from reconciler.forges.embedded.log import Log
from reconciler.forges.embedded.thread import Claim, Thread
from reconciler.git.bare import BareRepository
from reconciler.git.keys import PublicKey, SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.push import PushResult, push
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import PullRequest

ATTEMPTS = 30  # of one append; each lost race means that somebody else got on

Logins = Callable[[str], Collection[str]]  # login -> its public key lines, under the policy in force


@dataclass(frozen=True, slots=True)
class Draft:
    """What to record, and which commits the log shall keep reachable for it."""

    said: rec.Something
    number: int = 0
    keep: tuple[Revision, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """The forge as one poll found it. Valid while the ledger is held."""

    repository: BareRepository
    refs: Mapping[str, Revision]
    fold: Fold
    landing: Landing

    def branch(self, name: str) -> Revision | None:
        """Where a branch stands; None where it does not exist."""
        return self.refs.get(f"refs/heads/{name}")

    def seen(self, thread: Thread) -> str:
        """The tip of the base branch, as records about a pull request carry it."""
        return self.branch(thread.base) or ""

    def thread(self, number: int) -> Thread:
        """Raises Rejected where there is no such pull request."""
        found = self.fold.threads.get(number)
        if found is None:
            raise Rejected(f"reading pull request {number}: there is none", key="approval_ticket_not_found")
        return found

    def landed(self, thread: Thread) -> Claim | None:
        """The claim of a merge that came true."""
        return self.landing.landed(self.repository, self.refs, [thread]).get(thread.number)

    def pull_request(self, thread: Thread) -> PullRequest:
        """A pull request as it stands."""
        return thread.value(self.branch(thread.head_ref), self.landed(thread))

    def pull_requests(self) -> tuple[PullRequest, ...]:
        """All of them, by number."""
        threads = self.fold.threads.values()
        landed = self.landing.landed(self.repository, self.refs, threads)
        return tuple(one.value(self.branch(one.head_ref), landed.get(one.number)) for one in threads)


class _Bonds:
    """Which key speaks for which login, as it was last asked.

    Apart from the ledger, so that whoever drops one is rid of all that it read at once: a fold that holds a method of
    its ledger is a circle with the whole log in it, and waits for the collector.
    """

    def __init__(self, logins: Logins, our_keys: Collection[str]) -> None:
        self._logins = logins
        self._ours = frozenset(PublicKey.parse(line).line for line in our_keys)
        self._known: dict[tuple[str, str], bool] = {}

    def hold(self, login: str, key: str) -> bool:
        """Whether this key speaks for the login, as when it was first asked or `changed` last looked."""
        if (login, key) not in self._known:
            self._known[login, key] = key in self._keys(login)
        return self._known[login, key]

    def changed(self) -> bool:
        """Whether a key that was asked about changed hands, so that everything is to be folded again."""
        keys = {login: self._keys(login) for login in {login for login, _ in self._known}}
        fresh = {(login, key): key in keys[login] for login, key in self._known}
        changed = fresh != self._known
        self._known = fresh
        return changed

    def _keys(self, login: str) -> frozenset[str]:
        if login == RECONCILER:
            return self._ours
        return frozenset(" ".join(line.split()[:2]) for line in self._logins(login))


class Ledger:
    """`logins` says which keys speak for a person, `our_keys` which speak for the reconciler (old ones too).

    A key that leaves `logins` takes its records with it, so keys that were given up but not stolen stay listed there.
    """

    def __init__(
        self, mirror: Mirror, *, repository_id: str, logins: Logins, our_keys: Collection[str], clock: Clock
    ) -> None:
        self.mirror = mirror
        self.clock = clock
        self._bonds = _Bonds(logins, our_keys)
        self._log = Log(repository_id)
        self._malformed: list[Ignored] = []
        self._fold = Fold(self._bonds.hold)
        self._landing = Landing()
        self._held = threading.RLock()

    @property
    def repository_id(self) -> str:
        """What every record and every decision is bound to."""
        return self._log.repository_id

    @property
    def records_read(self) -> int:
        """How many records were opened so far; each is opened once."""
        return self._log.read

    @property
    def merges_compared(self) -> int:
        """How many claimed merges were made again to compare their content; each is once, also across restarts."""
        return self._landing.compared

    def ignored(self) -> tuple[Ignored, ...]:
        """What stands in the log and does not count, in order."""
        with self.looking():
            return tuple(sorted([*self._malformed, *self._fold.ignored], key=lambda one: one.position))

    @contextlib.contextmanager
    def looking(self) -> Iterator[Look]:
        """Poll, read what is new, and keep the answer still. Raises what the mirror raises, and Untrusted (log.py)."""
        with self._held:
            yield self._read(self.mirror.sync().after)

    def append(self, author: str, key: SigningKey, draft: Callable[[Look], Draft | None]) -> int:
        """Record what `draft` makes of each fresh look; None there means that nothing is to be done, and 0 is answered.

        Gives the record's place in the log. Raises what `draft` raises, Refused where the key does not speak for the
        author, and Unavailable where others were faster again and again.
        """
        written: list[Revision] = []
        with self._held:
            for attempt in range(ATTEMPTS):
                if attempt:
                    self.mirror.stir()
                with self.looking() as look:
                    if place := self._place(written):
                        return place
                    tip = look.refs.get(records.REF)
                    made = draft(look) if tip else Draft(rec.Began())
                    if made is None:
                        return 0
                    commit = self._write(look, author, key, made, tip)
                    if tip:
                        written.append(commit)
                    if self._push(look, tip, commit) and tip:
                        return self._place(written)
        raise Unavailable(f"recording in {records.REF}: others were faster {ATTEMPTS} times", key="resource_locked")

    def _write(self, look: Look, author: str, key: SigningKey, made: Draft, tip: Revision | None) -> Revision:
        if not self._bonds.hold(author, key.public.line):
            raise Refused(
                f"recording as {author}: key {key.public.fingerprint} does not speak for that login",
                key="permission_denied",
                hint="the User with this login has to list the key under the policy in force",
            )
        tick = look.fold.our_tick if author == RECONCILER else look.fold.tick
        try:
            record = rec.Record(
                repository=self._log.repository_id,
                previous=tip or "",
                number=made.number,
                author=author,
                time=rec.written(tick(self.clock.now())),
                said=made.said,
            )
        except ValueError as error:
            raise Rejected(f"recording {type(made.said).__name__}: {error}", key="validation_error") from error
        if len(record.canonical()) > rec.MAX_RECORD:
            raise Rejected(f"recording for #{made.number}: more than {rec.MAX_RECORD} bytes", key="validation_error")
        return records.write(look.repository, record, key, author, made.keep if tip else ())

    def _read(self, refs: Mapping[str, Revision]) -> Look:
        """Read what is new. Nothing counts as read before everything that can fail has not."""
        now = self.clock.now()
        repository = self.mirror.repository
        rebound = self._bonds.changed()
        batch = self._log.fresh(repository, refs.get(records.REF))
        for entry in batch.entries:
            self._bonds.hold(entry.record.author, entry.signer)
        self._log.take(batch)
        self._malformed += batch.ignored
        again = rebound or self._fold.outdated(batch.entries, now)
        if again:
            self._fold = Fold(self._bonds.hold)
        self._fold.extend(self._log.entries if again else batch.entries, now)
        self._anchor(repository, batch.tip)
        return Look(repository, refs, self._fold, self._landing)

    def _push(self, look: Look, tip: Revision | None, commit: Revision) -> bool:
        try:
            won = push(look.repository, self.mirror.remote, records.REF, tip, commit) is PushResult.DONE
        except Unavailable:
            if not self._arrived(commit):
                raise
            return True
        if won:
            with self.mirror.locked():  # the remote stands there now; this saves fetching what we made ourselves
                look.repository.set_ref(records.REF, commit)
            self._read({**look.refs, records.REF: commit})
        return won

    def _arrived(self, commit: Revision) -> bool:
        """Whether a push whose answer was lost did happen after all."""
        self.mirror.stir()
        with contextlib.suppress(ReconcilerError), self.looking():
            return commit in self._log.positions
        return False

    def _place(self, written: list[Revision]) -> int:
        """The place of one of these commits in the log, 0 where none is. Raises Refused where it does not count."""
        place = next((self._log.positions[one] for one in reversed(written) if one in self._log.positions), 0)
        reason = next((one.reason for one in self._fold.ignored if one.position == place), "") if place else ""
        if reason:
            raise Refused(f"recording in {records.REF}: it does not count: {reason}", key="resource_conflict")
        return place

    def _anchor(self, repository: BareRepository, tip: Revision | None) -> None:
        before = repository.ref(records.ANCHOR)
        if tip is None or tip == before:
            return
        with self.mirror.locked():
            if repository.ref(records.ANCHOR) == before:
                repository.set_ref(records.ANCHOR, tip)
