"""What the audit branch says, folded: accepted units, open previews, rollouts, holds. A read model, never a source.

It is rebuilt from entries in order and can be thrown away at any time. Absorbing an entry that does not fit (a rollout
that was never recorded) is a defect of the writer and raises; entries are never skipped silently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.machine.drifting import Drifted, DriftOver, Drifts
from reconciler.machine.entry import (
    Answered,
    Applying,
    Assigned,
    BackStep,
    BatchDone,
    Connected,
    Continued,
    Decided,
    Denied,
    Ended,
    Entry,
    Finished,
    Hold,
    Judged,
    Landed,
    Notified,
    Over,
    Passed,
    Placed,
    Previewed,
    Promoted,
    Promoting,
    Refusal,
    Renewed,
    Resume,
    Retry,
    Returning,
    SecondLook,
    Sighted,
    Stopped,
    TagTold,
    Trusted,
)
from reconciler.machine.pinning import PinBook
from reconciler.machine.states import (
    SUCCESSES,
    OpenGlass,
    PreviewState,
    PromotionState,
    RolloutState,
    UnitState,
    Waiting,
    running_again,
    standings,
)
from reconciler.names import POLICY, Digest, EventId, Revision
from reconciler.plan.change import Value

_STEPS: Mapping[str, Any] = {"begun": frozenset(), "walked": frozenset(), "again": False, "steps_at": {}}
AFRESH: Mapping[str, Any] = {"batch": -1, "done": -1, "batches_at": {}, **_STEPS}


@dataclass(slots=True)
class Ledger:
    """The fold. Mutable on purpose: a branch of 10,000 events is absorbed once, entry by entry."""

    trusted: Revision | None = None
    looked: Revision | None = None
    units: dict[str, UnitState] = field(default_factory=dict)
    previews: dict[str, PreviewState] = field(default_factory=dict)
    rollouts: dict[tuple[str, int], RolloutState] = field(default_factory=dict)
    landed: dict[Revision, Landed] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)  # by ticket
    holds: dict[str, Hold] = field(default_factory=dict)
    decisions: dict[str, tuple[Decided, ...]] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)  # texts of decisions that were first seen when their ticket had landed
    policies: list[tuple[datetime, Revision]] = field(default_factory=list)  # accepted policies, oldest first
    clusters: dict[str, str] = field(default_factory=dict)  # recorded identity by name
    sighted: frozenset[str] = frozenset()
    assigned: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by ticket
    judged: dict[str, Judged] = field(default_factory=dict)  # the last verdict of each ticket
    told: set[tuple[str, str]] = field(default_factory=set)  # (ticket, comment or review) denied or answered already
    emergencies: dict[tuple[str, str], OpenGlass] = field(default_factory=dict)  # by ticket and environment
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)  # by ticket and environment
    promotions: dict[tuple[str, str], PromotionState] = field(default_factory=dict)  # by environment and tag
    tags_told: set[TagTold] = field(default_factory=set)
    drifts: Drifts = field(default_factory=Drifts)
    pins: PinBook = field(default_factory=PinBook)
    stopped: Stopped | None = None
    last_event: EventId | None = None

    def absorb(self, placed: Placed) -> None:
        """Fold one entry in."""
        _FOLDS[type(placed.entry)](self, placed, placed.entry)
        self.last_event = placed.event

    def generation(self, environment: str) -> int:
        """The last generation given out for an environment; 0: none yet."""
        return max((number for name, number in self.rollouts if name == environment), default=0)

    def running(self) -> tuple[RolloutState, ...]:
        """Rollouts that have not ended, oldest first: in the order in which they were absorbed."""
        return tuple(rollout for rollout in self.rollouts.values() if rollout.finished is None)

    def approved(self, rollout: RolloutState) -> RolloutState:
        """The rollout of the approved plan whose artifact a rollout puts back; itself where it is no heal."""
        passed = rollout.passed
        return self.rollouts[passed.environment, passed.heals] if passed.heals else rollout

    def needs_plan(self, unit: str, artifact: Digest | None) -> bool:
        """Whether a unit differs from its accepted revision or its last plan did not end in success (G7).

        `artifact` is None for a unit that is no longer desired.
        """
        known = self.units.get(unit)
        if known is None or known.accepted.removed:
            return artifact is not None or (known is not None and known.outcome not in SUCCESSES)
        return artifact != known.accepted.artifact or known.outcome not in SUCCESSES

    def accepted(self) -> Mapping[str, UnitState]:
        """Units that exist by the accepted state, including those whose removal did not end well."""
        return {
            unit: state
            for unit, state in self.units.items()
            if not (state.accepted.removed and state.outcome in SUCCESSES)
        }


def _trusted(ledger: Ledger, placed: Placed, entry: Trusted) -> None:
    ledger.trusted = entry.commit
    ledger.policies.append((placed.at, entry.commit))
    for accepted in entry.units:
        ledger.units[accepted.unit] = UnitState(accepted, "", 0, "applied", accepted)


def _previewed(ledger: Ledger, placed: Placed, entry: Previewed) -> None:
    before = ledger.previews.get(entry.ticket)
    same = before is not None and before.previewed.digest == entry.digest
    changed = placed.at if before is not None and not same else before.changed_at if before is not None else None
    ledger.previews[entry.ticket] = PreviewState(
        previewed=entry,
        event=placed.event,
        posted_at=before.posted_at if before is not None and same else placed.at,
        changed_at=changed,
        looked_at=entry.looked_at,
        inputs=(entry.tip, entry.head),
        standing=standings(before, placed.event, placed.at, entry),
    )


def _renewed(ledger: Ledger, _placed: Placed, entry: Renewed) -> None:
    before = ledger.previews[entry.ticket]
    ledger.previews[entry.ticket] = replace(before, looked_at=entry.looked_at, inputs=(entry.tip, entry.head))


def _ended(ledger: Ledger, _placed: Placed, entry: Ended) -> None:
    if entry.ticket in ledger.previews:
        ledger.previews[entry.ticket] = replace(ledger.previews[entry.ticket], ended=entry.how)
    ledger.waiting.pop(entry.ticket, None)


def _landed(ledger: Ledger, placed: Placed, entry: Landed) -> None:
    ledger.looked = entry.commit
    ledger.landed[entry.commit] = entry
    if entry.environments:
        ledger.waiting[entry.ticket] = Waiting(entry, placed.event, placed.at)


def _passed(ledger: Ledger, placed: Placed, entry: Passed) -> None:
    for accepted in entry.units:
        before = ledger.units.get(accepted.unit)
        ledger.units[accepted.unit] = UnitState(
            accepted,
            entry.environment,
            entry.generation,
            "",
            before.successful if before else None,
            before.previous if before else None,
            before.earlier if before else (),
        )
        ledger.drifts.accept(accepted.unit, placed.at, heals=bool(entry.heals))
        ledger.pins.accept(accepted)
        if entry.environment == POLICY:
            ledger.policies.append((placed.at, entry.commit))
    ledger.rollouts[entry.environment, entry.generation] = RolloutState(entry, placed.event, placed.at)
    if entry.emergency:
        ledger.emergencies[entry.ticket, entry.environment] = OpenGlass(entry, placed.at)
    _leave(ledger, entry.ticket, entry.environment)


def _over(ledger: Ledger, _placed: Placed, entry: Over) -> None:
    _leave(ledger, entry.ticket, entry.environment)
    if entry.ticket not in ledger.waiting and entry.ticket in ledger.previews:
        ledger.previews[entry.ticket] = replace(ledger.previews[entry.ticket], ended=entry.why)


def _leave(ledger: Ledger, ticket: str, environment: str) -> None:
    """One environment's part of a landing waits no longer."""
    waiting = ledger.waiting.get(ticket)
    if waiting is None:
        return
    left = tuple(name for name in waiting.landed.environments if name != environment)
    if left:
        ledger.waiting[ticket] = replace(waiting, landed=waiting.landed.model_copy(update={"environments": left}))
    else:
        del ledger.waiting[ticket]


