"""StatefulSets whose pods Kubernetes takes away one after another, so that a step that stops traffic may not end.

With `podManagementPolicy: OrderedReady`, the default, a pod that is not ready keeps those after it where another one
before it is not ready either. The policy cannot be changed once a StatefulSet is made, so this is said and not refused.
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from reconciler.names import ObjectRef
from reconciler.plan.change import Check
from reconciler.plan.part import warning

AT_ONCE: Final = "Parallel"
HINT: Final = (
    f"podManagementPolicy: {AT_ONCE}, which only a StatefulSet that is made anew can say, takes them away at once;"
    " else delete those that are not ready by hand while it is waited for"
)


def in_order(unit: str, found: Iterable[tuple[ObjectRef, Any, int | None]]) -> Iterator[Check]:
    """What is said of workloads, by their bodies and how many pods they have; None: others say so."""
    for ref, body, pods in found:
        policy = (body.get("spec") or {}).get("podManagementPolicy")
        if ref.kind == "StatefulSet" and policy != AT_ONCE and pods not in {0, 1}:
            message = f"{unit}: stop_traffic fails where several pods of {ref} are not ready: they go in order"
            yield warning(unit, "", message, HINT)
