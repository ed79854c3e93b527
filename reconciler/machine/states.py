"""What the ledger keeps of each thing that it folds: units, previews, rollouts, what waits and what is open."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.machine.entry import (
    Accepted,
    BackStep,
    Finished,
    Landed,
    Passed,
    PlanBrief,
    Previewed,
    Promoting,
    Returning,
)
from reconciler.names import Digest, EventId, Revision

NO_CHANGE = "no_change"
EARLIER = 100  # successes that are looked through for the version before this one
EVERY = 10**9  # batches: all of them, however many
FAR: Mapping[str, int] = {"applied": EVERY, "rolled_back": -1}  # how far a version came that ended so
SUCCESSES = frozenset({"applied", NO_CHANGE})
WENT_BACK = frozenset({"rolled_back", "rollback_failed"})  # wholly, or in part


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit's last accepted revision and how its actions ended.

    `successful` is what last ended well, or what a return that was begun since goes back to: also one that failed, for
    whatever goes back after it goes there too. `previous` ended well before it: where a return on order goes back to.
    """

    accepted: Accepted
    environment: str
    generation: int
    outcome: str  # empty while its rollout runs
    successful: Accepted | None
    previous: Accepted | None = None
    earlier: tuple[Accepted, ...] = ()  # what ended well before `previous`, newest first

    def ended(self, accepted: Accepted, outcome: str, went_back: Mapping[str, Accepted] | None) -> "UnitState":
        """After its rollout ended so. `went_back`: what the units went back to, None where nothing was to go back."""
        if accepted.suspended:  # what ended well before is still what runs, and what a return goes back to
            return replace(self, outcome=NO_CHANGE)
        if went_back is not None and accepted.unit not in went_back:
            # it had ended, and the return was of another unit of the plan; or there was nothing to go back to
            return self if self.outcome else replace(self, outcome="failed")
        if outcome in SUCCESSES:
            if self.successful == accepted:
                return replace(self, outcome=outcome)
            older = (self.previous, *self.earlier) if self.previous is not None else ()
            moved = replace(self, previous=self.successful, earlier=older[:EARLIER])
            return replace(moved, successful=accepted, outcome=outcome)
        if outcome in WENT_BACK and went_back is not None:
            return replace(self, successful=went_back[accepted.unit], outcome=outcome)
        return replace(self, outcome=outcome)


def running_again(
    units: Mapping[str, UnitState], generation: int, accepted: Iterable[Accepted]
) -> dict[str, UnitState]:
    """Units of a rollout that had ended and is carried out again, or goes back; none that a newer plan took over."""
    mine = {one.unit: units[one.unit] for one in accepted if units[one.unit].generation == generation}
    return {unit: replace(state, outcome="") for unit, state in mine.items()}


def gone_back_to(passed: Passed, units: Mapping[str, UnitState]) -> tuple[Accepted, ...]:
    """What the units of a rollout that failed go back to, where something else ended well before it."""
    found = [(mine, units[mine.unit].successful) for mine in passed.units if not mine.suspended]
    # what ended well already, and was only tried again beside what did not, is where it leads
    return tuple(one for mine, one in found if one is not None and one != mine)


@dataclass(frozen=True, slots=True)
class Standing:
    """How long one environment's plan has stood unchanged in its ticket's previews (G10, G13).

    `postings`: (event, ticket digest) of every preview that showed exactly this plan, oldest first.
    """

    digest: Digest
    posted_at: datetime
    changed_at: datetime | None
    postings: tuple[tuple[EventId, Digest], ...]


@dataclass(frozen=True, slots=True)
class PreviewState:
    """The current preview of a ticket.

    `posted_at` is when this digest first stood; `changed_at` when it replaced another.
    """

    previewed: Previewed
    event: EventId
    posted_at: datetime
    changed_at: datetime | None
    looked_at: datetime | None
    inputs: tuple[Revision, Revision]
    standing: Mapping[str, "Standing"]
    ended: str = ""

    def brief(self, environment: str) -> PlanBrief | None:
        """The plan of one environment in it."""
        return next((plan for plan in self.previewed.plans if plan.environment == environment), None)


