"""Asking a Service through the API server: what is asked for, and that no path leads out of the Service."""

from datetime import timedelta

import pytest

from reconciler.errors import Rejected
from reconciler.kube.connection import connection
from reconciler.kube.services import path_of
from reconciler.kube.target import KubeTarget
from reconciler.ports import GetThrough
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.secret import Secret


def asked(path: str = "/", *, namespace: str = "ns", service: str = "web", scheme: str = "http") -> GetThrough:
    return GetThrough(namespace, service, scheme, "80", path, timedelta(seconds=5))


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/", ""),
        ("/healthz", "healthz"),
        ("/a/b?x=1&y=2", "a/b?x=1&y=2"),
        ("//a", "a"),
        ("/a%20b", "a%20b"),
        ("/ä", "%C3%A4"),
        ("/a#b", "a%23b"),
    ],
)
def test_a_path_is_asked_of_the_service(path: str, sent: str) -> None:
    assert path_of(asked(path)) == f"/api/v1/namespaces/ns/services/http:web:80/proxy/{sent}"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../secrets",
        "/a/../../x",
        "/%2e%2e/x",
        "/.%2e/x",
        "/%252e%252e/x",
        "/a%2f..%2f..%2fx",
        "/..\\x",
        "/%5c..%5cx",
        "/.",
    ],
)
def test_a_path_that_climbs_is_refused_before_anything_is_sent(path: str) -> None:
    with pytest.raises(Rejected, match="may not climb"):
        path_of(asked(path))


@pytest.mark.parametrize(("namespace", "service"), [("kube-system/secrets", "web"), ("ns", "web/../x"), ("ns", "")])
def test_only_names_are_asked(namespace: str, service: str) -> None:
    with pytest.raises(Rejected, match="is no name"):
        path_of(asked(namespace=namespace, service=service))


def test_the_answer_is_told_with_its_status_and_our_token_asks() -> None:
    with SandboxCluster() as cluster:
        cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}}}
        cluster.place("api/v1/namespaces/ns/services", service)
        kube = KubeTarget(connection(cluster.endpoint, cluster.ca_pem, token=Secret(cluster.token)))
        answer = kube.ask_service(asked())
        assert (answer.status, b"no endpoints" in answer.body) == (503, True)
        assert kube.ask_service(asked(service="other")).status == 404
        kube.close()
