"""What goes away, or will not go, on a real API server: a kind, a namespace, an object with a finalizer."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import Verb
from reconciler.errors import Unavailable
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from tests.servers.apiserver import ApiServer
from tests.servers.processes import wait_until
from tests.story.gateway import DEFINITIONS
from tests.story.real_targets import RealCluster
from tests.story.real_webhooks import PATIENT, Registered, at_the_write
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_real_admission import APPLY, HEALTH, blocked

pytestmark = pytest.mark.real

SECONDS = 60.0
LIVE = "api/v1/namespaces/svc-a/configmaps"
EXTRA = "releases/svc-a/manifests/extra.yaml"
WIDGETS = "apis/proofs.example.com/v1/namespaces/svc-a/widgets"
HOLD = "example.com/hold"


def settings(value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra}}\ndata: {{value: '{value}'}}\n"


def widget(size: int) -> str:
    return f"apiVersion: proofs.example.com/v1\nkind: Widget\nmetadata: {{name: first}}\nspec: {{size: {size}}}\n"


def definition() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.proofs.example.com"},
        "spec": {"group": "proofs.example.com", "names": names, "scope": "Namespaced", "versions": [version]},
    }


def land(stage: Stage, files: dict[str, str | None], branch: str) -> tuple[int, Any]:
    number = stage.propose(files, branch=branch)
    assert blocked(stage, number) == []
    stage.approve(number)
    return number, stage.merge(number)


def until_advanced(stage: Stage, cluster: RealCluster, path: str) -> threading.Thread:
    """Time passes as soon as this object is on its way out: nobody waits for real."""

    def leaving() -> bool:
        return "deletionTimestamp" in (cluster.look(path) or {"metadata": {}})["metadata"]

    def run() -> None:
        wait_until(leaving, f"{path} to be on its way out", SECONDS)
        stage.clock.advance(timedelta(minutes=11))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("path", [f"{LIVE}/extra", DEPLOYMENT], ids=["one object", "a release that is removed"])
def test_an_object_that_does_not_go_is_named_with_what_holds_it_and_a_retry_finishes(
    real_stage: Stage, cluster: RealCluster, path: str
) -> None:
    removed: dict[str, str | None] = {RELEASE: None}
    if path != DEPLOYMENT:
        land(real_stage, {EXTRA: settings("1")}, "extra")
        removed = {EXTRA: None}
    cluster.edit(path, {"metadata": {"finalizers": [HOLD]}})
    thread = until_advanced(real_stage, cluster, path)
    try:
        number, merged = land(real_stage, removed, "without")
    finally:
        thread.join()
        cluster.edit(path, {"metadata": {"finalizers": None}})
    state, _ = real_stage.statuses(merged)[APPLY]
    assert state in {"failure", "error"}
    failed = {row.action: row.text for row in real_stage.rows(ticket=number, release="svc-a")}["failed"]
    assert f"it is being deleted, and waits for its finalizers ({HOLD})" in failed
    assert "applied" not in real_stage.actions(ticket=number)
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == state  # nobody tries it again by himself
    real_stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="it is gone")
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    assert cluster.look(path) is None


def test_what_holds_a_namespace_is_said(real_apiserver: ApiServer, cluster: RealCluster) -> None:
    cluster.place("api/v1/namespaces", {"metadata": {"name": "held"}})
    place = "api/v1/namespaces/held/configmaps"
    cluster.place(place, {"metadata": {"name": "holder", "finalizers": [HOLD]}})
    cluster.delete("api/v1/namespaces/held")
    kube = KubeTarget(parse_kubeconfig(real_apiserver.kubeconfig(real_apiserver.admin_token)))
    namespace = ObjectRef("", "v1", "Namespace", "", "held")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "held"}}
    try:
        said = f"finalizers remaining: {HOLD}"
        wait_until(lambda: said in kube.readiness([namespace])[0].message, "what holds it to be said", SECONDS)
        with pytest.raises(Unavailable) as refused:
            kube.observe([DesiredObjects("held", "held", (body,))])
        assert "namespace held is being deleted; `kubectl describe namespace held` says" in refused.value.message
    finally:
        kube.close()
        cluster.edit(f"{place}/holder", {"metadata": {"finalizers": None}})


@PATIENT
def test_a_kind_that_goes_in_the_middle_is_told_with_its_objects(
    registered: Registered, real_stage: Stage, cluster: RealCluster
) -> None:
    cluster.place(DEFINITIONS, definition())
    kind = f"{DEFINITIONS}/widgets.proofs.example.com"
    wait_until(lambda: cluster._ask("GET", WIDGETS).status_code == 200, "the kind to be served", SECONDS)

    def goes() -> None:
        cluster.delete(kind)
        wait_until(lambda: cluster._ask("GET", WIDGETS).status_code == 404, "the kind to be gone", 20.0)

    try:
        land(real_stage, {EXTRA: widget(1)}, "widget")
        with at_the_write(registered, goes) as met:
            number, merged = land(real_stage, {EXTRA: widget(2), RELEASE: real_stage.release_text("v2.0.1")}, "next")
        assert met.is_set()
        real_stage.world.opened.reconciler.look_for_drift()
        real_stage.settle()
        state, words = real_stage.statuses(merged)[HEALTH]
        assert (state, words.startswith("drift: ")) == ("failure", True), words
        told = real_stage.rows(ticket=number, release="svc-a")[-1]
        gone = "svc-a/first: the server does not serve proofs.example.com/v1 Widget"
        assert (told.action, gone in told.text) == ("drift_detected", True), told.text
        other = real_stage.propose({RELEASE: real_stage.release_text("v2.0.2")}, branch="meanwhile")
        [(_, words)] = blocked(real_stage, other)
        assert gone in words
    finally:
        cluster.delete(kind)
