"""Releases whose traffic a way back stopped, as the records say: on its way, or left so where that failed (G23).

Rule: records alone are asked, for the reconciler may be stopped and the cluster away. So what was left stopped stands
until a plan of the release ended well, went back, or says that it gave the traffic back; who gave the pods by hand
meanwhile is told by a look (`explain-drift`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.app.traffic import ASKED, GAVE, MAY_BE_STOPPED, STOPPED_NOW, Away, away_back, away_by_unit
from reconciler.machine.entry import BackStep, Finished, Returning
from reconciler.machine.ledger import Ledger
from reconciler.machine.states import SUCCESSES, RolloutState
from reconciler.names import SHORT
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.specs.kinds.release import RollbackAction
from reconciler.state.event import Event

Place = tuple[str, int]  # environment and generation
WELL = frozenset({*SUCCESSES, "rolled_back"})
GIVE = "give its pods back: by hand, as many as its annotation opspilot.spec/stopped says, or merge any change of it"
LET_BE = "give it no pods by hand: it goes on by itself when what it waits for is there"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A release without traffic. `event` is the last record of its rollout; `left`: nothing goes on by itself."""

    unit: str
    since: datetime
    event: Event
    words: str
    left: bool

    @property
    def loud(self) -> str:
        """The same, short."""
        away = MAY_BE_STOPPED if f"AND {self.words}".startswith(MAY_BE_STOPPED) else STOPPED_NOW
        return away.removeprefix("AND ")


@dataclass(slots=True)
class _Records:
    """What events say beside the ledger: it keeps how a rollout stands, and not what an earlier end of it left."""

    ledger: Ledger
    last: dict[Place, Event] = field(default_factory=dict)
    to: dict[Place, set[str]] = field(default_factory=dict)  # the units of a return that was begun
    walked: dict[Place, set[str]] = field(default_factory=dict)  # units with steps since
    given: dict[Place, set[str]] = field(default_factory=dict)  # those that were to get their pods back
    actions: dict[tuple[Place, str], dict[str, int]] = field(default_factory=dict)  # numbers of steps by action
    left: dict[str, Stopped] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """One event, in order."""
        raw = event.detail.get("entry")
        kind = raw.get("type") if isinstance(raw, dict) else None
        if not isinstance(raw, dict) or "generation" not in raw:
            return
        place = (raw["environment"], raw["generation"])
        self.last[place] = event
        match kind:
            case "returning":
                self._afresh(place)
                self.to[place] = {one.unit for one in Returning.model_validate(raw).to}
            case "retry":
                self._afresh(place)
            case "back_step":
                self._step(place, BackStep.model_validate(raw))
            case "finished":
                self._ended(place, event, Finished.model_validate(raw))
            case _:
                pass

    def _afresh(self, place: Place) -> None:
        for known in (self.to, self.walked, self.given):
            known.pop(place, None)

    def _step(self, place: Place, entry: BackStep) -> None:
        (self.walked if entry.number else self.given).setdefault(place, set()).add(entry.unit)
        self.actions.setdefault((place, entry.unit), {})[entry.action] = entry.number

    def _ended(self, place: Place, event: Event, entry: Finished) -> None:
        units = [one for one in self.ledger.rollouts[place].passed.units if not one.suspended]
        mine = {one.unit for one in units} & self.to.get(place, {one.unit for one in units})
        gone_back = {unit for unit in mine if entry.outcome_of(unit) in WELL}
        stopped = entry.message.startswith((STOPPED_NOW, MAY_BE_STOPPED))
        for unit in gone_back if stopped or not entry.message.startswith((GAVE, ASKED)) else mine:
            self.left.pop(unit, None)
        concerned = self.given.get(place) or self.walked.get(place) or mine
        for unit in (concerned & mine) - gone_back if stopped else ():
            if unit.startswith("release/"):
                words = f"{entry.message.removeprefix('AND ')}; {GIVE}"
                self.left[unit] = Stopped(unit, event.occurred_at, event, words, left=True)


def stopped(events: Iterable[Event], ledger: Ledger, plan_of: Callable[[str], Plan]) -> tuple[Stopped, ...]:
    """Each release once, by name. `plan_of`: the plan that lies at a path."""
    records = _Records(ledger)
    for event in events:
        records.take(event)
    found = records.left
    for rollout in ledger.running():
        on_its_way = _returning if rollout.returning is not None else _reverting
        found |= {one.unit: one for one in on_its_way(records, rollout, plan_of)}
    return tuple(found[unit] for unit in sorted(found))


def _returning(records: _Records, state: RolloutState, _plan_of: Callable[[str], Plan]) -> Iterator[Stopped]:
    place = _place(state)
    for unit in sorted({unit for unit, _ in state.begun}):
        numbers = records.actions[place, unit]
        stop, restore = (numbers.get(one, 0) for one in (RollbackAction.STOP_TRAFFIC, RollbackAction.RESTORE_TRAFFIC))
        away = away_back(state, unit, stop, restore)
        if (unit, restore) in state.walked:
            records.left.pop(unit, None)
        if away:
            at = max(number for one, number in state.begun if one == unit)
            action = next(action for action, number in numbers.items() if number == at)
            where = "it is given back, for its return failed" if state.again else f"step {at}, {action}"
            yield _away(unit, away, state, state.steps_at[unit, stop], records.last[place], where)


def _reverting(records: _Records, state: RolloutState, plan_of: Callable[[str], Plan]) -> Iterator[Stopped]:
    plan = plan_of(state.passed.path) if state.batch >= 0 else None
    for unit, away in away_by_unit(plan, state).items() if plan is not None else ():
        if away and plan is not None:
            first = next(number for number, batch in enumerate(plan.batches) if _stops(batch, unit))
            where = f"batch {state.batch + 1} of {len(plan.batches)}"
            yield _away(unit, away, state, state.batches_at[first], records.last[_place(state)], where)


def _stops(batch: Iterable[Action], unit: str) -> bool:
    return any(one.kind is ActionKind.STOP_TRAFFIC and one.unit == unit for one in batch)


def _away(unit: str, away: Away, state: RolloutState, since: datetime, event: Event, where: str) -> Stopped:
    status = f"`reconciler/apply: {state.passed.environment}` of commit {state.passed.commit[:SHORT]}"
    loud = away.removeprefix("AND ")
    words = f"{loud} since {since:%H:%M}Z by its way back ({where}); {status} says how it stands; {LET_BE}"
    return Stopped(unit, since, event, words, left=False)


def _place(state: RolloutState) -> Place:
    return state.passed.environment, state.passed.generation
