"""Why a workload is not ready, in words: from its pods, their containers and the events about them.

Pure: a pod, a ReplicaSet or an event as it was read goes in, words come out. The rule it keeps: what a program of the
release wrote (its output, its termination message, what its probe command printed) is not quoted, for it may hold a
secret; what the cluster says of it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

Body = Mapping[str, Any]
MESSAGE_CHARACTERS: Final = 300
DIFFERENT_REASONS: Final = 3  # told of one workload: the rest is counted

PULLS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
    | {"RegistryUnavailable", "SignatureValidationFailed"}
)
# Reasons whose message is the cluster's own; a hook's that failed quotes what the hook printed.
SAID_BY_CLUSTER: Final = PULLS | {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})  # says nothing: its events may
CRASHING: Final = "CrashLoopBackOff"
# Events whose message is the cluster's own; of any other only its reason is told.
QUOTED: Final = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreate", "Unhealthy"}
    | {"FailedBinding", "ProvisioningFailed", "ExternalProvisioning", "WaitForFirstConsumer"}
)
TOLD_BY_THE_POD: Final = frozenset({"FailedScheduling", "BackOff"})  # in its status, and there only while it is so
PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")
REVISION: Final = "deployment.kubernetes.io/revision"
TEMPLATE_HASH: Final = "pod-template-hash"
REVISION_HASH: Final = "controller-revision-hash"


def in_the_way(pod: Body) -> str:
    """What the pod itself says keeps it from being ready; empty where it says nothing."""
    return next(_pod_reasons(pod), "")


def containers_in_the_way(pod: Body) -> Iterator[tuple[Body, str]]:
    """Each container's status that says what is wrong with it, and that in words."""
    specs = [one for kind in _CONTAINERS for one in pod.get("spec", {}).get(kind) or ()]
    images = {one.get("name"): str(one.get("image", "")) for one in specs}
    for kind in _STATUSES:
        for container in pod.get("status", {}).get(kind) or ():
            words = _container_reason(container, images.get(container.get("name"), ""))
            if words:
                yield container, words


def is_ready(pod: Body) -> bool:
    """Whether nothing is to be told of it: ready, done, or on its way out."""
    ended = pod.get("metadata", {}).get("deletionTimestamp") or pod.get("status", {}).get("phase") == "Succeeded"
    return bool(ended) or _condition(pod, "Ready").get("status") == "True"


def told_by(events: Iterable[Body], about: Body, *, warnings: bool = True) -> str:
    """The newest event's reason, with its message where that is the cluster's own; only of warnings, or of all."""
    known = [
        event
        for event in events
        if (event.get("type") == "Warning" or not warnings) and event.get("reason") not in TOLD_BY_THE_POD
    ]
    if not known:
        return ""
    newest = max(known, key=_seen_at)
    reason, message = str(newest.get("reason", "")), str(newest.get("message", ""))
    if reason not in QUOTED:
        return reason
    if reason == "Unhealthy" and _has_command_probe(about):
        message = message.partition(":")[0]  # what follows is what the command printed
    return f"{reason}: {_short(message)}" if message else reason


