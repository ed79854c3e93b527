"""What an order becomes, by what the records say: an entry, or why it is not allowed (G18, G21-G23).

Asked by the reconciler when it takes an order in, and by a person's own machine before it is signed: both judge by the
same words. Rule: nothing is asked of a target, and nothing is written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from reconciler.app.desire import Desires
from reconciler.approval import acts
from reconciler.approval.acts import Act
from reconciler.approval.decision import Verb
from reconciler.approval.denial import Denial
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.approval.roles import Permission, Scope
from reconciler.machine.entry import Entry, Hold, Resume, Retry, Returning
from reconciler.machine.ledger import SUCCESSES, Ledger, RolloutState, UnitState
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Plan, Ungranted
from reconciler.ports import Clock

UNGRANTED = {
    Ungranted.IRREVERSIBLE: "a step of its way back cannot be undone",
    Ungranted.GOES_BACK: "its last change was itself a way back",
    Ungranted.OLDER: "its last change led to an older version, whose steps lead further back",
}
HINTS = {
    Ungranted.IRREVERSIBLE: "",  # the revert pull request: its preview shows the steps
    Ungranted.GOES_BACK: "merge a change to the version that is wanted; its preview says how it is reached",
    Ungranted.OLDER: "merge a change to the version that is wanted; its preview says how it is reached",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what done about which unit."""

    verb: Verb
    unit: str
    person: Person | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges orders. `file`: what lies at a path of the audit branch."""

    ledger: Ledger
    file: Callable[[str], bytes]
    desires: Desires
    clock: Clock

    def judged(self, wish: Wish, policy: Policy) -> Denial | Entry:
        """What an order becomes: an entry to record, or why it is not allowed."""
        act = Act(wish.person, self._scopes(wish.unit), frozenset({Permission.RELEASE_APPLY}))
        denial = acts.person_may(act, policy)
        if denial is not None:
            return denial
        by = wish.person.name if wish.person is not None else ""
        rollout = self.rollout(wish.unit)
        match wish.verb:
            case Verb.HOLD:
                return Hold(subject=wish.unit, by=by, until=acts.hold_ends(self.clock.now()))
            case Verb.RESUME:
                return Resume(subject=wish.unit, by=by)
            case Verb.RETRY if wish.unit in self.ledger.drifts.fought:
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
        units = self.ledger.units
        if any(units[accepted.unit].generation != passed.generation for accepted in passed.units):
            words = "a newer plan took over a part of it: an older one is not tried again after it"
            return Denial("release_state_invalid", words, "open a pull request")
        planned = Plan.model_validate_json(self.file(passed.path)).digest  # what would be carried out
        denial = acts.retry(act, policy, approved=passed.digest, planned=planned, used=passed.retries)
        by = act.person.name if act.person is not None else ""
        return denial or Retry(environment=passed.environment, generation=passed.generation, by=by)

    def _return(self, rollout: RolloutState | None, wish: Wish, policy: Policy) -> Denial | Entry:
        unit = wish.unit
        state = self.ledger.units.get(unit)
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
        approved = self.ledger.approved(rollout)  # a heal grants no return and uses none up (G21)
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
        plan = Plan.model_validate_json(self.file(approved.passed.path))
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

    def rollout(self, unit: str) -> RolloutState | None:
        """The last rollout of a unit, or of an environment that is named whole."""
        state = self.ledger.units.get(unit)
        if state is None or not state.generation:
            return None
        return self.ledger.rollouts.get((state.environment, state.generation))

    def _scopes(self, unit: str) -> tuple[Scope, ...]:
        state = self.ledger.units.get(unit)
        known = state.accepted if state is not None else None
        if state is not None and state.accepted.removed and state.outcome not in SUCCESSES:
            known = state.successful  # its removal has not ended well: it is where it was, and may be tried again
        if known is None or known.removed:
            return ()
        desired = self.desires.at(known.revision).desired
        scope = desired.scope_of(UnitRef.parse(unit))
        return (Scope(scope.project, scope.team, scope.environment),)
