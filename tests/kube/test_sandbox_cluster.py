"""The sandbox cluster itself: what its docstring promises beyond the contract of ports.KubeApi."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.kube.client import APPLY_TYPE, Client, Request
from reconciler.kube.connection import connection
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import Effect, SandboxCluster
from reconciler.secret import Secret
from reconciler.state.readiness import Status

WEB = "/apis/apps/v1/namespaces/default/deployments/web"
REF = ObjectRef("apps", "v1", "Deployment", "default", "web")


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as found:
        yield found


@pytest.fixture
def kube(cluster: SandboxCluster) -> Iterator[KubeTarget]:
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()))
    yield target
    target.close()


def workload(kind: str, image: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    spec: dict[str, Any] = {"template": pod, **({} if kind == "Job" else {"selector": {"matchLabels": {"a": "b"}}})}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


def roll(kube: KubeTarget, body: dict[str, Any], generation: int = 1) -> None:
    desired = DesiredObjects("web", "default", (body,))
    [seen] = kube.observe([desired])["web"].objects.values()
    kube.begin("web", "default", generation, "event")
    kube.apply("web", body, generation=generation, expected_uid=seen.uid)


def ref_of(body: dict[str, Any]) -> ObjectRef:
    group, version = body["apiVersion"].split("/")
    return ObjectRef(group, version, body["kind"], "default", "web")


def test_it_leaves_no_thread_and_no_listener() -> None:
    before = set(threading.enumerate())
    with SandboxCluster() as cluster:
        client = Client(parse_kubeconfig(cluster.kubeconfig()))
        client.get("/version", "asking")
    assert set(threading.enumerate()) == before
    with pytest.raises(Unavailable):
        client.get("/version", "asking")
    client.close()


def test_stopped_and_started_it_keeps_address_and_content(cluster: SandboxCluster, kube: KubeTarget) -> None:
    uid = kube.facts().uid
    cluster.stop()
    with pytest.raises(Unavailable):
        kube.facts()
    cluster.start()
    assert kube.facts().uid == uid


def test_another_token_is_refused(cluster: SandboxCluster) -> None:
    client = Client(connection(cluster.endpoint, cluster.ca_pem, token=Secret("another")))
    with pytest.raises(Rejected) as refused:
        client.get("/version", "asking")
    client.close()
    assert refused.value.key == "cluster_permission_insufficient"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_a_workload_rolls_out_on_the_second_read_after_a_change(kube: KubeTarget, kind: str) -> None:
    body = workload(kind, "registry.example/web:v1")
    roll(kube, body)
    statuses = [kube.readiness([ref_of(body)])[0].status for _ in range(3)]
    assert statuses == [Status.IN_PROGRESS, Status.CURRENT, Status.CURRENT]


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("Deployment", Status.FAILED),
        ("Job", Status.FAILED),
        ("StatefulSet", Status.IN_PROGRESS),
        ("DaemonSet", Status.IN_PROGRESS),
    ],
)
def test_a_broken_image_never_becomes_ready(kube: KubeTarget, kind: str, end: Status) -> None:
    body = workload(kind, "registry.example/web:v2-broken")
    roll(kube, body)
    statuses = [kube.readiness([ref_of(body)])[0].status for _ in range(4)]
    assert statuses == [Status.IN_PROGRESS, end, end, end]


@pytest.mark.parametrize(("tag", "end"), [("v1", Status.CURRENT), ("v1-broken", Status.FAILED)])
def test_what_is_written_on_a_job_that_is_over_begins_it_no_more(
    cluster: SandboxCluster, kube: KubeTarget, tag: str, end: Status
) -> None:
    body = workload("Job", f"registry.example/web:{tag}")
    roll(kube, body)
    job = "/apis/batch/v1/namespaces/default/jobs/web"
    before = [kube.readiness([ref_of(body)])[0].status for _ in range(2)]
    cluster.edit(job, {"spec": {"suspend": True, "parallelism": 0}})
    assert (before[1], kube.readiness([ref_of(body)])[0].status) == (end, end)


def test_a_deployment_is_repaired_by_the_next_image(kube: KubeTarget) -> None:
    roll(kube, workload("Deployment", "registry.example/web:broken"))
    kube.readiness([REF, REF])
    roll(kube, workload("Deployment", "registry.example/web:v3"), generation=2)
    assert [kube.readiness([REF])[0].status for _ in range(2)] == [Status.IN_PROGRESS, Status.CURRENT]


def test_it_counts_what_was_asked_and_what_had_an_effect(cluster: SandboxCluster, kube: KubeTarget) -> None:
    roll(kube, workload("Deployment", "registry.example/web:v1"))
    parent = "/api/v1/namespaces/default/configmaps"
    assert cluster.effects == [
        Effect("patch", WEB, dry_run=True),
        Effect("create", parent, dry_run=False),
        Effect("update", f"{parent}/reconciler.default.web", dry_run=False),
        Effect("patch", WEB, dry_run=False),
    ]
    assert cluster.real_effects == cluster.effects[1:]
    assert cluster.requests["list"] == 1
    assert kube.client.requests.total() == cluster.requests.total()


@contextlib.contextmanager
def speaking(cluster: SandboxCluster, length: int, sent: bytes) -> Iterator[ssl.SSLSocket]:
    """A connection on which the head of a write was sent, and something of its body."""
    said = f"PATCH {WEB} HTTP/1.1\r\nAuthorization: Bearer {cluster.token}\r\nConnection: close\r\n"
    host, port = "127.0.0.1", int(cluster.endpoint.rpartition(":")[2])
    trusted = ssl.create_default_context(cadata=cluster.ca_pem)
    with socket.create_connection((host, port)) as plain, trusted.wrap_socket(plain, server_hostname=host) as far:
        far.sendall(f"{said}Content-Length: {length}\r\n\r\n".encode() + sent)
        yield far


@pytest.mark.parametrize("sent", [b"", b"{}"])
def test_what_was_not_sent_whole_is_no_request(cluster: SandboxCluster, sent: bytes) -> None:
    """Whoever sent it was killed between its head and its end: no server ever saw that it asked for something."""
    with speaking(cluster, 99, sent) as far, contextlib.suppress(OSError):
        far.unwrap()  # returns when the other side has closed too
    assert cluster.effects == []


@pytest.mark.parametrize("sent", [b"", b"{"])
def test_a_write_that_says_nothing_is_refused(cluster: SandboxCluster, sent: bytes) -> None:
    with speaking(cluster, len(sent), sent) as far:
        assert far.recv(12) == b"HTTP/1.1 400"
    assert cluster.effects == []


def test_somebody_elses_edit_is_drift_and_is_not_counted(cluster: SandboxCluster, kube: KubeTarget) -> None:
    body = workload("Deployment", "registry.example/web:v1")
    roll(kube, body)
    before = len(cluster.effects)
    cluster.edit(WEB, {"spec": {"replicas": 5}})
    assert len(cluster.effects) == before
    stored = cluster.look(WEB)
    assert stored is not None
    assert stored["spec"]["replicas"] == 5
    assert cluster.look("/api/v1/namespaces/default/configmaps/none") is None


def test_deleting_a_namespace_takes_what_is_in_it(cluster: SandboxCluster) -> None:
    client = Client(parse_kubeconfig(cluster.kubeconfig()))
    client.send(Request("POST", "/api/v1/namespaces", "making", None, {"metadata": {"name": "n"}}))
    path = "/api/v1/namespaces/n/configmaps/c"
    client.send(Request("PATCH", path, "making", {"fieldManager": "x"}, {"data": {"a": "b"}}, APPLY_TYPE))
    client.send(Request("DELETE", "/api/v1/namespaces/n", "deleting"))
    assert client.find(path, "reading") is None
    client.close()


def test_long_lists_come_in_pages(cluster: SandboxCluster) -> None:
    client = Client(parse_kubeconfig(cluster.kubeconfig()))
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(5):
        client.send(Request("POST", path, "making", None, {"metadata": {"name": f"c{number}"}}))
    first = client.get(path, "listing", {"limit": "3"})
    rest = client.get(path, "listing", {"limit": "3", "continue": first["metadata"]["continue"]})
    client.close()
    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == [f"c{n}" for n in range(5)]
    assert "continue" not in rest["metadata"]
