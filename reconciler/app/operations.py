"""What actions belong to, and what became of each: the values that performers and those who record share."""

from dataclasses import dataclass

from reconciler.errors import ReconcilerError
from reconciler.plan.change import Action, Plan
from reconciler.ports import StepResult


@dataclass(frozen=True, slots=True)
class Step:
    """What was done about one action; `result` is None for what wrote no log. `run`: what a Job's run is named."""

    action: Action
    result: StepResult | None
    failure: ReconcilerError | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Every step that was tried, and the first failure in order of the batch, or None. `words`: what is to be told."""

    steps: tuple[Step, ...]
    failure: ReconcilerError | None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What the actions belong to. `attempt` counts retries, so that a retried hook is a new operation (G22).

    `event` is the recorded intent and `turn` its number within the generation (G25). `once`: which recorded
    return it is; empty on the way forward. What runs once runs once for each.
    """

    plan: Plan
    generation: int
    turn: int
    event: str
    attempt: int
    task: str
    once: str = ""


def task_of(environment: str, generation: int) -> str:
    """The id of the task that a rollout is on hosts, and of its folder of logs."""
    return f"{environment}-{generation}"
