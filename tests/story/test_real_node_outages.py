"""A canary with pods that run, whose API server dies and then stands still in the middle of a step (F16)."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.kube import client
from tests.servers.apiserver import found
from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.stage import RELEASE, Stage
from tests.story.test_real_node import IMAGE, RIGHTS, SECONDS, answered, on_the_node, running

pytestmark = pytest.mark.real

OURS = "reconciler/apply: env-k8s-prod"
PROXY = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}
PROGRAM = "kube-apiserver"


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, [*RIGHTS, PROXY]) as made:
        yield made


def api_pid(node: NodeCluster) -> int | None:
    told = node.hosts[0].exec(["pgrep", "--exact", PROGRAM]).stdout.split()
    return int(told[0]) if told else None


def send(node: NodeCluster, number: signal.Signals) -> int:
    """A signal to the API server's process on the host; which one that was."""
    pid = api_pid(node)
    assert pid is not None
    assert node.hosts[0].exec(["kill", f"-{number.value}", str(pid)]).returncode == 0
    return pid


def restarted(node: NodeCluster, before: int) -> bool:
    return (
        api_pid(node) not in (None, before) and found(node.endpoint, node.ca_pem, node.admin_token, "/readyz") == "ok"
    )


def test_f16_a_canary_goes_on_after_its_api_server_died_and_stood_still(
    stage: Stage, real_node: NodeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "{http: {url: 'http://svc-a.svc-a.svc.cluster.local/'}}"
    steps = f"{{type: canary, canary: {{steps: [{{weight: 50, pause: 5m}}], checks: [{asked}]}}}}"
    number = stage.propose({RELEASE: f"{stage.release_text('v2.0.1').rstrip()}\n  strategy: {steps}\n"})
    stage.approve(number)
    merged = stage.merge(number)
    assert stage.statuses(merged)[OURS][0] == "pending"
    both = sorted([(f"{IMAGE}:v2.0.0", True), (f"{IMAGE}:v2.0.0", True), (f"{IMAGE}:v2.0.1", True)])
    assert running(real_node) == both

    died = send(real_node, signal.SIGKILL)
    stage.settle()
    assert stage.statuses(merged)[OURS][0] == "pending"
    wait_until(lambda: restarted(real_node, died), "the API server to be back", SECONDS)
    stage.settle()
    assert (stage.statuses(merged)[OURS][0], running(real_node)) == ("pending", both)

    stage.clock.advance(timedelta(minutes=6))
    monkeypatch.setattr(client, "READ_SECONDS", 1.0)
    send(real_node, signal.SIGSTOP)
    try:
        stage.settle()
        state, words = stage.statuses(merged)[OURS]
        assert (state, words.startswith("waits for ")) == ("pending", True), words
    finally:
        send(real_node, signal.SIGCONT)
    monkeypatch.undo()
    stage.restart()  # another process goes on
    stage.settle()
    assert stage.statuses(merged)[OURS][0] == "success"
    actions = stage.actions(ticket=number)
    assert (actions.count("applied"), actions.count("failed"), "rollback_requested" in actions) == (1, 0, False)
    wait_until(lambda: len(running(real_node)) == 2, "the canary's pod to go", SECONDS)
    assert running(real_node) == [(f"{IMAGE}:v2.0.1", True)] * 2
    assert answered(real_node) == "v2.0.1"
