"""A canary by the weights of an HTTPRoute: what the route says at each step, and the way back from each of them.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.failpoints.theatre import Theatre
from tests.failpoints.worlds import make_world
from tests.story.gateway import DEFINITION, DEFINITIONS, MANIFEST, ROUTE, TEXT, weights
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_blue_green import land, workloads
from tests.story.test_canary import outcome, text

LONGER = frozenset(
    {
        "test_without_an_automatic_return_it_is_said_who_gets_what_and_the_next_version_begins_at_rest",
        "test_g20_a_route_that_somebody_changed_between_the_steps_stops_the_plan",
    }
)
SERVICES = "api/v1/namespaces/svc-a/services"
AT_REST = {"svc-a": 1}


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """svc-a v2.0.0 behind a route, with old and new pods told apart."""
    with Theatre.opened(tmp_path_factory.mktemp("weights"), make_world("plain")) as made:
        for cluster in ("prod", "staging"):  # both have releases of these manifests
            made.stage.world.sandbox(cluster).place(DEFINITIONS, DEFINITION)
        made.stage.accept_first()
        land(made.stage, {RELEASE: text(made.stage, "v2.0.0"), MANIFEST: TEXT}, "route")
        assert outcome(made.stage) == "applied"
        made.keep("routed")
        yield made


@pytest.fixture
def stage(theatre: Theatre) -> Stage:
    return theatre.play("routed", lambda _: None)


def route(stage: Stage) -> dict[str, Any]:
    found = stage.world.sandbox("prod").look(ROUTE)
    assert found is not None
    return found


def shares(stage: Stage) -> dict[str, int]:
    return weights(route(stage))


def passes(stage: Stage, minutes: int = 6) -> None:
    stage.clock.advance(timedelta(minutes=minutes))
    stage.settle()


def writes(stage: Stage, before: int) -> list[str]:
    """What was written since then, parents aside."""
    found = stage.world.sandbox("prod").real_effects[before:]
    return [f"{one.verb} {one.path.rpartition('/')[2]}" for one in found if "/secrets" not in one.path]


def finished(stage: Stage) -> Any:
    state = stage.ledger.units["release/svc-a"]
    return stage.ledger.rollouts["env-k8s-prod", state.generation].finished


def test_weights_grow_with_the_canary_and_are_at_rest_before_it_goes(stage: Stage) -> None:
    cluster = stage.world.sandbox("prod")
    before = route(stage)["spec"]
    land(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    assert shares(stage) == {"svc-a": 80, "svc-a-canary": 20}
    selector = cluster.look(f"{SERVICES}/svc-a-canary")
    assert selector is not None
    assert selector["spec"]["selector"] == {"app": "svc-a", "opspilot.spec/track": "canary"}
    stage.restart()
    passes(stage)
    assert shares(stage) == {"svc-a": 20, "svc-a-canary": 80}
    assert (route(stage)["spec"]["rules"][1], workloads(stage)["svc-a"]) == (before["rules"][1], "v2.0.0")
    seen = stage.effects()
    passes(stage)
    assert (route(stage)["spec"], workloads(stage), outcome(stage)) == (before, {"svc-a": "v2.0.1"}, "applied")
    assert cluster.look(f"{SERVICES}/svc-a-canary") is None
    left = [one for one in writes(stage, seen) if one.partition(" ")[2].startswith("svc-a")]
    assert left == ["patch svc-a", "patch svc-a", "delete svc-a-canary", "delete svc-a-canary"]


def test_g21_a_canary_that_answers_badly_loses_its_traffic_first_and_then_goes(stage: Stage) -> None:
    cluster = stage.world.sandbox("prod")
    old, before = cluster.look(DEPLOYMENT), route(stage)["spec"]
    land(stage, {RELEASE: text(stage, "v2.0.1-sick")}, "bad")
    assert shares(stage) == {"svc-a": 80, "svc-a-canary": 20}
    seen = len(cluster.real_effects)
    passes(stage)
    done = [one.path for one in cluster.real_effects[seen:] if one.path.rpartition("/")[2].startswith("svc-a")]
    fenced, first, *gone = [path.rpartition("/v1/namespaces/")[2] for path in done]
    assert fenced == "svc-a/deployments/svc-a"  # as it stands: what the rollout may still write is fenced first (G25)
    assert first == "svc-a/httproutes/svc-a"
    assert gone == [f"svc-a/{one}" for one in ("configmaps/svc-a", "deployments/svc-a-canary", "services/svc-a-canary")]
    new = cluster.look(DEPLOYMENT)
    assert old is not None
    assert new is not None
    assert (new["metadata"]["uid"], new["spec"]) == (old["metadata"]["uid"], old["spec"])
    assert (route(stage)["spec"], workloads(stage), outcome(stage)) == (before, {"svc-a": "v2.0.0"}, "rolled_back")
    assert cluster.look(f"{SERVICES}/svc-a-canary") is None


def test_without_an_automatic_return_it_is_said_who_gets_what_and_the_next_version_begins_at_rest(
    stage: Stage,
) -> None:
    cluster = stage.world.sandbox("prod")
    land(stage, {RELEASE: text(stage, "v2.0.1-sick", automatic=False)}, "bad")
    passes(stage)
    assert (outcome(stage), shares(stage)) == ("failed", {"svc-a": 80, "svc-a-canary": 20})
    assert "HTTPRoute svc-a sends 20 % to the canary of release/svc-a" in finished(stage).message
    seen = len(cluster.real_effects)
    land(stage, {RELEASE: text(stage, "v2.0.2")}, "better")
    paths = [one.path for one in cluster.real_effects[seen:] if one.path.rpartition("/")[2].startswith("svc-a")]
    assert paths[0].endswith(ROUTE.rpartition("/v1/")[2])
    assert shares(stage) == {"svc-a": 80, "svc-a-canary": 20}
    passes(stage)
    passes(stage)
    assert (shares(stage), workloads(stage), outcome(stage)) == (AT_REST, {"svc-a": "v2.0.2"}, "applied")


def test_g20_a_route_that_somebody_changed_between_the_steps_stops_the_plan(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1")}, "next")
    rules = route(stage)["spec"]["rules"]
    rules[0]["backendRefs"][1]["weight"] = 50
    stage.world.sandbox("prod").edit(ROUTE, {"spec": {"rules": rules}})
    passes(stage)
    assert (finished(stage).outcome, finished(stage).key) == ("failed", "target_changed")
    assert weights(route(stage))["svc-a-canary"] == 50
    assert workloads(stage)["svc-a"] == "v2.0.0"