@dataclass(frozen=True, slots=True)
class PromotionState:
    """A promotion that a tag made the reconciler propose. `number` None: its pull request may not be open yet."""

    promoting: Promoting
    number: int | None = None


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A rollout as recorded.

    `event` is the last recorded intent and `turn` counts them: of two workers on one rollout, the one with the lower
    turn stood still. `batch` is the last batch that was begun (-1: none), `done` the last finished one (-1: none).
    """

    passed: Passed
    event: EventId
    started_at: datetime
    batch: int = -1
    done: int = -1
    returning: Returning | None = None
    finished: Finished | None = None
    turn: int = 0
    returns: int = 0  # returns that were recorded: each runs what it runs once for itself
    begun: frozenset[tuple[str, int]] = frozenset()  # steps of the way back that were begun: unit and number
    walked: frozenset[tuple[str, int]] = frozenset()  # and those of them that are done
    again: bool = False  # what was stopped was to be given back: what goes on is a turn of its own
    ends: Mapping[str, str] = field(default_factory=dict)  # how it ended last, by unit
    owing: frozenset[str] = frozenset()  # units of which a return failed after one of its steps was begun
    far: Mapping[str, int] = field(default_factory=dict)  # by unit, see `furthest`
    batch_at: datetime | None = None  # when the last intent was recorded: what a pause is measured from
    batches_at: Mapping[int, datetime] = field(default_factory=dict)  # when each batch was first recorded
    steps_at: Mapping[tuple[str, int], datetime] = field(default_factory=dict)  # and each step that was begun

    def furthest(self, unit: str) -> int:
        """The last batch that any attempt finished since what ran before of a unit stood; -1: none."""
        return self.far.get(unit, -1)

    def intended(self, batch: int, at: datetime) -> "RolloutState":
        """After the intent of a batch."""
        return replace(self, batch=batch, batch_at=at, again=False, batches_at={batch: at, **self.batches_at})

    def finishing(self, batch: int) -> "RolloutState":
        """After a batch was applied and is ready."""
        far = {one.unit: max(self.furthest(one.unit), batch) for one in self.passed.units}
        return replace(self, done=batch, far=far)

    def stepped(self, entry: BackStep, at: datetime) -> "RolloutState":
        """After a step of its way back was begun, or done; or (0) what was stopped is given back."""
        if not entry.number:
            return replace(self, again=True)
        step = {(entry.unit, entry.number)}
        times = {(entry.unit, entry.number): at, **self.steps_at}
        walked = self.walked | step if entry.done else self.walked
        return replace(self, again=False, begun=self.begun | step, walked=walked, steps_at=times)

    def ended(self, entry: Finished) -> "RolloutState":
        """After it ended so. A return says nothing of units that it was not about."""
        mine = self.passed.units if self.returning is None else self.returning.to
        ended = {one.unit: entry.outcome_of(one.unit) for one in mine}
        ends = {**{one.unit: "failed" for one in self.passed.units}, **self.ends, **ended}
        far = {unit: FAR.get(end, self.furthest(unit)) for unit, end in ended.items()}
        owing = self.owing | {unit for unit, _ in self.begun}
        owing -= {unit for unit, end in ended.items() if end in FAR}
        return replace(self, finished=entry, ends=ends, owing=owing, far={**self.far, **far})


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something on the tracked branch that the gate has still to let pass, by environment."""

    landed: Landed
    event: EventId
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenGlass:
    """An emergency approval that no second person has looked at (G23)."""

    passed: Passed
    at: datetime
    notified: bool = False


def standings(before: PreviewState | None, event: EventId, at: datetime, entry: Previewed) -> dict[str, Standing]:
    """How long each environment's plan of a new preview has stood."""
    standing: dict[str, Standing] = {}
    for plan in entry.plans:
        earlier = before.standing.get(plan.environment) if before is not None else None
        posting = (event, entry.digest)
        if earlier is not None and earlier.digest == plan.digest:
            standing[plan.environment] = replace(earlier, postings=(*earlier.postings, posting))
        else:
            # also where the ticket stood without this plan: whoever read it then read something else
            replaced = at if before is not None else None
            standing[plan.environment] = Standing(plan.digest, at, replaced, (posting,))
    return standing
