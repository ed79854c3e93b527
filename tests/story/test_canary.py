"""A growing share of a new version beside the old one, and the way back from each of its steps.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import Verb
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.theatre import Theatre
from tests.failpoints.worlds import make_world
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_blue_green import land, workloads

LONGER = frozenset(
    {
        "test_without_an_automatic_return_it_is_said_what_stands_and_a_retry_goes_on_from_there",
        "test_a_person_turns_back_in_a_pause",
        "test_g20_a_canary_that_somebody_changed_stops_the_plan",
        "test_g21_a_number_out_of_bounds_turns_back_and_a_good_one_goes_on",
    }
)
CANARY = f"{DEPLOYMENT}-canary"
CHECK = "{traffic: {url: 'http://svc-a.svc-a/', requests: 20, minSuccessRate: 0.9}}"
STEPS = f"steps: [{{weight: 20, pause: 5m}}, {{weight: 80, pause: 1m}}], checks: [{CHECK}]"


def text(stage: Stage, tag: str, *, automatic: bool = True) -> str:
    """The release with a canary."""
    found = stage.release_text(tag).replace("automatic: true", f"automatic: {str(automatic).lower()}").rstrip()
    return f"{found}\n  strategy: {{type: canary, canary: {{{STEPS}}}}}\n"


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre.opened(tmp_path_factory.mktemp("canary"), make_world("plain")) as made:
        made.stage.accept_first()
        made.keep("first")
        yield made


@pytest.fixture
def stage(theatre: Theatre) -> Stage:
    return theatre.play("first", lambda _: None)


def pods(stage: Stage) -> int:
    """How many pods the canary has; 0: there is none."""
    found = stage.world.sandbox("prod").look(CANARY)
    return found["spec"]["replicas"] if found is not None else 0


def outcome(stage: Stage) -> str:
    return stage.ledger.units["release/svc-a"].outcome


def test_a_canary_grows_over_restarts_and_holds_and_then_everything_is_new(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    assert workloads(stage) == {"svc-a": "v2.0.0", "svc-a-canary": "v2.0.1"}
    assert pods(stage) == 1
    stage.clock.advance(timedelta(minutes=4))
    stage.restart()
    stage.settle()
    assert pods(stage) == 1  # a restart does not shorten the pause
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    stage.settle()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert pods(stage) == 1
    stage.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
    stage.settle()
    assert (pods(stage), workloads(stage)["svc-a"]) == (2, "v2.0.0")
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert workloads(stage) == {"svc-a": "v2.0.1"}
    assert outcome(stage) == "applied"


def test_g21_a_canary_that_answers_badly_goes_and_the_old_pods_are_not_touched(stage: Stage) -> None:
    before = stage.world.sandbox("prod").look(DEPLOYMENT)
    land(stage, {RELEASE: text(stage, "v2.0.1-sick")}, "bad")
    assert pods(stage) == 1
    stage.clock.advance(timedelta(minutes=6))
    stage.settle()
    after = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert before is not None
    assert after is not None
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert workloads(stage) == {"svc-a": "v2.0.0"}
    assert outcome(stage) == "rolled_back"


def test_without_an_automatic_return_it_is_said_what_stands_and_a_retry_goes_on_from_there(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1-broken", automatic=False)}, "bad")
    state = stage.ledger.units["release/svc-a"]
    finished = stage.ledger.rollouts["env-k8s-prod", state.generation].finished
    assert finished is not None
    assert "the canary of release/svc-a still answers its share" in finished.message
    assert workloads(stage)["svc-a"] == "v2.0.0"
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    stage.settle()
    assert outcome(stage) == "failed"
    finished = stage.ledger.rollouts["env-k8s-prod", state.generation].finished
    assert finished is not None
    assert finished.key == "release_apply_failed"  # what the first try left is no stranger's doing
    land(stage, {RELEASE: stage.release_text("v2.0.2")}, "better")
    assert workloads(stage) == {"svc-a": "v2.0.2"}


def test_g20_a_canary_that_somebody_changed_stops_the_plan(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    stage.world.sandbox("prod").edit(CANARY, {"spec": {"replicas": 9}})
    stage.clock.advance(timedelta(minutes=6))
    stage.settle()
    state = stage.ledger.units["release/svc-a"]
    finished = stage.ledger.rollouts["env-k8s-prod", state.generation].finished
    assert finished is not None
    assert (finished.outcome, finished.key) == ("failed", "target_changed")
    assert workloads(stage)["svc-a"] == "v2.0.0"


def test_a_person_turns_back_in_a_pause(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="no")
    stage.settle()
    assert workloads(stage) == {"svc-a": "v2.0.0"}
    assert outcome(stage) == "rolled_back"


def test_g21_a_number_out_of_bounds_turns_back_and_a_good_one_goes_on(stage: Stage) -> None:
    rate = {"v": "0.2"}
    asked = []

    def prometheus(request: Asked) -> tuple[int, Any]:
        asked.append((request.path, dict(request.query)["query"]))
        found = [{"metric": {}, "value": [1, rate["v"]]}]
        return 200, {"status": "success", "data": {"resultType": "vector", "result": found}}

    stage.world.sandbox("prod").behind["monitoring", "prometheus"] = prometheus
    check = "{prometheus: {url: 'http://prometheus.monitoring.svc:9090', query: 'errors', max: 0.01}}"
    land(stage, {RELEASE: text(stage, "v2.0.1").replace(CHECK, check)}, "bad")
    stage.clock.advance(timedelta(minutes=6))
    stage.settle()
    assert (outcome(stage), workloads(stage)) == ("rolled_back", {"svc-a": "v2.0.0"})
    state = stage.ledger.units["release/svc-a"]
    returning = stage.ledger.rollouts["env-k8s-prod", state.generation].returning
    assert returning is not None
    assert "wanted http://prometheus.monitoring.svc:9090: errors <= 0.01; got 0.2" in returning.reason
    rate["v"] = "0.001"
    land(stage, {RELEASE: text(stage, "v2.0.2").replace(CHECK, check)}, "good")
    for _ in range(2):
        stage.clock.advance(timedelta(minutes=6))
        stage.settle()
    assert (outcome(stage), workloads(stage)) == ("applied", {"svc-a": "v2.0.2"})
    path = "/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy/api/v1/query"
    assert asked == [(path, "errors")] * 3