def _applying(ledger: Ledger, placed: Placed, entry: Applying) -> None:
    key = (entry.environment, entry.generation)
    ledger.rollouts[key] = _intended(ledger.rollouts[key].intended(entry.batch, placed.at), placed)


def _intended(rollout: RolloutState, placed: Placed, **changes: Any) -> RolloutState:
    """The rollout with one more intent of something on its targets."""
    return replace(rollout, event=placed.event, turn=rollout.turn + 1, **changes)


def _batch_done(ledger: Ledger, _placed: Placed, entry: BatchDone) -> None:
    key = (entry.environment, entry.generation)
    ledger.rollouts[key] = ledger.rollouts[key].finishing(entry.batch)


def _returning(ledger: Ledger, placed: Placed, entry: Returning) -> None:
    key = (entry.environment, entry.generation)
    afresh = {**AFRESH, "finished": None}
    rollout = ledger.rollouts[key]
    passed = ledger.approved(rollout).passed  # after a heal the approved plan goes back, carried by this generation
    afresh |= {"passed": passed.model_copy(update={"generation": entry.generation}), "returns": rollout.returns + 1}
    ledger.rollouts[key] = _intended(rollout, placed, returning=entry, **afresh)
    ledger.units |= running_again(ledger.units, entry.generation, entry.to)


