"""Which pods of a stopped workload are still there: those that could still answer, or write.

What runs of a CronJob are the Jobs that it made, which go on when it is suspended, and their pods, which may outlive
them. Pods count by their labels, whoever made them: a Service sends to them as to the others.
"""

from collections.abc import Container
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
JOB: Final = "job-name"  # a label of each pod of a Job
OVER: Final = ("Complete", "Failed")


def left(client: Client, ref: ObjectRef, body: Json) -> tuple[str, ...]:
    """Its pods that have not ended, those on their way out among them; of a CronJob its Jobs that have not; by name."""
    if ref.kind == SUSPENDED:
        return tuple(sorted(_jobs(client, ref, body)))
    return tuple(map(_named, _pods(client, ref, selector_of(body))))


def left_of_job(client: Client, ref: ObjectRef) -> tuple[str, ...]:
    """The pods of a Job that have not ended: it counts as over before they have, where they get their grace."""
    return tuple(map(_named, _pods(client, ref, f"{JOB}={ref.name}")))


def ready(body: Json) -> int:
    """How many pods are ready, as its controller says of what stands now; a CronJob that goes on counts as one.

    What it said before the newest change may be of pods that are on their way out: those that are ready are none.
    """
    if body["kind"] == SUSPENDED:
        return pods_of(body)
    status = body.get("status") or {}
    return int(status.get("readyReplicas") or 0) if is_observed(body) else 0


def ready_and_going(client: Client, ref: ObjectRef, body: Json) -> int:
    """How many of them are on their way out: a StatefulSet counts these as ready until they are gone."""
    if ref.kind != "StatefulSet" or not ready(body):
        return 0
    return sum(map(is_going, _pods(client, ref, selector_of(body))))


def is_going(pod: Json) -> bool:
    """Whether a pod that is ready is being deleted."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    is_ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return is_ready and bool(pod["metadata"].get("deletionTimestamp"))


def _jobs(client: Client, ref: ObjectRef, body: Json) -> frozenset[str]:
    """Its Jobs that have not ended, by name: those of which pods are left among them. Pods of a Job that is gone count,
    for nobody can say whose it was."""
    pods = _pods(client, ref, JOB)  # first: a Job that goes between the two looks counts
    made = list_all(client, f"/apis/batch/v1/namespaces/{ref.namespace}/jobs", {}, f"listing the Jobs of {ref}")
    others = {job["metadata"]["uid"] for job in made if not _is_of(job, body)}
    left = {pod["metadata"]["labels"][JOB] for pod in pods if not _is_strange(pod, others)}
    return frozenset(left | {job["metadata"]["name"] for job in made if _is_of(job, body) and not _is_over(job)})


def _is_strange(pod: Json, others: Container[str]) -> bool:
    """Whether it is known to be of another Job, or of something else that calls itself so."""
    owners = (one for one in pod["metadata"].get("ownerReferences") or () if one.get("controller"))
    return any(one.get("kind") != "Job" or one.get("uid") in others for one in owners)


def _pods(client: Client, ref: ObjectRef, selector: str) -> list[Json]:
    path = f"/api/v1/namespaces/{ref.namespace}/pods"
    pods = list_all(client, path, {"labelSelector": selector}, f"listing the pods of {ref}")
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ENDED]


def _named(pod: Json) -> str:
    """A pod, and what made it: so a person tells one of somebody else's that has the same labels."""
    owners = pod["metadata"].get("ownerReferences") or ()
    made_by = next((f"{one.get('kind')} {one.get('name')}" for one in owners if one.get("controller")), "nobody")
    return f"{pod['metadata']['name']} of {made_by}"


def _is_of(job: Json, body: Json) -> bool:
    owners = job["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == body["metadata"]["uid"] for one in owners)


def _is_over(job: Json) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one.get("type") in OVER and one.get("status") == "True" for one in conditions)
