"""How many pods a new version begins with where an autoscaler owns the number: as many as the one it takes over from.

Nobody sends that number (G9), so a new workload would begin with one pod and get all the traffic. Read when it is made
and in no digest; from then on the autoscaler has it. What is made while the traffic is stopped gets it back later.
"""

from collections.abc import Iterable
from typing import Any

from reconciler.app.verifying import object_in
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.way_back import least_of_autoscaler
from reconciler.ports import KubeApi
from reconciler.specs.colours import VERSION


def first_replicas(api: KubeApi, plan: Plan, action: Action, body: Any, objects: Iterable[Any]) -> int:
    """The number; 0 where the source, or the server, says it."""
    least = least_of_autoscaler(body, objects)
    if least is None:
        return 0
    before = 0
    if body["kind"] == "Deployment" and VERSION in (body["spec"]["template"].get("metadata") or {}).get("labels", {}):
        before = max((api.replicas(object_in(one)) for one in _taken_over(plan, action)), default=0)
    return max(before, least) if action.stopped else before


def _taken_over(plan: Plan, action: Action) -> Iterable[Action]:
    for one in (one for batch in plan.batches for one in batch if one.unit == action.unit):
        if one.kind is ActionKind.DELETE_OBJECT and one.object is not None and one.object.kind == "Deployment":
            yield one
