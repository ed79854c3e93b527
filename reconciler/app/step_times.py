"""How long a step of a way back has: its time is counted once, from its first record, whoever goes on with it.

Rules: a restart and a second batch neither begin it anew; who comes back looks first, so what was done meanwhile counts
as done, also after the time; a clock that steps back adds nothing, for what this process waited counts too. At its very
end it is not over.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.machine.states import RolloutState
from reconciler.plan.change import Action, Plan

NONE = timedelta()
Began = Callable[[Action], datetime | None]  # when the step that an action is of was first recorded


@dataclass(frozen=True, slots=True)
class Term:
    """The time that something has."""

    limit: timedelta
    since: datetime

    def over(self, now: datetime, waited: timedelta = NONE) -> bool:
        """Whether it is over. `waited`: how long this process waited for it, which no clock takes back."""
        return max(now - self.since, waited) > self.limit

    def left(self, now: datetime) -> timedelta:
        """What is left of it."""
        return max(NONE, self.limit - max(NONE, now - self.since))


def began(state: RolloutState, plan: Plan, action: Action) -> datetime | None:
    """When the step that an action is of was first recorded; None where it is of none, or was not yet."""
    if not action.step:
        return None
    if state.returning is not None:
        return state.steps_at.get((action.unit, action.step))
    batches = enumerate(plan.batches)
    return next((state.batches_at.get(number) for number, batch in batches if _is_of(action, batch)), None)


def _is_of(action: Action, batch: Iterable[Action]) -> bool:
    return any((one.unit, one.step) == (action.unit, action.step) for one in batch)


def term_of(action: Action, since: datetime | None) -> Term | None:
    """The time of the step that an action is of; None where it is of none."""
    return Term(timedelta(seconds=action.seconds), since) if action.step and since is not None else None


def latest(terms: Collection[Term]) -> Term | None:
    """The one that ends last."""
    return max(terms, key=lambda one: one.since + one.limit, default=None)
