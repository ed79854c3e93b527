"""What people order beside approving: hold, resume, retry, return now; and decisions on what is held (G18, G21-G23).

An order is a signed decision that arrived under refs/reconciler/decisions/. Who the key is and what that person may
is judged under the policy in force; an order that is not allowed changes nothing and is recorded once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.app.decisions import Arrived, arrived
from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.app.reverts import Reverts
from reconciler.approval import acts
from reconciler.approval.acts import Act
from reconciler.approval.clocks import CLOCK_SKEW
from reconciler.approval.decision import CommitSubject, PullSubject, UnitSubject, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.approval.roles import Permission, Scope
from reconciler.errors import ReconcilerError
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Decided, Denied, Entry, Hold, Passed, Resume, Retry, Returning
from reconciler.machine.ledger import SUCCESSES, Ledger, RolloutState, UnitState
from reconciler.names import Revision, UnitKind, UnitRef, ticket_name
from reconciler.plan.change import Plan, Ungranted
from reconciler.ports import Clock
from reconciler.state.event import Domain, EventStatus, Severity, Source

ABOUT_TICKETS = frozenset({Verb.APPROVE, Verb.REJECT, Verb.EMERGENCY})
ACTIONS = {
    Verb.HOLD: ("approval", "ticket_commented"),
    Verb.RESUME: ("approval", "ticket_commented"),
    Verb.RETRY: ("release", "apply_requested"),
    Verb.ROLLBACK: ("release", "rollback_requested"),
}


UNGRANTED = {
    Ungranted.IRREVERSIBLE: "a step of its way back cannot be undone",
    Ungranted.GOES_BACK: "its last change was itself a way back",
    Ungranted.OLDER: "its last change led to an older version, whose steps lead further back",
}
HINTS = {
    Ungranted.IRREVERSIBLE: "",  # the revert pull request: its preview shows the steps
    Ungranted.GOES_BACK: "merge a change to the version that is wanted; its preview says how it is reached",
}
OLDEST = timedelta(hours=24)  # an order names no plan, so one that comes days late is about another state of things

Guard = Callable[[str, Callable[[], object]], None]  # of the loop: what fails is told and stops nothing else


def unguarded(_what: str, work: Callable[[], object]) -> None:
    """What fails is raised."""
    work()


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what done about which unit."""

    verb: Verb
    unit: str
    person: Person | None
    reason: str = ""


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
        rollout = self._rollout(subject.unit)
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

    def judged(self, wish: Wish, policy: Policy) -> Denial | Entry:
        """What an order becomes: an entry to record, or why it is not allowed."""
        act = Act(wish.person, self._scopes(wish.unit), frozenset({Permission.RELEASE_APPLY}))
        denial = acts.person_may(act, policy)
        if denial is not None:
            return denial
        by = wish.person.name if wish.person is not None else ""
        rollout = self._rollout(wish.unit)
        match wish.verb:
            case Verb.HOLD:
                return Hold(subject=wish.unit, by=by, until=acts.hold_ends(self.clock.now()))
            case Verb.RESUME:
                return Resume(subject=wish.unit, by=by)
            case Verb.RETRY if wish.unit in self.journal.ledger.drifts.fought:
                return Resume(subject=wish.unit, by=by)  # its last plan ended well: healing is what goes on
            case Verb.RETRY:
                return self._retry(rollout, act, policy)
            case Verb.ROLLBACK:
                return self._return(rollout, wish, policy)
            case _:
                return Denial("release_state_invalid", f"{wish.verb} is not an order about a unit")

    def _retry(self, rollout: RolloutState | None, act: Act, policy: Policy) -> Denial | Entry:
        if rollout is None or rollout.finished is None or rollout.finished.outcome in SUCCESSES:
            return Denial("release_state_invalid", "there is no failed or rolled-back rollout to try again")
        passed = rollout.passed
        units = self.journal.ledger.units
        if any(units[accepted.unit].generation != passed.generation for accepted in passed.units):
            words = "a newer plan took over a part of it: an older one is not tried again after it"
            return Denial("release_state_invalid", words, "open a pull request")
        planned = Plan.model_validate_json(self.journal.file(passed.path)).digest  # what would be carried out
        denial = acts.retry(act, policy, approved=passed.digest, planned=planned, used=passed.retries)
        by = act.person.name if act.person is not None else ""
        return denial or Retry(environment=passed.environment, generation=passed.generation, by=by)

    def _return(self, rollout: RolloutState | None, wish: Wish, policy: Policy) -> Denial | Entry:
        unit = wish.unit
        state = self.journal.ledger.units.get(unit)
        if UnitRef.parse(unit).kind is not UnitKind.RELEASE:
            return Denial(
                "release_state_invalid", f"{unit} is no release: only releases go back", "open a revert pull request"
            )
        if rollout is None or state is None:
            return Denial(
                "release_state_invalid", f"{unit} was never applied by a plan", "there is nothing to go back to"
            )
        name = UnitRef.parse(unit).name
        if rollout.finished is None and rollout.returning is not None:
            by = f", as {rollout.returning.ordered_by} ordered" if rollout.returning.ordered_by else ""
            words = f"{unit} is on its way back already{by}: this order does nothing"
            return Denial("release_state_invalid", words, f"`reconciler timeline --release {name}` tells how far it is")
        if rollout.finished is None and rollout.batch < 0:
            words = f"the plan of {unit} has done nothing yet that could go back"
            return Denial("release_state_invalid", words, f"`reconciler hold {name}` keeps it from beginning")
        if state.accepted.suspended:
            words = f"{unit} is suspended: its last plan changed nothing that could go back"
            return Denial("release_state_invalid", words, "merge a change that takes `suspend` away first")
        if rollout.finished is None and len(rollout.passed.units) > 1:
            words = f"the rollout of {unit} is not at its end, and others are in it"
            return Denial("release_state_invalid", words, f"`reconciler hold {name}`, or order it again when it ended")
        approved = self.journal.ledger.approved(rollout)  # a heal grants no return and uses none up (G21)
        succeeded = state.outcome in SUCCESSES or approved is not rollout
        target = state.previous if succeeded else state.successful
        if target is None:
            words = f"no version of {unit} ended well before the one that stands"
            return Denial("release_state_invalid", words, "merge a change to the version that is wanted")
        denial = self._ungranted(unit, state, approved, policy)
        if denial is not None:
            return denial
        return Returning(
            environment=rollout.passed.environment,
            generation=rollout.passed.generation,
            path=approved.passed.path,
            batches=approved.passed.batches,
            to=(target,),
            reason=wish.reason or "ordered",
            ordered_by=wish.person.name if wish.person is not None else "",
        )

    def _ungranted(self, unit: str, state: UnitState, approved: RolloutState, policy: Policy) -> Denial | None:
        """Why its approval grants no return, or none any more (G21)."""
        if state.outcome == "rolled_back":
            words = f"{unit} went back already, and an approval grants one return"
            return Denial(
                "approval_required", words, "to go further back, merge a change to the version that is wanted"
            )
        revert = f"`reconciler rollback {UnitRef.parse(unit).name}` without --now opens the revert pull request"
        plan = Plan.model_validate_json(self.journal.file(approved.passed.path))
        why = next((one.ungranted for one in plan.units if one.unit == unit), None)
        if why is not None:
            return Denial(
                "approval_required", f"no return of {unit} is granted: {UNGRANTED[why]}", HINTS[why] or revert
            )
        longest = policy.settings.rollback_grant
        if not approved.passed.return_granted or longest <= timedelta():
            words = f"the approval of the last plan of {unit} granted no return"
            return Denial("approval_required", words, revert)
        ended = approved.started_at + longest
        if self.clock.now() >= ended:
            words = f"the return of {unit} was granted until {ended:%Y-%m-%d %H:%M} UTC"
            return Denial("approval_required", words, revert)
        return None

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

    def _rollout(self, unit: str) -> RolloutState | None:
        """The last rollout of a unit, or of an environment that is named whole."""
        ledger: Ledger = self.journal.ledger
        state = ledger.units.get(unit)
        if state is None or not state.generation:
            return None
        return ledger.rollouts.get((state.environment, state.generation))

    def _scopes(self, unit: str) -> tuple[Scope, ...]:
        state = self.journal.ledger.units.get(unit)
        known = state.accepted if state is not None else None
        if state is not None and state.accepted.removed and state.outcome not in SUCCESSES:
            known = state.successful  # its removal has not ended well: it is where it was, and may be tried again
        if known is None or known.removed:
            return ()
        desired = self.planner.desires.at(known.revision).desired
        scope = desired.scope_of(UnitRef.parse(unit))
        return (Scope(scope.project, scope.team, scope.environment),)

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
        notes = [note, *(() if isinstance(entry, Decided) else self._taken(one, resource))]
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
