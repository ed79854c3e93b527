"""What a Service of the sandbox answers through the API server's proxy: as the pods behind it would, if there were any.

Each ready replica of a workload that the selector takes in answers in its turn, with 200 and the image that it runs;
one whose image has a tag that contains `sick` answers 500. Without a ready replica the API server itself answers 503.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

SICK: Final = "sick"
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def answer_of(
    service: Mapping[str, Any], objects: Iterable[Mapping[str, Any]], turn: int
) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to the `turn`-th request."""
    behind = [one for body in objects for one in [body] * _ready(body, service)]
    if not behind:
        name = service["metadata"]["name"]
        message = f'no endpoints available for service "{name}"'
        return 503, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": 503}
    chosen = behind[turn % len(behind)]
    image = chosen["spec"]["template"]["spec"]["containers"][0]["image"]
    sick = SICK in image.rpartition("/")[2]
    return (500 if sick else 200), {"workload": chosen["metadata"]["name"], "image": image}


def _ready(body: Mapping[str, Any], service: Mapping[str, Any]) -> int:
    if body["kind"] not in WORKLOADS or body["metadata"].get("namespace") != service["metadata"].get("namespace"):
        return 0
    labels = (body["spec"]["template"].get("metadata") or {}).get("labels") or {}
    selector = service["spec"].get("selector") or {}
    if not selector or any(labels.get(key) != value for key, value in selector.items()):
        return 0
    status = body.get("status") or {}
    return int(status.get("readyReplicas") or status.get("numberReady") or 0)
