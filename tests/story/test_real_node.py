"""The main story with pods that run: what is told of a rollout is what `kubectl get pods` shows (C-01, C-06).

The reconciler has an account with a release's rights and no more; the images of svc-a are on the node, but one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.clock import MovableClock
from tests.story.real_server import Zeroed
from tests.story.real_targets import RealCluster
from tests.story.stage import RELEASE, Stage

pytestmark = pytest.mark.real

IMAGE = "registry.example.invalid/svc-a"
OFFERED = ("v2.0.0", "v2.0.1")
SECONDS = 300.0
WRITING = ["get", "list", "create", "patch", "delete"]
RIGHTS: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": [*WRITING, "update"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": WRITING},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": WRITING},
    {"apiGroups": ["", "apps"], "resources": ["pods", "events", "replicasets"], "verbs": ["list"]},
]


class Running(Zeroed):
    """The example as it is, with its replicas."""

    patience = "2m"
    replicas = 2


@contextmanager
def on_the_node(folder: Path, node: NodeCluster, rights: list[dict[str, Any]]) -> Iterator[Stage]:
    """The world with production on the node. Tests share the node, so what one left is waited for."""

    def left() -> set[str]:
        return {item["metadata"]["name"] for item in node.get("namespaces")["items"]} & {"opspilot", "svc-a"}

    wait_until(lambda: not left(), "namespaces of another test to go", SECONDS)
    for tag in OFFERED:
        node.offer_image(f"{IMAGE}:{tag}")
    node.kubectl("create", "namespace", "opspilot")
    account = node.limited_account("opspilot", "reconciler", (), rights)
    cluster = RealCluster(node, account)
    clock = MovableClock()
    world = Running(
        folder / "world", clock=clock, hosts_wanted=(), clusters_wanted=("prod",), make_cluster=lambda _: cluster
    )
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        yield stage
    finally:
        world.close()
        for name in cluster.parents():
            cluster.delete(f"api/v1/namespaces/default/configmaps/{name}")
        node.kubectl("delete", "namespace", "opspilot", "svc-a", "--wait=false")


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, RIGHTS) as made:
        yield made


def running(cluster: NodeCluster) -> list[tuple[str, bool]]:
    """Image and readiness of svc-a's pods that are not on their way out."""
    pods = cluster.get("pods", "--namespace=svc-a", "--selector=app=svc-a")["items"]
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    ready = [(pod["status"].get("containerStatuses") or [{"ready": False}])[0]["ready"] for pod in alive]
    return sorted((pod["spec"]["containers"][0]["image"], one) for pod, one in zip(alive, ready, strict=True))


def answered(cluster: NodeCluster) -> str:
    return cluster.kubectl("get", "--raw", "/api/v1/namespaces/svc-a/services/svc-a:http/proxy/").strip()


def test_a_release_runs_in_pods_and_an_image_that_is_not_there_is_told_and_taken_back(
    stage: Stage, real_node: NodeCluster
) -> None:
    assert running(real_node) == [(f"{IMAGE}:v2.0.0", True)] * 2
    assert answered(real_node) == "v2.0.0"

    number = stage.propose()
    stage.approve(number)
    merged = stage.merge(number)
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    assert running(real_node) == [(f"{IMAGE}:v2.0.1", True)] * 2
    assert answered(real_node) == "v2.0.1"

    text = stage.release_text("v9.9.9", **{"timeout: 2m": "timeout: 10s"})
    number = stage.propose({RELEASE: text}, branch="absent")
    stage.approve(number)
    merged = stage.merge(number)
    state, words = stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
    assert (state, words.startswith("rolled back")) == ("failure", True)
    told = {row.action: row.text for row in stage.rows(ticket=number, release="svc-a")}
    assert list(told)[-3:] == ["failed", "rollback_requested", "rollback_completed"]
    assert f"container svc-a cannot pull image {IMAGE}:v9.9.9: " in told["failed"]
    wait_until(lambda: len(running(real_node)) == 2, "the pod of the failed revision to go", SECONDS)
    assert running(real_node) == [(f"{IMAGE}:v2.0.1", True)] * 2
    assert answered(real_node) == "v2.0.1"
