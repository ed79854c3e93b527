"""A step of a canary on its target: what it sends, and whether what stands there is this plan's doing (G20).

Every step of a plan writes the same object, so what any recorded step of it leaves is expected: after a crash, and when
a plan is tried again. What matches none of them stops the plan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from reconciler.errors import Refused, Rejected
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.diff import same
from reconciler.plan.mask import mask_object
from reconciler.plan.releases import fingerprint
from reconciler.ports import DesiredObjects
from reconciler.specs.canaries import canary_of, stable_of
from reconciler.state.observed import ObservedObject


def canary_in(objects: Iterable[Any], pods: int) -> Any:
    """The canary of a release's objects with so many pods. Raises Refused where they have none."""
    stable = stable_of(objects)
    if stable is None:
        raise Refused("applying a canary: its Deployment is not in the release any more", key="preview_mismatch")
    return canary_of(stable, pods)


def with_canaries(wanted: Sequence[DesiredObjects], actions: Sequence[Action]) -> list[DesiredObjects]:
    """What is looked at for a batch: also the canaries that it applies, as it applies them."""
    pods = {action.unit.partition("/")[2]: action.replicas for action in actions if action.replicas}
    return [
        replace(one, objects=(*one.objects, canary_in(one.objects, pods[one.release]))) if one.release in pods else one
        for one in wanted
    ]


def canary_pending(action: Action, item: ObservedObject | None, plan: Plan, key: bytes) -> bool:
    """Whether a step is still to be done; raises Refused(target_changed) where no step of this plan left that."""
    release = action.unit.partition("/")[2]
    if item is None or not item.exists:
        return action.kind is ActionKind.APPLY_OBJECT  # its deletion is a step of this plan, too
    if item.failure is not None:
        raise Rejected(f"looking at {item.ref}: {item.failure.message}", key=item.failure.key)
    applies = action.kind is ActionKind.APPLY_OBJECT
    if applies and item.owner == release and same(item.live, item.result):
        return False
    steps = (one for batch in plan.batches for one in batch if one.canary and one.object == action.object)
    known = {state for one in steps for state in (one.pre, one.post)}
    if item.owner != release or fingerprint(mask_object(item.live, key, kind=item.ref.kind)) not in known:
        message = f"{'applying' if applies else 'deleting'} {item.ref}: no step of this plan left it so"
        raise Refused(message, key="target_changed", hint="look at a new preview; somebody else changed it")
    return True
