"""What a preview says of how it will be told whether custom resources are ready. Only of kinds that it applies."""

from collections.abc import Iterator, Sequence

from reconciler.plan.change import ActionKind, Line, Told
from reconciler.plan.hide import hidden
from reconciler.plan.part import Step
from reconciler.specs.kinds.release import Health


def sayings(health: Health, steps: Sequence[Step]) -> Iterator[Line]:
    """A line for each expression that something of these steps is waited for by."""
    found = (step.action.object for step in steps if step.action.kind is ActionKind.APPLY_OBJECT)
    applied = {(one.group, one.kind) for one in found if one is not None}
    for one in health.readiness:
        if (one.group, one.kind) not in applied:
            continue
        values = [("kind", f"{one.kind}.{one.group}"), ("ready", _shown(one.ready))]
        if one.failed is None:
            yield Line(told=Told.READY, values=tuple(values))
        else:
            yield Line(told=Told.READY_OR_FAILED, values=(*values, ("failed", _shown(one.failed))))


def _shown(expression: str) -> str:
    return hidden(" ".join(expression.split()))
