"""Says how rollouts stand, and how they ended until it is heard: a forge that is away stops nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from reconciler.app.journal import Journal
from reconciler.errors import ReconcilerError
from reconciler.machine.ledger import RolloutState
from reconciler.plan.change import Plan
from reconciler.report.status import Situation

LOG = structlog.get_logger("reconciler")
Report = Callable[[RolloutState, Plan, str, str], None]  # rollout, plan, outcome, words
Running = Callable[[RolloutState, Situation, Mapping[str, str | int]], None]


@dataclass(slots=True, kw_only=True)
class Sayings:
    """What is said of rollouts, and what was heard."""

    journal: Journal
    report: Report
    running: Running
    _said: set[tuple[str, int, int, str]] = field(default_factory=set)

    def say(self, state: RolloutState, plan: Plan, outcome: str, words: str) -> None:
        """Say how a rollout stands. A forge that is away stops nothing: how it ended is said until it is heard."""
        try:
            self.report(state, plan, outcome, words)
        except ReconcilerError as error:
            LOG.info("not said", what=f"rollout in {plan.environment}", key=error.key, message=error.message)
        else:
            self._said |= {_end_of(state)} if state.finished is not None else set()

    def tell(self, state: RolloutState, situation: Situation, **facts: str | int) -> None:
        """Say what a rollout does or waits for. A forge that is away stops nothing."""
        try:
            self.running(state, situation, facts)
        except ReconcilerError as error:
            what = f"rollout in {state.passed.environment}"
            LOG.info("not said", what=what, key=error.key, message=error.message)

    def say_ends(self) -> None:
        """Say how the last rollout of each unit ended where that was not heard: the forge was away, or we crashed."""
        ledger = self.journal.ledger
        last = {(state.environment, state.generation) for state in ledger.units.values()} & ledger.rollouts.keys()
        stood_on = {(place[0], ledger.approved(ledger.rollouts[place]).passed.generation) for place in last}
        for place in sorted(last | stood_on):
            state = ledger.rollouts[place]
            if state.finished is None or _end_of(state) in self._said:
                continue
            plan = Plan.model_validate_json(self.journal.file(state.passed.path))
            self.say(state, plan, state.finished.outcome, state.finished.message)

    def unsay(self, environment: str, generation: int) -> None:
        """What was said of how this ended does not hold any more: it is said anew."""
        self._said = {said for said in self._said if said[:2] != (environment, generation)}


def _end_of(state: RolloutState) -> tuple[str, int, int, str]:
    passed = state.passed
    return passed.environment, passed.generation, passed.retries, state.finished.outcome if state.finished else ""
