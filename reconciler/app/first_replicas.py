"""How many pods a new version begins with where an autoscaler owns the number: as many as the one it takes over from.

Nobody sends that number (G9), so a new workload would begin with one pod and get all the traffic. Read when it is made
and in no digest; from then on the autoscaler has it.
"""

from collections.abc import Iterable
from typing import Any

from reconciler.app.verifying import object_in
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.ports import KubeApi
from reconciler.specs.colours import VERSION


def first_replicas(api: KubeApi, plan: Plan, action: Action, body: Any, objects: Iterable[Any]) -> int:
    """The number; 0 where the source, or the server, says it."""
    if body["kind"] != "Deployment" or VERSION not in (body["spec"]["template"].get("metadata") or {}).get(
        "labels", {}
    ):
        return 0
    if not any(_scales(item, body) for item in objects):
        return 0
    return max((api.replicas(object_in(one)) for one in _taken_over(plan, action)), default=0)


def _taken_over(plan: Plan, action: Action) -> Iterable[Action]:
    for one in (one for batch in plan.batches for one in batch if one.unit == action.unit):
        if one.kind is ActionKind.DELETE_OBJECT and one.object is not None and one.object.kind == "Deployment":
            yield one


def _scales(item: Any, workload: Any) -> bool:
    spec = item.get("spec")
    target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
    metadata, wanted = item["metadata"], workload["metadata"]
    named = isinstance(target, dict) and (target.get("kind"), target.get("name")) == (workload["kind"], wanted["name"])
    return named and metadata.get("namespace") == wanted.get("namespace")
