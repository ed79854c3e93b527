"""A step of a canary on its target: what it sends, and whether what stands there is this plan's doing (G20).

Every step of a plan writes the same objects, so what any recorded step of it leaves is expected: after a crash, and
when a plan is tried again. What matches none of them stops the plan. Where an autoscaler has the number of the old
pods, the canary's is counted here, from the live number; it then is no mark of who wrote the canary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.app.verifying import object_in
from reconciler.errors import Refused, Rejected
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.diff import same
from reconciler.plan.mask import mask_object
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.ports import DesiredObjects, KubeApi
from reconciler.specs.canaries import canary_of, pods_for, stable_of, uncounted
from reconciler.specs.routes import canary_service, places_of, services_of, weighted
from reconciler.state.observed import ObservedObject

Bodies = Mapping[tuple[str, ObjectRef], Any]  # by release and object


def canary_bodies(api: KubeApi, wanted: Sequence[DesiredObjects], actions: Sequence[Action]) -> Bodies:
    """What the steps of a batch send. Raises Refused where their release has no canary any more."""
    objects = {one.release: one.objects for one in wanted}
    steps = [one for one in actions if one.canary and one.kind is ActionKind.APPLY_OBJECT]
    return {
        (release, ref): _body(api, objects.get(release, ()), ref, action)
        for action in steps
        for release, ref in [(action.unit.partition("/")[2], object_in(action))]
    }


def with_canaries(wanted: Sequence[DesiredObjects], bodies: Bodies) -> list[DesiredObjects]:
    """What is looked at for a batch: also what its steps send, in place of the same objects at rest."""
    found = []
    for one in wanted:
        mine = {ref: body for (release, ref), body in bodies.items() if release == one.release}
        kept = tuple(body for body in one.objects if not mine or ref_of(body) not in mine)
        found.append(replace(one, objects=(*kept, *mine.values())))
    return found


def _body(api: KubeApi, objects: Sequence[Any], ref: ObjectRef, action: Action) -> Any:
    stable = stable_of(objects)
    if stable is None:
        raise Refused("applying a canary: its Deployment is not in the release any more", key="preview_mismatch")
    services = services_of(objects, stable)
    if action.share or action.replicas:
        pods = pods_for(action.share, api.replicas(ref_of(stable))) if action.share else action.replicas
        return canary_of(stable, pods)
    own = {ref_of(body): body for body in map(canary_service, services)}
    at_rest = {ref_of(body): body for body in objects}
    if ref not in own and ref not in at_rest:
        raise Refused(f"applying {ref}: it is not in the release any more", key="preview_mismatch")
    return own[ref] if ref in own else weighted(at_rest[ref], places_of(services), action.weight)


def canary_pending(action: Action, item: ObservedObject | None, plan: Plan, key: bytes) -> bool:
    """Whether a step is still to be done; raises Refused(target_changed) where no step of this plan left that."""
    release = action.unit.partition("/")[2]
    steps = [one for batch in plan.batches for one in batch if one.canary and one.object == action.object]
    passing = any(one.kind is ActionKind.DELETE_OBJECT for one in steps)  # else it is the release's own
    applies = action.kind is ActionKind.APPLY_OBJECT
    if item is None or not item.exists:
        if not passing:
            raise Refused(f"applying {object_in(action)}: it is gone since the preview", key="target_changed")
        return applies  # its deletion is a step of this plan, too
    if item.failure is not None:
        raise Rejected(f"looking at {item.ref}: {item.failure.message}", key=item.failure.key)
    again = passing or action.uid == item.uid
    if applies and again and item.owner == release and same(item.live, item.result):
        return False
    counted = any(one.share for one in steps)
    known = {state for one in steps for state in (one.pre, one.post)}
    live = mask_object(uncounted(item.live) if counted else item.live, key, kind=item.ref.kind)
    if not again or item.owner != release or fingerprint(live) not in known:
        message = f"{'applying' if applies else 'deleting'} {item.ref}: no step of this plan left it so"
        raise Refused(message, key="target_changed", hint="look at a new preview; somebody else changed it")
    return True
