"""What the sandbox's controllers would have written into `status`: still rolling on the first read after a change,
settled on the next.

A pure table from kind to status. A workload settles as failed when an image of its pods has a tag that contains
`broken` (or is named so): a Deployment passes its progress deadline, a Job fails, the others stay unready for ever. A
Job whose image says `hanging` runs for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

BROKEN: Final = "broken"
HANGING: Final = "hanging"
Status = dict[str, Any]


def status_of(body: Mapping[str, Any], *, settled: bool) -> Status | None:
    """The status to write, or None for a kind that no controller watches."""
    write = _STATUS.get(body["kind"])
    return None if write is None else write(body, settled)


def is_broken(body: Mapping[str, Any]) -> bool:
    """Whether its pods can never become ready."""
    return _has_image(body, BROKEN)


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether a Job is over, which no later write undoes."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one["type"] in {"Complete", "Failed"} and one["status"] == "True" for one in conditions)


def _has_image(body: Mapping[str, Any], word: str) -> bool:
    pod = body.get("spec", {}).get("template", {}).get("spec", {})
    images = [container.get("image", "") for container in pod.get("containers", [])]
    return any(word in image.rpartition("/")[2] for image in images)


def _deployment(body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001  a row's shape
    wanted = body["spec"].get("replicas", 1)
    ready = wanted if settled and not is_broken(body) else 0
    failed = settled and is_broken(body) and wanted > 0
    reason = "ProgressDeadlineExceeded" if failed else "NewReplicaSetAvailable" if settled else "ReplicaSetUpdated"
    name = body["metadata"]["name"]
    message = f'ReplicaSet "{name}" has timed out progressing.' if failed else f'ReplicaSet "{name}" is progressing.'
    status: Status = {
        "observedGeneration": body["metadata"]["generation"],
        "conditions": [
            {"type": "Available", "status": _bool(ready == wanted), "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": _bool(not failed), "reason": reason, "message": message},
        ],
    }
    counts = {"replicas": wanted, "updatedReplicas": wanted, "readyReplicas": ready, "availableReplicas": ready}
    status.update({key: count for key, count in counts.items() if count})
    if wanted - ready:
        status["unavailableReplicas"] = wanted - ready
    return status


def _stateful_set(body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    wanted = body["spec"].get("replicas", 1)
    ready = wanted if settled and not is_broken(body) else 0
    revision = f"{body['metadata']['name']}-{body['metadata']['generation']}"
    return {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": wanted,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": ready,
        "updatedReplicas": ready,
        "currentRevision": revision,
        "updateRevision": revision,
    }


def _daemon_set(body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    ready = int(settled and not is_broken(body))
    return {
        "observedGeneration": body["metadata"]["generation"],
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": ready,
        "numberReady": ready,
        "numberMisscheduled": 0,
    }


def _job(body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    if has_ended(body):
        return dict(body["status"])
    if body["spec"].get("suspend"):
        return {"conditions": [{"type": "Suspended", "status": "True", "reason": "JobSuspended"}]}
    if not settled or _has_image(body, HANGING):
        return {"active": 1, "ready": 0}
    if is_broken(body):
        return {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    return {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}


def _claim(_body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    return {"phase": "Bound" if settled else "Pending"}


def _definition(_body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    conditions = [{"type": kind, "status": _bool(settled)} for kind in ("NamesAccepted", "Established")]
    return {"conditions": conditions}


def _route(body: Mapping[str, Any], settled: bool) -> Status:  # noqa: FBT001
    """Every gateway that it names takes it, once it looks."""
    seen = {"status": "True", "observedGeneration": body["metadata"].get("generation")}
    conditions = [{"type": kind, "reason": kind, **seen} for kind in ("Accepted", "ResolvedRefs")]
    named = body.get("spec", {}).get("parentRefs") or ()
    return {"parents": [{"parentRef": one, "conditions": conditions} for one in named] if settled else []}


def _bool(value: bool) -> str:  # noqa: FBT001
    return "True" if value else "False"


_STATUS: Final[Mapping[str, Callable[[Mapping[str, Any], bool], Status]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "CustomResourceDefinition": _definition,
    "HTTPRoute": _route,
}
