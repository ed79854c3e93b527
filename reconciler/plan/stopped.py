"""Workloads whose pods a way back took and could not give back, where a plan would let go of them, or let them rest.

Rule (G23): the mark that says how many pods one had goes with our other marks, so nothing is let go of without its
pods; a plan that restores it before that may. Nor is it suspended: a plan that does nothing ends well, and nobody would
read any more that nobody answers. Deleting it, or handing it to another release, needs nothing.
"""

from collections.abc import Iterator
from typing import Any, Final

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import ActionKind, Check
from reconciler.plan.jobs import JobAsk
from reconciler.plan.part import Part, error
from reconciler.plan.units import object_in
from reconciler.specs.jobs import SUSPENDED
from reconciler.specs.kinds.release import RollbackAction
from reconciler.state.observed import Failure, ObservedCluster, ObservedObject, ObservedRelease

REST: Final = "a change of the release that suspends nothing gives its pods back: merge one first"


def let_go(part: Part, ask: JobAsk) -> Iterator[Check]:
    """What keeps workloads that are stopped from being let go of."""
    if isinstance(ask.observed, Failure):
        return
    actions = [step.action for step in part.steps]
    restored = {object_in(one) for one in actions if one.kind is ActionKind.RESTORE_TRAFFIC}
    for ref in (object_in(one) for one in actions if one.kind is ActionKind.FORGET_OBJECT):
        item = ask.observed.objects.get(ref)
        if item is not None and ref not in restored and is_left_stopped(item):
            message = f"letting go of {ref}: a way back stopped its traffic, and it would be left without pods"
            hint = "first merge any change of the release as it is: that gives its pods back; or have it deleted"
            yield error(ask.unit, "release_state_invalid", message, hint)


def laid_to_rest(ask: PlanAsk, ref: UnitRef) -> Iterator[Check]:
    """What keeps a release from being suspended: workloads that are stopped, or that may be and cannot be looked at."""
    if ref.kind is not UnitKind.RELEASE or ask.observed is None:
        return
    cluster = ask.proposed.desired.releases[ref.name].spec.cluster or ""
    found = ask.observed.clusters.get(cluster, ObservedCluster(cluster)).releases.get(ref.name)
    if isinstance(found, ObservedRelease):
        for item in sorted(found.objects.values(), key=lambda item: item.ref):
            if item.exists and item.owner == ref.name and is_left_stopped(item):
                message = f"suspending {ref}: a way back stopped the traffic of {item.ref}, and it would be left so"
                yield error(str(ref), "release_state_invalid", message, REST)
    elif ref in ask.unfinished and _has_stopped(ask, ref):
        message = f"suspending {ref}: it did not end well, and nobody can look whether its traffic is stopped"
        yield error(str(ref), "release_state_invalid", message, "suspend it when its cluster answers")


def _has_stopped(ask: PlanAsk, ref: UnitRef) -> bool:
    """Whether a version of it that failed, or was left, says that its way back stops traffic."""
    sides = (ask.accepted.get(ref), ask.otherwise.get(ref))
    found = (side.desired.releases.get(ref.name) for side in sides if side is not None)
    steps = (step for one in found if one is not None for step in one.spec.rollback.steps)
    return any(step.action is RollbackAction.STOP_TRAFFIC for step in steps)


def is_left_stopped(item: ObservedObject) -> bool:
    """Whether it had pods, and has none since a way back took them."""
    return bool(item.stopped) and is_empty(item)


def is_empty(item: ObservedObject) -> bool:
    """Whether a workload says that it has no pods, or rests."""
    return has_none(item.ref.kind, item.live)


def has_none(kind: str, live: Any) -> bool:
    """The same of a live object. (`False == 0` and `1 == True`: neither is read so.)"""
    spec = live.get("spec") if isinstance(live, dict) else None
    if not isinstance(spec, dict):
        return False
    if kind == SUSPENDED:
        return spec.get("suspend") is True
    return bool(spec.get("replicas", 1) == 0)
