"""Why a workload waits, as data: (pod, words), (events, words), (pods of two revisions, whose words count)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reconciler.state.reasons import (
    has_revisions,
    in_the_way,
    in_words,
    is_ready,
    left_behind,
    of_newest_revision,
    selector_of,
    told_by,
)

Body = dict[str, Any]
IMAGE = "registry.example/web:v1"
OUTPUT = "s3cr3t-of-the-program"


def pod(*statuses: Body, phase: str = "Running", name: str = "web-1", **metadata: Any) -> Body:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata},
        "spec": {"containers": [{"name": "web", "image": IMAGE}]},
        "status": {"phase": phase, "containerStatuses": list(statuses)},
    }


def container(restarts: int = 0, before: Body | None = None, **state: Body) -> Body:
    return {"name": "web", "restartCount": restarts, "state": state, "lastState": {"terminated": before or {}}}


def ended(code: int, reason: str = "Error") -> Body:
    return {"exitCode": code, "reason": reason, "message": OUTPUT}


def waits(reason: str, message: str = "", **more: Any) -> Body:
    return container(waiting={"reason": reason, "message": message}, **more)


SCHEDULING = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes:\n no cpu"}

PODS: dict[str, tuple[Body, str]] = {
    "nothing wrong": (pod(container(running={})), ""),
    "starting": (pod(waits("ContainerCreating"), phase="Pending"), ""),
    "ended well": (pod(container(terminated={"exitCode": 0, "reason": "Completed"})), ""),
    "no such image": (
        pod(waits("ImagePullBackOff", "Back-off pulling")),
        f"container web cannot pull image {IMAGE}: ImagePullBackOff: Back-off pulling",
    ),
    "an invalid name": (
        pod(waits("InvalidImageName")),
        f"container web cannot pull image {IMAGE}: InvalidImageName",
    ),
    "crashes, and the kubelet says so": (
        pod(waits("CrashLoopBackOff", "back-off 5m0s", restarts=4, before=ended(3))),
        "container web crashes (CrashLoopBackOff): it ended with exit code 3 (Error) and was restarted 4 times",
    ),
    "crashes, and the kubelet shows the end itself": (
        pod(container(1, terminated=ended(137, "OOMKilled"))),
        "container web crashes: it ended with exit code 137 (OOMKilled) and was restarted 1 time",
    ),
    "crashes, and nothing of its end is known": (
        pod(waits("CrashLoopBackOff")),
        "container web crashes (CrashLoopBackOff): it ended and was restarted 0 times",
    ),
    "ended once": (pod(container(terminated=ended(1))), "container web ended with exit code 1 (Error)"),
    "runs again after a crash": (pod(container(2, before=ended(1), running={})), ""),
    "cannot be made": (
        pod(waits("CreateContainerConfigError", 'secret "keys" not found')),
        'container web waits: CreateContainerConfigError: secret "keys" not found',
    ),
    "no node": (
        {**pod(), "status": {"phase": "Pending", "conditions": [SCHEDULING]}},
        "it has no node (Unschedulable): 0/3 nodes: no cpu",
    ),
    "evicted": ({**pod(), "status": {"phase": "Failed", "reason": "Evicted"}}, "it failed: Evicted"),
    "failed, by the end of its container": (
        pod(container(terminated=ended(4)), phase="Failed"),
        "container web ended with exit code 4 (Error)",
    ),
    "failed, and nothing says why": (pod(phase="Failed"), "it failed: a container ended with an error"),
    "an init container": (
        {**pod(), "status": {"initContainerStatuses": [{**waits("ErrImagePull"), "name": "first"}]}},
        "container first cannot pull image : ErrImagePull",
    ),
    "no status yet": ({"metadata": {"name": "web"}, "spec": {}}, ""),
}


@pytest.mark.parametrize(("body", "words"), PODS.values(), ids=PODS.keys())
def test_a_pod_says_what_keeps_it_from_being_ready(body: Body, words: str) -> None:
    assert in_the_way(body) == words


def test_what_a_program_wrote_at_its_end_is_not_quoted() -> None:
    bodies = [pod(container(1, terminated=ended(3))), pod(container(terminated=ended(3)))]
    hook = pod(waits("PostStartHookError", f'exited with 1: , message: "{OUTPUT}"'))
    assert in_the_way(hook) == "container web waits: PostStartHookError"
    evicted: Body = {**pod(), "status": {"phase": "Failed", "message": OUTPUT}}
    assert [body for body in [*bodies, evicted] if OUTPUT in in_the_way(body)] == []


def test_a_long_message_is_cut() -> None:
    words = in_the_way(pod(waits("ErrImagePull", "x" * 5000)))
    assert len(words) < 400
    assert words.endswith("…")


def probed(by: str) -> Body:
    body = pod()
    body["spec"]["containers"][0]["readinessProbe"] = {by: {}}
    return body


def event(reason: str, message: str, at: str = "2026-01-01T00:00:01Z", kind: str = "Warning") -> Body:
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": at}


UNHEALTHY = event("Unhealthy", f"Readiness probe failed: {OUTPUT}")
EVENTS: dict[str, tuple[list[Body], Body, str]] = {
    "none": ([], pod(), ""),
    "no warning": ([event("Pulled", "fine", kind="Normal")], pod(), ""),
    "a probe over HTTP": ([UNHEALTHY], probed("httpGet"), f"Unhealthy: Readiness probe failed: {OUTPUT}"),
    "a command's output is not quoted": ([UNHEALTHY], probed("exec"), "Unhealthy: Readiness probe failed"),
    "an event whose words may be anybody's": ([event("Custom", OUTPUT)], pod(), "Custom"),
    "the newest": (
        [event("FailedMount", "new", "2026-01-01T00:00:09Z"), event("FailedMount", "old")],
        pod(),
        "FailedMount: new",
    ),
    "the newest of a series": (
        [{**event("FailedMount", "s", ""), "series": {"lastObservedTime": "2027"}}, event("FailedMount", "old")],
        pod(),
        "FailedMount: s",
    ),
    "what was so before it had a node": (
        [event("FailedScheduling", "no cpu", "2026-01-01T00:00:09Z"), event("FailedMount", "why")],
        pod(),
        "FailedMount: why",
    ),
}


@pytest.mark.parametrize(("events", "about", "words"), EVENTS.values(), ids=EVENTS.keys())
def test_events_tell_what_the_pod_does_not(events: list[Body], about: Body, words: str) -> None:
    assert told_by(events, about) == words


def test_of_a_claim_every_event_counts() -> None:
    known = [event("WaitForFirstConsumer", "waiting for first consumer", kind="Normal")]
    assert told_by(known, pod(), warnings=False) == "WaitForFirstConsumer: waiting for first consumer"


OLD = pod(name="old", labels={"pod-template-hash": "a"}, creationTimestamp="2026-01-02T00:00:00Z")
NEW = pod(name="new", labels={"pod-template-hash": "b"})
SETS = [
    {"metadata": {"labels": {"pod-template-hash": mark}, "annotations": {"deployment.kubernetes.io/revision": number}}}
    for mark, number in (("a", "1"), ("b", "2"))
]
DEPLOYMENT = {"kind": "Deployment", "metadata": {"annotations": {"deployment.kubernetes.io/revision": "2"}}}


def names(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    return [found["metadata"]["name"] for found in pods]


def test_a_deployments_pods_are_those_of_its_own_revision_and_not_the_youngest() -> None:
    assert names(of_newest_revision(DEPLOYMENT, [OLD, NEW], SETS)) == ["new"]


def test_a_stateful_sets_pods_are_those_of_its_update_revision() -> None:
    old, new = (pod(name=name, labels={"controller-revision-hash": name}) for name in ("old", "new"))
    body = {"kind": "StatefulSet", "metadata": {}, "status": {"updateRevision": "new"}}
    assert names(of_newest_revision(body, [old, new], [])) == ["new"]
    assert names(of_newest_revision(body, [old], [])) == []


def test_a_broken_pod_of_another_revision_that_a_stateful_set_waits_for_is_named_with_what_to_do() -> None:
    broken = pod(waits("ErrImagePull"), name="web-1")
    broken["metadata"]["namespace"] = "shop"
    reason = f"pod web-1: container web cannot pull image {IMAGE}: ErrImagePull"
    way = (
        "it is of another revision, and its StatefulSet never replaces it by itself: "
        "kubectl delete pod web-1 --namespace=shop"
    )
    assert left_behind([NEW, broken], [NEW]) == f"{reason}; {way}"
    assert left_behind([NEW, pod(container(running={}), name="starts")], [NEW]) == ""
    assert left_behind([broken], [broken]) == ""


def test_where_no_revision_is_known_the_youngest_pods_count() -> None:
    assert names(of_newest_revision({"kind": "DaemonSet", "metadata": {}}, [NEW, OLD], [])) == ["old"]
    assert names(of_newest_revision(DEPLOYMENT, [NEW, OLD], [])) == ["old"]


def test_pods_of_one_revision_are_all_of_it() -> None:
    assert not has_revisions([NEW, NEW])
    assert names(of_newest_revision(DEPLOYMENT, [NEW, NEW], [])) == ["new", "new"]
    assert has_revisions([NEW, OLD])


def test_a_reason_is_told_once_with_how_many_have_it_and_many_reasons_are_counted() -> None:
    assert in_words([("a", "x"), ("b", "x"), ("c", "y")]) == "pod a and 1 more: x; pod c: y"
    told = in_words([(f"pod-{number}", f"reason {number}") for number in range(5)])
    assert told.endswith("; and 2 more reasons")
    assert in_words([]) == ""


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    "body",
    [
        {**pod(), "status": {"conditions": [READY]}},
        pod(phase="Succeeded"),
        pod(deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
    ids=["ready", "done", "leaving"],
)
def test_of_a_pod_that_is_ready_done_or_leaving_nothing_is_told(body: Body) -> None:
    assert is_ready(body)
    assert not is_ready(pod())


RULES = [
    {"key": "tier", "operator": "In", "values": ["a", "b"]},
    {"key": "tier", "operator": "NotIn", "values": ["c"]},
    {"key": "kept", "operator": "Exists"},
    {"key": "gone", "operator": "DoesNotExist"},
]


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        (None, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": RULES}, "tier in (a,b),tier notin (c),kept,!gone"),
    ],
)
def test_a_selector_is_asked_as_the_api_reads_it(selector: Body | None, query: str) -> None:
    assert selector_of({"spec": {"selector": selector}}) == query
