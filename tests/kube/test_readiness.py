"""kstatus as data: (object, status, a word of the reason)."""

from typing import Any

import pytest

from reconciler.expression import parse
from reconciler.state.readiness import Saying, Status, judge

Body = dict[str, Any]


def made(kind: str, spec: Body | None = None, status: Body | None = None, **metadata: Any) -> Body:
    group = {"Job": "batch/v1", "CustomResourceDefinition": "apiextensions.k8s.io/v1"}
    core = ("Pod", "Service", "PersistentVolumeClaim", "Namespace", "ConfigMap")
    version = "v1" if kind in core else group.get(kind, "apps/v1" if kind != "Widget" else "example.com/v1")
    named = {"name": "x", "generation": 2, **metadata}
    return {"apiVersion": version, "kind": kind, "metadata": named, "spec": spec or {}, "status": status or {}}


def condition(kind: str, value: str, reason: str = "", message: str = "", **more: Any) -> Body:
    return {"type": kind, "status": value, "reason": reason, "message": message, **more}


def deployment(*conditions: Body, wanted: int = 3, seen: int = 2, **counts: int) -> Body:
    status = {"observedGeneration": seen, "conditions": list(conditions), **counts}
    return made("Deployment", {"replicas": wanted}, status)


AVAILABLE = condition("Available", "True")
FULL = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
STATEFUL = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3}
DAEMON = {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2}
DAEMON_FULL = {**DAEMON, "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 2}
PARTITION = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}