def _back_step(ledger: Ledger, placed: Placed, entry: BackStep) -> None:
    """Each step is a turn of its own, so who stood still in one before it does nothing any more (G25)."""
    key = (entry.environment, entry.generation)
    rollout = ledger.rollouts[key].stepped(entry, placed.at)
    ledger.rollouts[key] = rollout if entry.done else _intended(rollout, placed, batch_at=placed.at)


def _finished(ledger: Ledger, _placed: Placed, entry: Finished) -> None:
    key = (entry.environment, entry.generation)
    rollout = ledger.rollouts[key].ended(entry)
    ledger.rollouts[key] = rollout
    went_back = {one.unit: one for one in rollout.returning.to} if rollout.returning is not None else None
    for accepted in rollout.passed.units:
        state = ledger.units[accepted.unit]
        if state.generation != entry.generation:
            continue  # a newer plan took the unit over
        ledger.units[accepted.unit] = state.ended(accepted, entry.outcome_of(accepted.unit), went_back)
        if rollout.passed.heals and entry.outcome in SUCCESSES:
            ledger.drifts.end(accepted.unit)


def _drifted(ledger: Ledger, placed: Placed, entry: Drifted) -> None:
    ledger.drifts.tell(entry, placed.at)


def _drift_over(ledger: Ledger, _placed: Placed, entry: DriftOver) -> None:
    ledger.drifts.end(entry.unit)


def _hold(ledger: Ledger, _placed: Placed, entry: Hold) -> None:
    ledger.holds[entry.subject] = entry


def _resume(ledger: Ledger, _placed: Placed, entry: Resume) -> None:
    ledger.holds.pop(entry.subject, None)
    inside = (unit for unit, state in ledger.units.items() if f"environment/{state.environment}" == entry.subject)
    ledger.drifts.act_on([entry.subject, *inside])


def _retry(ledger: Ledger, placed: Placed, entry: Retry) -> None:
    key = (entry.environment, entry.generation)
    rollout = ledger.rollouts[key]
    passed = rollout.passed.model_copy(update={"retries": rollout.passed.retries + 1})
    afresh = {**AFRESH, "returning": None, "finished": None}
    ledger.rollouts[key] = _intended(rollout, placed, passed=passed, **afresh)
    again = running_again(ledger.units, entry.generation, passed.units)
    ledger.units |= again
    ledger.drifts.act_on(again)


