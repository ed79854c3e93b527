"""What people order beside approving: hold, resume, retry, return now; and decisions on what is held (G18, G21-G23).

An order is a signed decision that arrived under refs/reconciler/decisions/. Who the key is and what that person may
is judged under the policy in force; an order that is not allowed changes nothing and is recorded once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.app.decisions import Arrived, arrived
from reconciler.app.journal import Journal, Note
from reconciler.app.judging import Judge, Wish
from reconciler.app.planning import Planner
from reconciler.app.reverts import Reverts
from reconciler.approval.clocks import CLOCK_SKEW
from reconciler.approval.decision import CommitSubject, PullSubject, UnitSubject, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.errors import ReconcilerError
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Decided, Denied, Entry, Hold, Passed
from reconciler.names import Revision, UnitKind, ticket_name
from reconciler.ports import Clock
from reconciler.state.event import Domain, EventStatus, Severity, Source

ABOUT_TICKETS = frozenset({Verb.APPROVE, Verb.REJECT, Verb.EMERGENCY})
ACTIONS = {
    Verb.HOLD: ("approval", "ticket_commented"),
    Verb.RESUME: ("approval", "ticket_commented"),
    Verb.RETRY: ("release", "apply_requested"),
    Verb.ROLLBACK: ("release", "rollback_requested"),
}


OLDEST = timedelta(hours=24)  # an order names no plan, so one that comes days late is about another state of things

Guard = Callable[[str, Callable[[], object]], None]  # of the loop: what fails is told and stops nothing else


def unguarded(_what: str, work: Callable[[], object]) -> None:
    """What fails is raised."""
    work()


@dataclass(slots=True)
class Orders:
    """Takes orders in, one look at a time."""

    mirror: Mirror
    journal: Journal
    planner: Planner
    reverts: Reverts
    clock: Clock
    repository: str
    _passed_over: set[str] = field(default_factory=set)
    _settled: set[Revision] = field(default_factory=set)

    @property
    def _judge(self) -> Judge:
        return Judge(self.journal.ledger, self.journal.file, self.planner.desires, self.clock)

    def judged(self, wish: Wish, policy: Policy) -> Denial | Entry:
        """What an order becomes: an entry to record, or why it is not allowed."""
        return self._judge.judged(wish, policy)

    def take_in(self, tip: Revision, guard: Guard = unguarded, *, landed: bool = True) -> None:
        """Act on every decision that arrived since the last look; one that fails keeps no other from being heard.

        `landed`: everything up to the tip is recorded as landed. Until then decisions on tickets wait: what they
        approve may have been merged before they were signed, and the order of our records tells (G13).
        """
        ledger = self.journal.ledger
        known = {one.decision for decided in ledger.decisions.values() for one in decided} | self._passed_over
        for one in arrived(self.mirror, frozenset(known), self._settled):
            if one.decision.verb in ABOUT_TICKETS and not landed:
                continue
            guard(f"order to {one.decision.verb}", lambda o=one: self._take(o, tip))  # type: ignore[misc]

    def take_in_holds(self, tip: Revision, guard: Guard) -> None:
        """What stops something is heard also while the audit branch is away; everything else waits for it (G24)."""
        known = {one.decision for decided in self.journal.ledger.decisions.values() for one in decided}
        for one in arrived(self.mirror, frozenset(known | self._passed_over), self._settled):
            if one.decision.verb is Verb.HOLD:
                guard(f"order to {one.decision.verb}", lambda o=one: self._take(o, tip))  # type: ignore[misc]

    def _take(self, one: Arrived, tip: Revision) -> None:
        policy = self.planner.policy()
        person = policy.persons.by_key(one.signer)
        ours = one.decision.repository == self.repository and one.decision.verb is not Verb.TRUST
        if not ours or (person is None and not policy.is_root(one.signer)):
            self._passed_over.add(one.text)  # of nobody we know, or about something else: not even recorded
        elif one.decision.verb in ABOUT_TICKETS:
            self._decided(one, person, root=policy.is_root(one.signer))
        else:
            self._order(one, person, policy, tip)

    def _decided(self, one: Arrived, person: Person | None, *, root: bool) -> None:
        ticket = self._ticket(one)
        if ticket not in self.journal.ledger.previews:
            return
        who = person.name if person is not None else "root" if root else "unknown"
        detail = {"ticket": ticket, "reviewed_by": who, "comment": f"{one.decision.verb}: {one.decision.reason}"}
        self._record(one, who, ticket, Domain.APPROVAL, "ticket_commented", detail, self._kept(one, ticket))

    def _ticket(self, one: Arrived) -> str:
        """Whose ticket it is, by what was signed: whoever copies a decision under another ticket's name moves nothing.

        Only of a policy, which its digests name wholly, the file beside it says the ticket.
        """
        match one.decision.subject:
            case PullSubject(number=number):
                return ticket_name(number)
            case CommitSubject(commit=commit) if commit in self.journal.ledger.landed:
                return self.journal.ledger.landed[commit].ticket
            case _:
                return one.ticket

    def _order(self, one: Arrived, person: Person | None, policy: Policy, tip: Revision) -> None:
        subject = one.decision.subject
        assert isinstance(subject, UnitSubject)  # noqa: S101  a decision with another subject cannot be read
        outcome = self._late(one) or self.judged(
            Wish(one.decision.verb, subject.unit, person, one.decision.reason), policy
        )
        who = person.name if person is not None else "root"
        if isinstance(outcome, Denial):
            self._denied(one, who, subject.unit, outcome)
            return
        rollout = self._judge.rollout(subject.unit)
        domain, action = ACTIONS[one.decision.verb]
        kind, _, name = subject.unit.partition("/")
        detail = {
            "release_id": name if kind == UnitKind.RELEASE else "",
            "ticket": subject.unit,
            "comment": f"{one.decision.verb} {subject.unit}: {one.decision.reason}",
            "summary": one.decision.reason,
            "env": rollout.passed.environment if rollout is not None else "",
            "approval_ticket": rollout.passed.ticket if rollout is not None else "",
        }
        unproposed: tuple[Note, ...] = ()
        if one.decision.verb is Verb.ROLLBACK and rollout is not None:
            # before the order counts as taken in: after a crash in between it is proposed again, which opens no second
            words = f"{who} rolled {subject.unit} back: {one.decision.reason}"
            unproposed = self._propose_revert(rollout.passed, tip, words)
        self._record(one, who, subject.unit, Domain(domain), action, detail, outcome)
        self.journal.record(unproposed)

    def _late(self, one: Arrived) -> Denial | None:
        now = self.clock.now()
        if now - OLDEST <= one.decision.at <= now + CLOCK_SKEW:
            return None
        signed = f"{one.decision.at:%Y-%m-%d %H:%M} UTC"
        words = f"the order was signed at {signed}, which is {'to come' if one.decision.at > now else 'over a day ago'}"
        return Denial(
            "release_state_invalid", words, "order it anew; if it says so again, set the clock of that machine"
        )

    def _propose_revert(self, passed: Passed, tip: Revision, reason: str) -> tuple[Note, ...]:
        """Open the revert pull request of a return; what is to be told where that did not work."""
        landed = self.journal.ledger.landed.get(passed.commit)
        if landed is None or landed.before == landed.commit:
            return ()
        try:
            self.reverts.propose(before=landed.before, landed=landed.commit, tip=tip, reason=reason)
        except ReconcilerError as error:
            detail = {"approval_ticket": passed.ticket, "error_key": error.key, "summary": error.message}
            note = Note(Domain.RELEASE, "rollback_requested", "commit", passed.commit, detail=detail,
                        status=EventStatus.WARNING)  # fmt: skip
            return (note,)
        return ()

    def _denied(self, one: Arrived, who: str, unit: str, denial: Denial) -> None:
        kind, _, name = unit.partition("/")
        detail = {
            "release_id": name if kind == UnitKind.RELEASE else "",
            "ticket": unit,
            "reviewed_by": who,
            "comment": "; ".join(filter(None, (f"{one.decision.verb}: {denial.message}", denial.hint))),
            "error_key": denial.key,
        }
        entry = Denied(ticket=unit, subject=one.text[:64])
        self._record(one, who, unit, Domain.APPROVAL, "permission_denied", detail, entry)

    def _kept(self, one: Arrived, ticket: str) -> Decided:
        at = min(one.decision.at, self.clock.now())  # dated ahead, it would begin to count when nobody thinks of it
        return Decided(ticket=ticket, decision=one.text, signature=one.signature, signer=one.signer, at=at)

    def _record(
        self, one: Arrived, who: str, resource: str, domain: Domain, action: str, detail: dict[str, str], entry: Entry
    ) -> None:
        status = EventStatus.FAILED if action == "permission_denied" else EventStatus.SUCCESS
        note = Note(
            domain,
            action,
            "approval_ticket",
            resource,
            actor=who,
            source=Source.API_DIRECT,
            status=status,
            severity=Severity.MEDIUM,
            detail=detail,
            entry=entry,
        )
        taken = [] if isinstance(entry, Decided) else [*self._taken(one, resource)]
        # what a person reads last is what became of it
        notes = [*taken, note] if isinstance(entry, Denied) else [note, *taken]
        # another reconciler may have taken it: an order is carried out once, and a hold holds however often it is said
        self.journal.record(notes, guarded=True, keep=isinstance(entry, Hold))

    def _taken(self, one: Arrived, resource: str) -> Iterator[Note]:
        """Remember the order's text, so that it is carried out once."""
        yield Note(
            Domain.APPROVAL,
            "ticket_commented",
            "approval_ticket",
            resource,
            detail={"ticket": resource, "comment": "order taken in"},
            entry=self._kept(one, resource),
        )
