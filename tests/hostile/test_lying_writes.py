"""An API server that says 200 to a write and means something else: nothing is believed that it does not show (T14)."""

import gc
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.kube.answers import Answer
from reconciler.kube.client import Client, Request
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.sandbox.cluster import SandboxCluster
from tests.hostile.test_server import DESIRED, REF, WEB

PATH = "apis/apps/v1/namespaces/default/deployments/web"
LIES: Mapping[str, bytes] = MappingProxyType(
    {
        "a page": b"<html>welcome</html>",
        "nothing": b"",
        "null": b"null",
        "a number": b"1",
        "a text": b'"ok"',
        "a list": b"[]",
        "an empty object": b"{}",
        "a list of objects": b'{"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {}, "items": []}',
        "another kind": b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "u"}}',
        "a failure": b'{"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict"}',
        "metadata that is none": b'{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": []}',
        "metadata of null": b'{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": null}',
        "another name": b'{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "uid": "u"}}',
        "another uid": b'{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "u",'
        b' "namespace": "default", "resourceVersion": "9"}}',
        "circles": b"[" * 100_000,
    }
)
Act = Callable[[KubeTarget, str], None]


def _begin(target: KubeTarget, _uid: str) -> None:
    target.begin("web", "default", 2, "event 2")


def _apply(target: KubeTarget, uid: str) -> None:
    changed = {**WEB, "spec": {**WEB["spec"], "paused": True}}  # type: ignore[dict-item]
    target.apply("web", changed, generation=1, expected_uid=uid)


def _delete(target: KubeTarget, uid: str) -> None:
    target.delete("web", REF, generation=1, expected_uid=uid, forget=False)


def _forget(target: KubeTarget, uid: str) -> None:
    target.delete("web", REF, generation=1, expected_uid=uid, forget=True)


ACTS: Mapping[str, Act] = MappingProxyType({"begin": _begin, "apply": _apply, "delete": _delete, "forget": _forget})


@pytest.fixture(autouse=True)
def _garbage_of_others_waits() -> Iterator[None]:
    """At the bottom of a recursion no finalizer has a frame left: what other tests left behind would fail in it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def cluster() -> Iterator[SandboxCluster]:
    """Release web runs there, of generation 1."""
    with SandboxCluster() as found:
        target = KubeTarget(parse_kubeconfig(found.kubeconfig()))
        target.observe([DESIRED])
        target.begin("web", "default", 1, "event")
        target.apply("web", WEB, generation=1, expected_uid="")
        target.close()
        yield found


def lying(body: bytes, *, reads: bool, sent: list[str]) -> Callable[[Client, Request], Answer]:
    """A client whose server lies about reads of objects, or about what a write made; lies reach no cluster."""
    honest = Client._once

    def once(self: Client, request: Request) -> Answer:
        writes = request.method != "GET"
        if writes:
            sent.append(request.what)
        about = "/deployments" in request.path or "/configmaps" in request.path
        if about and writes != reads:
            return Answer(200, body, request.what, secret=request.secret)
        return honest(self, request)

    return once


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("lie", LIES)
def test_t14_what_a_write_answers_is_believed_only_where_it_shows_the_object(
    act: str, lie: str, cluster: SandboxCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: Any = cluster.look(PATH)
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()))
    monkeypatch.setattr(Client, "_once", lying(LIES[lie], reads=False, sent=[]))
    with pytest.raises(ReconcilerError) as refused:
        ACTS[act](target, live["metadata"]["uid"])
    target.close()
    assert refused.value.key in {"cluster_connect_failed", "resource_conflict", "target_changed", "owned_by_another"}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("lie", LIES)
def test_t14_nothing_is_written_on_an_object_that_was_not_seen(
    act: str, lie: str, cluster: SandboxCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: Any = cluster.look(PATH)
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()))
    sent: list[str] = []
    monkeypatch.setattr(Client, "_once", lying(LIES[lie], reads=True, sent=sent))
    with pytest.raises(ReconcilerError):
        ACTS[act](target, live["metadata"]["uid"])
    target.close()
    assert sent == []