def of_newest_revision(workload: Body, pods: Sequence[Body], replica_sets: Sequence[Body]) -> list[Body]:
    """The pods of what is being rolled out; those of the revision before say nothing about it.

    A Deployment's are told by its ReplicaSet of the same revision, a StatefulSet's by its status; where neither is
    known, the newest pod's revision counts.
    """
    wanted = _rolled_out(workload, replica_sets)
    if wanted is None:
        if not has_revisions(pods):
            return list(pods)
        wanted = _revision_of(max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", ""))))
    return [pod for pod in pods if _revision_of(pod) == wanted]


def left_behind(pods: Sequence[Body], newest: Sequence[Body]) -> str:
    """What a StatefulSet's pods of another revision say that are broken; it waits for such a pod and never replaces it.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    others = [pod for pod in pods if pod not in newest and not is_ready(pod)]
    reasons = [(str(pod["metadata"]["name"]), reason) for pod in others if (reason := in_the_way(pod))]
    if not reasons:
        return ""
    names = " ".join(name for name, _ in reasons)
    where = str(others[0]["metadata"].get("namespace", ""))
    command = f"kubectl delete pod {names}{f' --namespace={where}' if where else ''}"
    return f"{in_words(reasons)}; it is of another revision, and its StatefulSet never replaces it by itself: {command}"


def has_revisions(pods: Sequence[Body]) -> bool:
    """Whether they are of more than one, so that it matters which is being rolled out."""
    return len({_revision_of(pod) for pod in pods}) > 1


def in_words(reasons: Sequence[tuple[str, str]]) -> str:
    """(pod, reason) of all that are not ready: each reason once, with the first pod that has it and how many more."""
    pods: dict[str, list[str]] = {}
    for pod, reason in reasons:
        pods.setdefault(reason, []).append(pod)
    told = [
        f"pod {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}"
        for reason, names in list(pods.items())[:DIFFERENT_REASONS]
    ]
    left = len(pods) - len(told)
    return "; ".join([*told, f"and {left} more reasons"] if left else told)


def selector_of(workload: Body) -> str:
    """`spec.selector` as a query says it; empty where there is none, which selects nothing that is this workload's."""
    selector = workload.get("spec", {}).get("selector") or {}
    words = [f"{name}={value}" for name, value in sorted((selector.get("matchLabels") or {}).items())]
    rules = selector.get("matchExpressions") or ()
    words += [_OPERATORS[rule["operator"]].format(rule["key"], ",".join(rule.get("values") or ())) for rule in rules]
    return ",".join(words)


_OPERATORS: Final = {"In": "{0} in ({1})", "NotIn": "{0} notin ({1})", "Exists": "{0}", "DoesNotExist": "!{0}"}


def _pod_reasons(pod: Body) -> Iterator[str]:
    status = pod.get("status", {})
    failed = status.get("phase") == "Failed"
    if failed and status.get("reason"):
        yield f"it failed: {status['reason']}"
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"it has no node ({scheduled.get('reason', '')}): {_short(str(scheduled.get('message', '')))}"
    yield from (words for _, words in containers_in_the_way(pod))
    if failed:
        yield "it failed: a container ended with an error"


_CONTAINERS: Final = ("initContainers", "containers")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses")


def is_crashing(container: Body) -> bool:
    """By its status. A kubelet that backs off may show the end itself all the while, and never the word for it."""
    state = container.get("state") or {}
    ended_badly = bool((state.get("terminated") or {}).get("exitCode"))
    return (state.get("waiting") or {}).get("reason") == CRASHING or bool(ended_badly and container.get("restartCount"))


def _container_reason(container: Body, image: str) -> str:
    state, before = container.get("state") or {}, container.get("lastState") or {}
    name, restarts = f"container {container.get('name')}", container.get("restartCount", 0)
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    message = _short(str(waiting.get("message", ""))) if reason in SAID_BY_CLUSTER else ""
    said = f"{reason}: {message}" if message else reason
    ended = state.get("terminated") or before.get("terminated") or {}
    if is_crashing(container):
        again = f"was restarted {restarts} time{'' if restarts == 1 else 's'}"
        return f"{name} crashes{f' ({reason})' if reason else ''}: it {_ending(ended)} and {again}"
    if reason in PULLS:
        return f"{name} cannot pull image {image}: {said}"
    if reason:
        return "" if reason in STARTING else f"{name} waits: {said}"
    return f"{name} {_ending(ended)}" if state.get("terminated") and ended.get("exitCode") else ""


def _ending(ended: Body) -> str:
    return f"ended with exit code {ended['exitCode']} ({ended.get('reason', 'Error')})" if ended else "ended"


def _has_command_probe(pod: Body) -> bool:
    containers = pod.get("spec", {}).get("containers") or ()
    return any("exec" in (container.get(probe) or {}) for container in containers for probe in PROBES)


def _rolled_out(workload: Body, replica_sets: Sequence[Body]) -> str | None:
    if workload.get("kind") == "StatefulSet":
        return str(workload.get("status", {}).get("updateRevision", "")) or None
    wanted = (workload["metadata"].get("annotations") or {}).get(REVISION)
    for body in replica_sets:
        if wanted is not None and (body["metadata"].get("annotations") or {}).get(REVISION) == wanted:
            return str((body["metadata"].get("labels") or {}).get(TEMPLATE_HASH, ""))
    return None


def _revision_of(pod: Body) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get(TEMPLATE_HASH) or labels.get(REVISION_HASH) or "")


def _seen_at(event: Body) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _condition(pod: Body, kind: str) -> Body:
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((found for found in conditions if found.get("type") == kind), {})


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_CHARACTERS else f"{line[: MESSAGE_CHARACTERS - 1]}…"
