"""What is recorded of a way back, and what follows from it: how far it is, whether traffic is away, what time is left.

Rules: who comes back knows nothing but this; where a way back goes no further, what stands gets its pods back before
anything is told of it, and what is waited for says that they are away (G23, docs/decisions/0020).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.app.journal import Overtaken
from reconciler.app.operations import Order, Step
from reconciler.app.perform import Performer
from reconciler.app.runs_over import RunsOver
from reconciler.app.step_times import Term, latest
from reconciler.app.traffic import (
    ASKED,
    GAVE,
    GIVEN_BACK,
    Away,
    StillStopped,
    away_back,
    most_away,
    overdue,
    waited_for,
)
from reconciler.app.verifying import Interrupted
from reconciler.errors import ReconcilerError, Rejected, Unavailable, Withdrawn
from reconciler.machine.states import RolloutState
from reconciler.names import UnitRef
from reconciler.plan.change import Plan
from reconciler.plan.way_back import Leaving

SETTLE = timedelta(minutes=10)  # of what has no time of its own
MAY_RUN = "nobody could look whether a Job of it STILL RUNS"
ENDED = "no run of a Job of it goes on"
RETURNS = 1000  # attempts of returns count from here; retries of one approval are three (G22)


@dataclass(frozen=True, slots=True)
class Walk:
    """One step of a way back, begun or done."""

    unit: str
    number: int
    action: str
    done: bool
    words: str = ""


def giving_back(units: Iterable[str]) -> list[Walk]:
    """What is recorded before these get their pods back: it is a turn of its own, and no step."""
    return [Walk(unit, 0, GIVEN_BACK, done=False) for unit in units]


@dataclass(frozen=True, slots=True)
class Walked:
    """What is recorded of the way back from one rollout. `order`: what the actions of a plan belong to, by plan and
    attempt."""

    rollout: Plan
    order: Callable[[Plan, int], Order]
    stood: Callable[[], RolloutState]  # as recorded, by now
    told: Callable[[Sequence[Walk], tuple[Step, ...]], None] = lambda *_: None  # records steps, and what Jobs did
    failed_runs: list[Step] = field(default_factory=list)  # not told yet: with what comes of it, else it is told twice

    @property
    def state(self) -> RolloutState:
        """The rollout as it is recorded by now."""
        return self.stood()

    @property
    def attempt(self) -> int:
        """Which attempt it is: another operation than the way forward."""
        return RETURNS + self.state.passed.retries

    def away(self, leaving: Mapping[UnitRef, Leaving]) -> Away:
        """Whether traffic is stopped now, as is recorded: somebody has, or had, an order to do so."""
        stopping = ((str(ref), left) for ref, left in leaving.items() if left.stop)
        return most_away(away_back(self.state, unit, left.stop, left.restore) for unit, left in stopping)

    def begun(self, refs: Collection[UnitRef]) -> bool:
        """Whether a step of one of these was begun."""
        return bool({unit for unit, _ in self.state.begun} & {str(ref) for ref in refs})

    def passed(
        self, leaving: Mapping[UnitRef, Leaving], units: Collection[str], later: Collection[tuple[str, int]]
    ) -> set[tuple[str, int]]:
        """The steps of units that are over, for others come `later`: also those of which nothing had to be done."""
        found = {(str(ref), number) for ref, left in leaving.items() for number, _ in left.left if str(ref) in units}
        comes = {unit: min(number for one, number in later if one == unit) for unit, _ in later}
        return {(unit, number) for unit, number in found if number < comes.get(unit, number + 1)} - self.state.walked

    def tell(
        self,
        leaving: Mapping[UnitRef, Leaving],
        steps: Collection[tuple[str, int]],
        *,
        done: bool,
        ran: tuple[Step, ...] = (),
        words: str = "",
    ) -> None:
        """Record that steps are begun, or done, and which Jobs ran."""
        names = {(str(ref), number): step.action.value for ref, left in leaving.items() for number, step in left.left}
        if steps or ran:
            walk = [Walk(unit, number, names[unit, number], done, words) for unit, number in sorted(steps)]
            self.told(walk, ran)

    def failure(
        self, performer: Performer, leaving: Mapping[UnitRef, Leaving], error: ReconcilerError
    ) -> ReconcilerError:
        """What it fails with, or waits for, where it goes no further: what stands has its pods by then."""
        found = self._let_in(performer, leaving, error)
        if self.failed_runs and not isinstance(found, Unavailable):
            self.told((), self._untold())
        return found

    def _let_in(
        self, performer: Performer, leaving: Mapping[UnitRef, Leaving], error: ReconcilerError
    ) -> ReconcilerError:
        """Where traffic may be stopped, and this return goes no further: what stands gets its pods back (G23)."""
        if isinstance(error, (Interrupted, Overtaken)):
            return error
        away = self.away(leaving)
        late = overdue(error, self._term(leaving, between=bool(away)), performer.clock.now())
        if away or (late is not error and performer.answers(left.release.cluster or "" for left in leaving.values())):
            error = late
        if isinstance(error, (Unavailable, Withdrawn)):
            return waited_for(error, away) if away else error
        error = self._runs_ended(performer, leaving, error)
        stopped: dict[str, list[str]] = {}
        done = self.state.walked
        units = [ref for ref, left in leaving.items() if left.stops and (str(ref), left.restore) not in done]
        for ref in units:
            stopped.setdefault(leaving[ref].release.cluster or "", []).append(ref.name)

        def begin() -> Order:
            self.told(giving_back(map(str, units)), self._untold())
            return self.order(self.rollout, self.attempt)

        return let_in(performer, stopped, begin, error, lambda: self.away(leaving)) if stopped else error

    def _runs_ended(
        self, performer: Performer, leaving: Mapping[UnitRef, Leaving], error: ReconcilerError
    ) -> ReconcilerError:
        """Ends the Jobs of which nobody said how they ended, where no traffic comes back, which ends them too."""
        begun = self.state.begun - self.state.walked
        going = [ref for ref, left in leaving.items() if not left.stops and left.runs & _numbers(begun, ref)]
        if not going or self.failed_runs:
            return error
        wanted = {one.release: one for one in performer.wanted(ref.name for ref in going)}
        apis = {ref.name: performer.targets.kube(leaving[ref].release.cluster or "") for ref in going}
        taken = [(apis[name], wanted[name]) for name in apis]
        order = self.order(self.rollout, self.attempt)
        words = RunsOver(performer.clock, performer.stopping).end(taken, order.generation)
        message = f"{error.message}; {', '.join(words) or ENDED}"
        return Rejected(message, key=error.key, hint=error.own_hint)

    def _untold(self) -> tuple[Step, ...]:
        runs = tuple(self.failed_runs)
        self.failed_runs.clear()
        return runs

    def _term(self, leaving: Mapping[UnitRef, Leaving], *, between: bool) -> Term | None:
        """The time of the step that was begun last. `between`: between two steps what is next has some too."""
        begun = self.state.begun
        found = [((str(ref), number), step) for ref, left in leaving.items() for number, step in left.all]
        terms = {key: Term(step.timeout, self.state.steps_at[key]) for key, step in found if key in begun}
        last = latest([term for key, term in terms.items() if key not in self.state.walked])
        if last is not None or not between:
            return last
        over = latest([*terms.values()])
        return Term(over.limit + SETTLE, over.since) if over is not None else None


def _numbers(steps: Iterable[tuple[str, int]], ref: UnitRef) -> set[int]:
    return {number for unit, number in steps if unit == str(ref)}


def let_in(
    performer: Performer,
    releases: Mapping[str, Sequence[str]],
    begin: Callable[[], Order],
    error: ReconcilerError,
    away: Callable[[], Away],
) -> ReconcilerError:
    """The failure, once what stands has its pods back. Raises Unavailable where nobody could give them.

    `away`: whether they are away, as is recorded by then.
    """
    try:
        found = performer.let_traffic_in(releases, begin, begun=bool(away()))
    except Overtaken:
        raise
    except (Unavailable, Withdrawn) as unheard:
        raise waited_for(unheard, away()) from unheard
    except ReconcilerError as worse:
        state = Away.STOPPED if isinstance(worse, StillStopped) else away()
        if not state:
            return error
        runs = "" if isinstance(worse, StillStopped) else f"; {MAY_RUN}"
        message = f"{state}: {worse.message}{runs}; after: {error.message}"
        hint = "give the workload its pods by hand; its annotation says how many it had"
        return Rejected(message, key=error.key, hint=hint)
    if not found.words:
        return error
    told = ", ".join(found.words)
    message = f"{error.message}; {told}"
    if found.asked:
        how = GAVE if found.given else ASKED
        message = f"{how}: {error.message}; traffic goes to what stood: {told}"
    return Rejected(message, key=error.key, hint=error.own_hint)
