"""How many pods of a stopped workload are still there: those that could still answer, or write.

What runs of a CronJob are the Jobs that it made, which go on when it is suspended.
"""

from typing import Final

from reconciler.kube.client import Client
from reconciler.kube.lists import list_all
from reconciler.kube.traffic import pods_of
from reconciler.names import ObjectRef
from reconciler.specs.jobs import SUSPENDED
from reconciler.state.observed import Json
from reconciler.state.readiness import is_observed
from reconciler.state.reasons import selector_of

ENDED: Final = ("Succeeded", "Failed")
OVER: Final = ("Complete", "Failed")


def left(client: Client, ref: ObjectRef, body: Json) -> int:
    """Its pods that have not ended, those on their way out among them; of a CronJob its Jobs that have not."""
    if ref.kind == SUSPENDED:
        made = list_all(client, f"/apis/batch/v1/namespaces/{ref.namespace}/jobs", {}, f"listing the Jobs of {ref}")
        return sum(1 for job in made if _is_of(job, body) and not _is_over(job))
    return _pods(client, ref, selector_of(body))


def left_of_job(client: Client, ref: ObjectRef) -> int:
    """The pods of a Job that have not ended: it counts as over before they have, where they get their grace."""
    return _pods(client, ref, f"job-name={ref.name}")


def ready(body: Json) -> int:
    """How many pods are ready, as its controller says of what stands now; a CronJob that goes on counts as one.

    What it said before the newest change may be of pods that are on their way out: those that are ready are none.
    """
    if body["kind"] == SUSPENDED:
        return pods_of(body)
    status = body.get("status") or {}
    return int(status.get("readyReplicas") or 0) if is_observed(body) else 0


def _pods(client: Client, ref: ObjectRef, selector: str) -> int:
    path = f"/api/v1/namespaces/{ref.namespace}/pods"
    pods = list_all(client, path, {"labelSelector": selector}, f"listing the pods of {ref}")
    return sum(1 for pod in pods if (pod.get("status") or {}).get("phase") not in ENDED)


def _is_of(job: Json, body: Json) -> bool:
    owners = job["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == body["metadata"]["uid"] for one in owners)


def _is_over(job: Json) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one.get("type") in OVER and one.get("status") == "True" for one in conditions)
