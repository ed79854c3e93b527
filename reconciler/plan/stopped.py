"""Workloads whose pods a way back took and could not give back, where a plan would let go of them.

Rule (G23): the mark that says how many pods one had goes with our other marks, so nothing is let go of without its
pods; a plan that restores it before that may. Deleting it, or handing it to another release, needs nothing.
"""

from collections.abc import Iterator

from reconciler.plan.change import ActionKind, Check
from reconciler.plan.jobs import JobAsk
from reconciler.plan.part import Part, error
from reconciler.plan.units import object_in
from reconciler.specs.jobs import SUSPENDED
from reconciler.state.observed import Failure, ObservedObject


def let_go(part: Part, ask: JobAsk) -> Iterator[Check]:
    """What keeps workloads that are stopped from being let go of."""
    if isinstance(ask.observed, Failure):
        return
    actions = [step.action for step in part.steps]
    restored = {object_in(one) for one in actions if one.kind is ActionKind.RESTORE_TRAFFIC}
    for ref in (object_in(one) for one in actions if one.kind is ActionKind.FORGET_OBJECT):
        item = ask.observed.objects.get(ref)
        if item is not None and ref not in restored and item.stopped and is_empty(item):
            message = f"letting go of {ref}: a way back stopped its traffic, and it would be left without pods"
            hint = "first merge any change of the release as it is: that gives its pods back; or have it deleted"
            yield error(ask.unit, "release_state_invalid", message, hint)


def is_empty(item: ObservedObject) -> bool:
    """Whether a workload says that it has no pods, or rests. (`False == 0` and `1 == True`: neither is read so.)"""
    spec = item.live.get("spec") if isinstance(item.live, dict) else None
    if not isinstance(spec, dict):
        return False
    if item.ref.kind == SUSPENDED:
        return spec.get("suspend") is True
    return bool(spec.get("replicas", 1) == 0)
