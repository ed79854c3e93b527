"""A canary and a blue-green version with pods that run, asked through a real API server's proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.stage import RELEASE, Stage
from tests.story.test_real_node import IMAGE, RIGHTS, SECONDS, answered, on_the_node, running

pytestmark = pytest.mark.real

PROXY = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}
OURS = "reconciler/apply: env-k8s-prod"
SERVICE = "svc-a.svc-a.svc.cluster.local"


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, [*RIGHTS, PROXY]) as made:
        yield made


def released(stage: Stage, tag: str, strategy: str, checks: str, branch: str) -> tuple[str, str]:
    """How a version ended."""
    health = f"timeout: 2m, checks: [{checks}]" if checks else "timeout: 2m"
    text = stage.release_text(tag, **{"timeout: 2m": health}).rstrip()
    number = stage.propose({RELEASE: f"{text}\n  strategy: {strategy}\n"}, branch=branch)
    assert not stage.plans(number).plans[0].blocked, stage.plans(number).plans[0].blocked
    stage.approve(number)
    return stage.statuses(stage.merge(number))[OURS]


def test_a_canary_and_then_a_blue_green_version_take_the_traffic(stage: Stage, real_node: NodeCluster) -> None:
    asked = f"{{traffic: {{url: 'http://{SERVICE}/healthz', requests: 20}}}}"
    steps = f"{{type: canary, canary: {{steps: [{{weight: 50, pause: 0s}}], checks: [{asked}]}}}}"
    state, words = released(stage, "v2.0.1", steps, "", "canary")
    assert (state, words) == ("success", words)
    wait_until(lambda: len(running(real_node)) == 2, "the canary's pod to go", SECONDS)
    assert running(real_node) == [(f"{IMAGE}:v2.0.1", True)] * 2
    assert answered(real_node) == "v2.0.1"

    switch = "{type: blue_green, blueGreen: {service: svc-a, scaleDownDelay: 0s}}"
    only_new = f"{{http: {{url: 'http://{SERVICE}/', contains: v2.0.0}}}}"
    state, words = released(stage, "v2.0.0", switch, only_new, "blue-green")
    assert (state, words) == ("success", words)
    wait_until(lambda: len(running(real_node)) == 2, "the old version's pods to go", SECONDS)
    assert running(real_node) == [(f"{IMAGE}:v2.0.0", True)] * 2
    assert answered(real_node) == "v2.0.0"

    wrong = f"{{http: {{url: 'http://{SERVICE}/', contains: v9.9.9}}}}"
    state, words = released(stage, "v2.0.1", switch, wrong, "wrong")
    assert (state, words.startswith("rolled back")) == ("failure", True)
    assert answered(real_node) == "v2.0.0"  # it answered wrongly beside the old one, and never got the traffic
