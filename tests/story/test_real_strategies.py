"""A canary and a blue-green version with pods that run, asked through a real API server's proxy."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.gateway import DEFINITION, DEFINITIONS, MANIFEST, ROUTE, TEXT, weights
from tests.story.stage import RELEASE, Stage
from tests.story.test_real_node import IMAGE, RIGHTS, SECONDS, WRITING, answered, on_the_node, running

pytestmark = pytest.mark.real

PROXY = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}
GATEWAY = {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": WRITING}
OURS = "reconciler/apply: env-k8s-prod"
SERVICE = "svc-a.svc-a.svc.cluster.local"


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, [*RIGHTS, PROXY, GATEWAY]) as made:
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


def test_a_canary_has_the_weights_of_a_route_and_gives_them_back_before_it_goes(
    stage: Stage, real_node: NodeCluster
) -> None:
    """No gateway runs here, and the route names none: what is looked at is the route, and which pods each Service
    answers from."""
    cluster = stage.world.clusters["prod"]
    cluster.place(DEFINITIONS, DEFINITION)

    def served() -> bool:
        with contextlib.suppress(AssertionError):  # "storage is (re)initializing", right after a kind is new
            return cluster.look(ROUTE.rpartition("/")[0]) is not None
        return False

    wait_until(served, "the new kind to be served", SECONDS)
    asked = f"{{http: {{url: 'http://{SERVICE}/', contains: v2.0.1}}}}"
    steps = f"{{type: canary, canary: {{steps: [{{weight: 50, pause: 5m}}], checks: [{asked}]}}}}"

    def landed(tag: str, branch: str, strategy: str) -> None:
        text = f"{stage.release_text(tag).rstrip()}\n  strategy: {strategy}\n"
        number = stage.propose(
            {RELEASE: text, MANIFEST: TEXT.replace("  parentRefs: [{name: outside}]\n", "")}, branch=branch
        )
        assert not stage.plans(number).plans[0].blocked, stage.plans(number).plans[0].blocked
        stage.approve(number)
        stage.merge(number)

    def route() -> Any:
        found = cluster.look(ROUTE)
        assert found is not None
        return found

    landed("v2.0.0", "route", steps)
    before = route()["spec"]
    assert weights(route()) == {"svc-a": 1}
    landed("v2.0.1", "next", steps)
    assert weights(route()) == {"svc-a": 50, "svc-a-canary": 50}
    assert route()["spec"]["rules"][1] == before["rules"][1]
    assert {answered(real_node) for _ in range(10)} == {"v2.0.0"}  # the old name reaches old pods only
    stage.clock.advance(timedelta(minutes=6))
    stage.settle()  # asked under the old name, it is the canary alone that answers
    assert (stage.ledger.units["release/svc-a"].outcome, route()["spec"]) == ("applied", before)
    assert cluster.look("api/v1/namespaces/svc-a/services/svc-a-canary") is None
    wait_until(lambda: len(running(real_node)) == 2, "the canary's pod to go", SECONDS)
    assert running(real_node) == [(f"{IMAGE}:v2.0.1", True)] * 2

    landed("v2.0.0", "wrong", steps)  # it does not say v2.0.1
    assert weights(route()) == {"svc-a": 50, "svc-a-canary": 50}
    stage.clock.advance(timedelta(minutes=6))
    stage.settle()
    assert (stage.ledger.units["release/svc-a"].outcome, route()["spec"]) == ("rolled_back", before)
    assert cluster.look("api/v1/namespaces/svc-a/services/svc-a-canary") is None
    wait_until(lambda: len(running(real_node)) == 2, "the canary's pod to go", SECONDS)
    assert answered(real_node) == "v2.0.1"