def container(reason: str, message: str = "") -> Body:
    return {"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}


def route(*conditions: Body) -> Body:
    parents = [{"parentRef": {"name": "outside"}, "conditions": list(conditions)}] if conditions else []
    return {**made("HTTPRoute", status={"parents": parents}), "apiVersion": "gateway.networking.k8s.io/v1"}


def attached(*parents: tuple[str, str]) -> Body:
    """A route to the sections http and https of a gateway, and what that says of which (empty: it names none)."""
    told = [
        {
            "parentRef": {"name": "outside"} | ({"sectionName": section} if section else {}),
            "conditions": [condition("Accepted", status, "NotAllowed", "no", observedGeneration=2)],
        }
        for section, status in parents
    ]
    asked = {"parentRefs": [{"name": "outside", "sectionName": section} for section in ("http", "https")]}
    return {**made("HTTPRoute", asked, {"parents": told}), "apiVersion": "gateway.networking.k8s.io/v1"}


ACCEPTED = condition("Accepted", "True", observedGeneration=2)
CASES: dict[str, tuple[Body | None, Status, str]] = {
    "nothing there": (None, Status.NOT_FOUND, "not exist"),
    "being deleted": (made("ConfigMap", deletionTimestamp="x"), Status.TERMINATING, "deleted"),
    "route: nobody says anything of it": (route(), Status.CURRENT, ""),
    "route: taken": (route(ACCEPTED, condition("ResolvedRefs", "True", observedGeneration=2)), Status.CURRENT, ""),
    "route: not seen yet": (
        route(ACCEPTED, condition("ResolvedRefs", "True", observedGeneration=1)),
        Status.IN_PROGRESS,
        "gateway outside has not seen",
    ),
    "route: a backend is missing": (
        route(ACCEPTED, condition("ResolvedRefs", "False", "BackendNotFound", "no svc", observedGeneration=2)),
        Status.IN_PROGRESS,
        "gateway outside: BackendNotFound: no svc",
    ),
    "route: of another condition nothing is known": (
        route(ACCEPTED, condition("Programmed", "False", observedGeneration=1)),
        Status.CURRENT,
        "",
    ),
    "route: both sections took it": (attached(("http", "True"), ("https", "True")), Status.CURRENT, ""),
    "route: taken without naming a section": (attached(("", "True")), Status.CURRENT, ""),
    "route: one section took it": (attached(("http", "True")), Status.IN_PROGRESS, "has not taken it yet"),
    "route: refused without naming a section": (attached(("", "False")), Status.IN_PROGRESS, "NotAllowed: no"),
    "route: a section that was left refuses it": (
        attached(("http", "True"), ("https", "True"), ("old", "False")),
        Status.CURRENT,
        "",
    ),
    "a config map": (made("ConfigMap"), Status.CURRENT, ""),
    "deployment: all there": (deployment(AVAILABLE, **FULL), Status.CURRENT, ""),
    "deployment: none wanted": (deployment(AVAILABLE, wanted=0), Status.CURRENT, ""),
    "deployment: not seen yet": (deployment(AVAILABLE, seen=1, **FULL), Status.IN_PROGRESS, "not seen"),
    "deployment: no status": (made("Deployment", {"replicas": 0}), Status.IN_PROGRESS, "not seen"),
    "deployment: too slow": (
        deployment(condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out"), **FULL),
        Status.FAILED,
        "ProgressDeadlineExceeded: timed out",
    ),
    "deployment: too slow, but an older change": (
        deployment(condition("Progressing", "False", "ProgressDeadlineExceeded"), seen=1),
        Status.IN_PROGRESS,
        "not seen",
    ),
    "deployment: quota": (
        deployment(condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")),
        Status.IN_PROGRESS,
        "exceeded quota",
    ),
    "deployment: paused": (
        made("Deployment", {"replicas": 3, "paused": True}, {"observedGeneration": 2, **FULL}),
        Status.IN_PROGRESS,
        "paused",
    ),
    "deployment: not updated": (deployment(AVAILABLE, **{**FULL, "updatedReplicas": 1}), Status.IN_PROGRESS, "1 of 3"),
    "deployment: old pods": (deployment(AVAILABLE, **{**FULL, "replicas": 4}), Status.IN_PROGRESS, "1 old"),
    "deployment: not available": (deployment(**FULL), Status.IN_PROGRESS, "not available"),
    "deployment: not ready": (deployment(AVAILABLE, **{**FULL, "readyReplicas": 2}), Status.IN_PROGRESS, "2 of 3"),
    "replica set: all there": (
        made("ReplicaSet", {"replicas": 3}, {"observedGeneration": 2, **FULL}),
        Status.CURRENT,
        "",
    ),
    "replica set: too many": (
        made("ReplicaSet", {"replicas": 2}, {"observedGeneration": 2, **FULL}),
        Status.IN_PROGRESS,
        "too many",
    ),
    "stateful set: all there": (
        made("StatefulSet", {"replicas": 3}, {**STATEFUL, "currentRevision": "b", "updateRevision": "b"}),
        Status.CURRENT,
        "",
    ),
    "stateful set: old revision": (
        made("StatefulSet", {"replicas": 3}, {**STATEFUL, "currentRevision": "a", "updateRevision": "b"}),
        Status.IN_PROGRESS,
        "updated",
    ),
    "stateful set: not ready": (
        made("StatefulSet", {"replicas": 3}, {**STATEFUL, "readyReplicas": 1}),
        Status.IN_PROGRESS,
        "1 of 3",
    ),
    "stateful set: partition reached": (
        made("StatefulSet", PARTITION, {**STATEFUL, "updatedReplicas": 1, "updateRevision": "b"}),
        Status.CURRENT,
        "",
    ),
    "stateful set: partition not reached": (
        made("StatefulSet", PARTITION, {**STATEFUL, "updatedReplicas": 0}),
        Status.IN_PROGRESS,
        "0 of 1",
    ),
    "stateful set: on delete": (
        made(
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"type": "OnDelete"}},
            {**STATEFUL, "updatedReplicas": 0, "updateRevision": "b"},
        ),
        Status.CURRENT,
        "",
    ),
    "daemon set: all there": (made("DaemonSet", {}, DAEMON_FULL), Status.CURRENT, ""),
    "daemon set: no node": (
        made("DaemonSet", {}, {"observedGeneration": 2, "desiredNumberScheduled": 0}),
        Status.CURRENT,
        "",
    ),
    "daemon set: not counted": (made("DaemonSet", {}, {"observedGeneration": 2}), Status.IN_PROGRESS, "nodes"),
    "daemon set: old pods": (
        made("DaemonSet", {}, {**DAEMON_FULL, "updatedNumberScheduled": 1}),
        Status.IN_PROGRESS,
        "updated",
    ),
    "job: runs": (made("Job", {}, {"active": 1}), Status.IN_PROGRESS, "1 active"),
    "job: suspended": (made("Job", {"suspend": True}), Status.IN_PROGRESS, "suspended"),
    "job: complete": (made("Job", {}, {"conditions": [condition("Complete", "True")]}), Status.CURRENT, ""),
    "job: failed": (
        made("Job", {}, {"conditions": [condition("Failed", "True", "BackoffLimitExceeded", "too often")]}),
        Status.FAILED,
        "BackoffLimitExceeded: too often",
    ),
    "pod: ready": (
        made("Pod", {}, {"phase": "Running", "conditions": [condition("Ready", "True")]}),
        Status.CURRENT,
        "",
    ),
    "pod: done": (made("Pod", {}, {"phase": "Succeeded"}), Status.CURRENT, ""),
    "pod: failed": (made("Pod", {}, {"phase": "Failed", "message": "evicted"}), Status.FAILED, "evicted"),
    "pod: image cannot be pulled": (
        made("Pod", {}, {"phase": "Pending", "containerStatuses": [container("ImagePullBackOff", "no such tag")]}),
        Status.IN_PROGRESS,
        "ImagePullBackOff: no such tag",
    ),
    "pod: crashes": (
        made("Pod", {}, {"phase": "Running", "containerStatuses": [container("CrashLoopBackOff")]}),
        Status.FAILED,
        "CrashLoopBackOff",
    ),
    "pod: crashes, and the kubelet shows the end itself": (
        made(
            "Pod",
            {},
            {
                "phase": "Running",
                "containerStatuses": [{"name": "web", "restartCount": 2, "state": {"terminated": {"exitCode": 3}}}],
            },
        ),
        Status.FAILED,
        "exit code 3",
    ),
    "pod: ended once": (
        made(
            "Pod",
            {},
            {
                "phase": "Running",
                "containerStatuses": [{"name": "web", "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}],
            },
        ),
        Status.IN_PROGRESS,
        "exit code 3",
    ),
    "pod: no node": (
        made("Pod", {}, {"conditions": [condition("PodScheduled", "False", "Unschedulable", "no nodes")]}),
        Status.IN_PROGRESS,
        "no nodes",
    ),
    "pod: nothing said": (made("Pod"), Status.IN_PROGRESS, "not ready"),
    "service": (made("Service", {"type": "ClusterIP"}), Status.CURRENT, ""),
    "service: no address": (made("Service", {"type": "LoadBalancer"}), Status.IN_PROGRESS, "address"),
    "service: address": (
        made("Service", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}),
        Status.CURRENT,
        "",
    ),
    "claim: bound": (made("PersistentVolumeClaim", {}, {"phase": "Bound"}), Status.CURRENT, ""),
    "claim: pending": (made("PersistentVolumeClaim", {}, {"phase": "Pending"}), Status.IN_PROGRESS, "Pending"),
    "claim: lost": (made("PersistentVolumeClaim", {}, {"phase": "Lost"}), Status.FAILED, "lost"),
    "kind: established": (
        made("CustomResourceDefinition", {}, {"conditions": [condition("Established", "True")]}),
        Status.CURRENT,
        "",
    ),
    "kind: new": (made("CustomResourceDefinition"), Status.IN_PROGRESS, "established"),
    "kind: names taken": (
        made(
            "CustomResourceDefinition", {}, {"conditions": [condition("NamesAccepted", "False", "Conflict", "taken")]}
        ),
        Status.FAILED,
        "taken",
    ),
    "namespace: active": (made("Namespace", {}, {"phase": "Active"}), Status.CURRENT, ""),
    "namespace: ends": (made("Namespace", {}, {"phase": "Terminating"}), Status.TERMINATING, ""),
    "any: no status": (made("Widget"), Status.CURRENT, ""),
    "any: ready": (made("Widget", {}, {"conditions": [condition("Ready", "True")]}), Status.CURRENT, ""),
    "any: not ready": (
        made("Widget", {}, {"conditions": [condition("Ready", "False", "Waiting", "for you")]}),
        Status.IN_PROGRESS,
        "for you",
    ),
    "any: ready, but of an older generation": (
        made("Widget", {}, {"conditions": [condition("Ready", "True", observedGeneration=1)]}),
        Status.IN_PROGRESS,
        "not ready",
    ),
    "any: an older generation": (
        made("Widget", {}, {"observedGeneration": 1, "conditions": [condition("Ready", "True")]}),
        Status.IN_PROGRESS,
        "not seen",
    ),
    "any: stalled": (
        made("Widget", {}, {"conditions": [condition("Stalled", "True", "Broken", "for ever")]}),
        Status.FAILED,
        "Broken: for ever",
    ),
    "any: reconciling": (
        made("Widget", {}, {"conditions": [condition("Reconciling", "True", "Working")]}),
        Status.IN_PROGRESS,
        "Working",
    ),
    "any: a status that is no mapping": ({**made("Widget"), "status": "fine"}, Status.CURRENT, ""),
}


@pytest.mark.parametrize(("body", "status", "words"), CASES.values(), ids=CASES.keys())
def test_an_object_is_judged_by_what_it_says_of_its_newest_generation(
    body: Body | None, status: Status, words: str
) -> None:
    found = judge(body)
    assert found.status is status
    assert words in found.message


RUNS = Saying(parse("status.phase == 'Running'"), parse("status.phase in ['Broken', 'Lost']"))
READY = Saying(
    parse("status.conditions.exists(c, c.type == 'Up' && c.status == 'True')"),
    parse("status.conditions.exists(c, c.type == 'Down' && c.status == 'True')"),
)
SAID: dict[str, tuple[Body, Saying, Status, str]] = {
    "it runs": (made("Widget", {}, {"phase": "Running"}), RUNS, Status.CURRENT, ""),
    "no status yet": (made("Widget"), RUNS, Status.IN_PROGRESS, "cannot be told, because phase is not there"),
    "a status of nonsense": ({**made("Widget"), "status": "Running"}, RUNS, Status.IN_PROGRESS, "has no fields"),
    "it begins": (made("Widget", {}, {"phase": "New"}), RUNS, Status.IN_PROGRESS, "'Running' is not true yet"),
    "it is broken": (made("Widget", {}, {"phase": "Lost"}), RUNS, Status.FAILED, "in ['Broken', 'Lost']"),
    "it ran, in an older generation": (
        made("Widget", {}, {"phase": "Running", "observedGeneration": 1}),
        RUNS,
        Status.IN_PROGRESS,
        "not seen",
    ),
    "it was broken, in an older generation": (
        made("Widget", {}, {"phase": "Lost", "observedGeneration": 1}),
        RUNS,
        Status.IN_PROGRESS,
        "not seen",
    ),
    "up": (made("Widget", {}, {"conditions": [condition("Up", "True")]}), READY, Status.CURRENT, ""),
    "up, in an older generation": (
        made("Widget", {}, {"conditions": [condition("Up", "True", observedGeneration=1)]}),
        READY,
        Status.IN_PROGRESS,
        "older change",
    ),
    "down, in an older generation": (
        made("Widget", {}, {"conditions": [condition("Down", "True", observedGeneration=1), condition("Up", "True")]}),
        READY,
        Status.IN_PROGRESS,
        "older change",
    ),
    "being deleted": (made("Widget", {}, {"phase": "Running"}, deletionTimestamp="x"), RUNS, Status.TERMINATING, ""),
    "a workload is judged as ever": (deployment(AVAILABLE, seen=1, **FULL), RUNS, Status.IN_PROGRESS, "not seen"),
    "a workload that failed failed": (
        deployment(condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out"), **FULL),
        Saying(parse("true")),
        Status.FAILED,
        "timed out",
    ),
    "no answer is long": (
        made("Widget"),
        Saying(parse(f"status.phase == '{'x' * 900}'")),
        Status.IN_PROGRESS,
        "xxx...",
    ),
}


@pytest.mark.parametrize(("body", "saying", "status", "words"), SAID.values(), ids=SAID.keys())
def test_a_custom_resource_is_judged_by_what_its_release_says_of_its_kind(
    body: Body, saying: Saying, status: Status, words: str
) -> None:
    found = judge(body, saying)
    assert found.status is status
    assert words in found.message


def test_without_a_word_of_its_release_the_same_object_would_be_ready() -> None:
    assert judge(made("Widget", {}, {"phase": "Lost"})).status is Status.CURRENT


def test_no_is_not_said_of_conditions_that_speak_of_an_older_change() -> None:
    saying = Saying(parse("!status.conditions.exists(c, c.type == 'Degraded' && c.status == 'True')"))
    conditions = [{"type": "Degraded", "status": "True", "observedGeneration": 1}]
    body = made("Widget", status={"conditions": conditions}, generation=2)
    assert judge({**body, "apiVersion": "example.com/v1"}, saying).status is Status.IN_PROGRESS


def test_a_gateway_that_a_route_was_taken_from_stops_nothing() -> None:
    def parent(name: str, seen: int) -> Body:
        told = [condition(kind, "True", observedGeneration=seen) for kind in ("Accepted", "ResolvedRefs")]
        return {"parentRef": {"name": name}, "conditions": told}

    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "web", "generation": 3},
        "spec": {"parentRefs": [{"name": "now"}]},
        "status": {"parents": [parent("gone", 1), parent("now", 3)]},
    }
    assert judge(body).status is Status.CURRENT
    assert judge({**body, "status": {"parents": [parent("now", 2)]}}).status is Status.IN_PROGRESS


TAKEN, RESOLVED = condition("Accepted", "True"), condition("ResolvedRefs", "True")


@pytest.mark.parametrize(
    ("refs", "parents", "status"),
    [
        ([{"name": "a"}], None, Status.IN_PROGRESS),
        ([{"name": "a"}], [], Status.IN_PROGRESS),
        ([{"name": "a"}], [({"name": "a"}, [])], Status.IN_PROGRESS),
        ([{"name": "a"}], [({"name": "b"}, [TAKEN])], Status.IN_PROGRESS),
        ([{"name": "a"}], [({"name": "a", "namespace": "other"}, [TAKEN])], Status.IN_PROGRESS),
        ([{"name": "a"}, {"name": "b"}], [({"name": "a"}, [TAKEN, RESOLVED])], Status.IN_PROGRESS),
        ([{"name": "a"}], [({"name": "a", "namespace": "web"}, [TAKEN, RESOLVED])], Status.CURRENT),
        ([{"name": "a", "sectionName": "x"}], [({"name": "a", "sectionName": "x"}, [TAKEN])], Status.CURRENT),
        ([], [], Status.CURRENT),  # it asks nobody
        (None, None, Status.CURRENT),
    ],
)
def test_a_route_is_not_ready_before_each_gateway_that_it_names_took_it(
    refs: list[Body] | None, parents: list[tuple[Body, list[Body]]] | None, status: Status
) -> None:
    body: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "web", "generation": 1},
        "spec": {} if refs is None else {"parentRefs": refs},
    }
    if parents is not None:
        body["status"] = {"parents": [{"parentRef": ref, "conditions": told} for ref, told in parents]}
    assert judge(body).status is status