def _decided(ledger: Ledger, _placed: Placed, entry: Decided) -> None:
    ledger.decisions[entry.ticket] = (*ledger.decisions.get(entry.ticket, ()), entry)
    if any(landed.ticket == entry.ticket for landed in ledger.landed.values()):
        ledger.late.add(entry.decision)


def _judged(ledger: Ledger, _placed: Placed, entry: Judged) -> None:
    ledger.judged[entry.ticket] = entry


def _denied(ledger: Ledger, _placed: Placed, entry: Denied) -> None:
    ledger.told.add((entry.ticket, entry.subject))


def _answered(ledger: Ledger, _placed: Placed, entry: Answered) -> None:
    ledger.told.add((entry.ticket, entry.comment))


def _refusal(ledger: Ledger, _placed: Placed, entry: Refusal) -> None:
    ledger.refusals[entry.ticket, entry.environment] = entry


def _connected(ledger: Ledger, _placed: Placed, entry: Connected) -> None:
    ledger.clusters[entry.cluster] = entry.uid


def _sighted(ledger: Ledger, _placed: Placed, entry: Sighted) -> None:
    ledger.sighted |= frozenset(entry.addresses)


def _assigned(ledger: Ledger, _placed: Placed, entry: Assigned) -> None:
    ledger.assigned[entry.ticket] = entry.people


def _notified(ledger: Ledger, _placed: Placed, entry: Notified) -> None:
    place = (entry.ticket, entry.environment)
    if place in ledger.emergencies:
        ledger.emergencies[place] = replace(ledger.emergencies[place], notified=True)


def _second_look(ledger: Ledger, _placed: Placed, entry: SecondLook) -> None:
    ledger.emergencies.pop((entry.ticket, entry.environment), None)


def _promoting(ledger: Ledger, _placed: Placed, entry: Promoting) -> None:
    ledger.promotions[entry.environment, entry.tag] = PromotionState(entry)


def _promoted(ledger: Ledger, _placed: Placed, entry: Promoted) -> None:
    place = (entry.environment, entry.tag)
    ledger.promotions[place] = replace(ledger.promotions[place], number=entry.pull_request)


def _tag_told(ledger: Ledger, _placed: Placed, entry: TagTold) -> None:
    ledger.tags_told.add(entry)


def _stopped(ledger: Ledger, _placed: Placed, entry: Stopped) -> None:
    ledger.stopped = entry


def _continued(ledger: Ledger, _placed: Placed, _entry: Continued) -> None:
    ledger.stopped = None


_FOLDS: Mapping[type[Value], Callable[[Ledger, Placed, Any], None]] = {
    Trusted: _trusted,
    Previewed: _previewed,
    Renewed: _renewed,
    Ended: _ended,
    Landed: _landed,
    Passed: _passed,
    Over: _over,
    Applying: _applying,
    BatchDone: _batch_done,
    Returning: _returning,
    BackStep: _back_step,
    Finished: _finished,
    Hold: _hold,
    Resume: _resume,
    Retry: _retry,
    Drifted: _drifted,
    DriftOver: _drift_over,
    Decided: _decided,
    Judged: _judged,
    Denied: _denied,
    Answered: _answered,
    Refusal: _refusal,
    Connected: _connected,
    Sighted: _sighted,
    Assigned: _assigned,
    Notified: _notified,
    SecondLook: _second_look,
    Promoting: _promoting,
    Promoted: _promoted,
    TagTold: _tag_told,
    Stopped: _stopped,
    Continued: _continued,
}

__all__ = [
    "SUCCESSES",
    "Entry",
    "Ledger",
    "OpenGlass",
    "PreviewState",
    "PromotionState",
    "RolloutState",
    "UnitState",
    "Waiting",
]
