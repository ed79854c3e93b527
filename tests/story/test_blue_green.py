"""A version beside the other one, one write that moves the traffic, and the way back: on the sandbox's cluster.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from reconciler.approval.decision import Verb
from reconciler.names import Revision
from tests.failpoints.theatre import Theatre
from tests.failpoints.worlds import make_world
from tests.story.stage import RELEASE, Stage

LONGER = frozenset(
    {
        "test_and_back_to_rolling_without_a_gap",
        "test_a_restart_neither_shortens_a_pause_nor_begins_it_again",
        "test_a_config_change_alone_makes_no_new_version",
        "test_without_an_automatic_return_it_is_said_where_the_traffic_is",
        "test_g23_a_hold_in_a_pause_stops_before_what_comes_next",
        "test_a_failure_is_tried_again_and_goes_through",
        "test_what_is_suspended_in_a_pause_is_left_alone_when_the_rollout_has_ended",
        "test_the_preview_shows_the_steps",
        "test_a_new_version_stands_beside_and_the_traffic_is_moved_by_one_write",
    }
)
SERVICE = "api/v1/namespaces/svc-a/services/svc-a"
DEPLOYMENTS = "apps//deployments/svc-a"
CHECK = "http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}"
OURS = "reconciler/apply: env-k8s-prod"


def text(stage: Stage, tag: str, *, delay: str = "10m", automatic: bool = True, checks: bool = True) -> str:
    """The release as blue-green."""
    found = stage.release_text(tag).replace("automatic: true", f"automatic: {str(automatic).lower()}")
    asked = f", checks: [{{{CHECK}}}]" if checks else ""
    return (
        found.replace("health: {timeout: 5m}", f"health: {{timeout: 5m{asked}}}").rstrip()
        + f"\n  strategy: {{type: blue_green, blueGreen: {{service: svc-a, scaleDownDelay: {delay}}}}}\n"
    )


def workloads(stage: Stage) -> dict[str, str]:
    """Image tags of what stands in the namespace, by name."""
    found = stage.world.sandbox("prod").contents()
    return {
        body["metadata"]["name"]: body["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        for body in found.values()
        if body["kind"] == "Deployment" and body["metadata"]["namespace"] == "svc-a"
    }


def serving(stage: Stage) -> set[str]:
    """Image tags of the ready pods that the Service selects."""
    cluster = stage.world.sandbox("prod")
    service = cluster.look(SERVICE)
    assert service is not None
    return {
        body["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        for body in cluster.contents().values()
        if body["kind"] == "Deployment"
        and service["spec"]["selector"].items() <= body["spec"]["template"]["metadata"]["labels"].items()
        and body.get("status", {}).get("readyReplicas")
    }


def land(stage: Stage, files: dict[str, str | None], branch: str) -> Revision:
    number = stage.propose(files, branch=branch)
    assert not stage.plans(number).plans[0].blocked, stage.plans(number).plans[0].checks
    stage.approve(number)
    return stage.merge(number)


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """A world that is put back to one of two moments: svc-a v2.0.0 as rolling, and v2.0.1 as blue-green."""
    with Theatre.opened(tmp_path_factory.mktemp("blue-green"), make_world("plain")) as made:
        made.stage.accept_first()
        made.keep("rolling")
        made.put_back("rolling")
        made.stage.restart()
        land(made.stage, {RELEASE: text(made.stage, "v2.0.1", delay="0s")}, "to-blue-green")
        assert made.stage.ledger.units["release/svc-a"].outcome == "applied"
        made.keep("blue")
        yield made


@pytest.fixture
def stage(theatre: Theatre) -> Stage:
    return theatre.play("rolling", lambda _: None)


@pytest.fixture
def blue(theatre: Theatre) -> Stage:
    return theatre.play("blue", lambda _: None)


def test_rolling_becomes_blue_green_without_a_gap(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1")}, "to-blue-green")
    assert sorted(workloads(stage).values()) == ["v2.0.0", "v2.0.1"]  # in the pause both stand
    assert serving(stage) == {"v2.0.1"}
    assert stage.statuses(merged)[OURS][0] == "pending"
    assert "a pause until" in stage.statuses(merged)[OURS][1]
    stage.clock.advance(timedelta(minutes=11))
    stage.settle()
    assert list(workloads(stage).values()) == ["v2.0.1"]
    assert stage.statuses(merged)[OURS][0] == "success"


def test_and_back_to_rolling_without_a_gap(blue: Stage) -> None:
    writes = blue.effects()
    land(blue, {RELEASE: blue.release_text("v2.0.2")}, "to-rolling")
    assert workloads(blue) == {"svc-a": "v2.0.2"}
    assert serving(blue) == {"v2.0.2"}
    kinds = [
        (effect.verb, effect.path.rsplit("/", 2)[1])
        for effect in blue.world.sandbox("prod").real_effects[writes:]
        if effect.path.startswith("/apis/apps")
    ]
    assert kinds == [("patch", "deployments"), ("delete", "deployments")]  # it is made before the other one goes


def test_a_new_version_stands_beside_and_the_traffic_is_moved_by_one_write(blue: Stage) -> None:
    (before,) = workloads(blue)
    land(blue, {RELEASE: text(blue, "v2.0.2")}, "next")
    both = workloads(blue)
    assert sorted(both.values()) == ["v2.0.1", "v2.0.2"]
    assert serving(blue) == {"v2.0.2"}
    blue.clock.advance(timedelta(minutes=9))
    blue.settle()
    assert before in workloads(blue)
    blue.clock.advance(timedelta(minutes=2))
    blue.settle()
    assert workloads(blue) == {name: tag for name, tag in both.items() if tag == "v2.0.2"}
    assert blue.ledger.units["release/svc-a"].outcome == "applied"


def test_a_restart_neither_shortens_a_pause_nor_begins_it_again(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2")}, "next")
    for _ in range(3):
        blue.clock.advance(timedelta(minutes=3))
        blue.restart()
        blue.settle()
        assert len(workloads(blue)) == 2
    blue.clock.advance(timedelta(minutes=1, seconds=1))
    blue.restart()
    blue.settle()
    assert list(workloads(blue).values()) == ["v2.0.2"]


def test_a_config_change_alone_makes_no_new_version(blue: Stage) -> None:
    before = workloads(blue)
    manifest = "releases/svc-a/manifests/deployment.yaml"
    scaled = blue.world.example()[manifest].replace("replicas: 2", "replicas: 3").replace("cpu: 100m", "cpu: 200m")
    number = blue.propose({manifest: scaled}, branch="scale")
    (plan,) = (one for one in blue.plans(number).plans if one.environment == "env-k8s-prod")
    assert [change.operation.value for change in plan.changes] == ["update"]
    blue.approve(number)
    blue.merge(number)
    assert workloads(blue) == before
    assert blue.ledger.units["release/svc-a"].outcome == "applied"


@pytest.mark.parametrize("tag", ["v2.0.2-broken", "v2.0.2-sick"])
def test_g21_what_is_not_ready_or_does_not_answer_never_gets_the_traffic(blue: Stage, tag: str) -> None:
    before, writes = workloads(blue), blue.effects()
    merged = land(blue, {RELEASE: text(blue, tag)}, "bad")
    assert (workloads(blue), serving(blue)) == (before, {"v2.0.1"})
    assert blue.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert blue.statuses(merged)[OURS][0] == "failure"
    first = next(effect for effect in blue.world.sandbox("prod").real_effects[writes:] if effect.verb == "delete")
    assert "/deployments/" in first.path or "/services/svc-a-" in first.path  # of the new version, and nothing else


def test_without_an_automatic_return_it_is_said_where_the_traffic_is(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2-sick", automatic=False)}, "bad")
    assert serving(blue) == {"v2.0.1"}
    assert len(workloads(blue)) == 2  # for people to look at
    state = blue.ledger.units["release/svc-a"]
    finished = blue.ledger.rollouts["env-k8s-prod", state.generation].finished
    assert finished is not None
    assert finished.outcome == "failed"
    assert "wanted GET http://svc-a.svc-a.svc.cluster.local/healthz: 200; got 500" in finished.message
    assert "Service svc-a still answers from the version before" in finished.message


def test_g23_a_hold_in_a_pause_stops_before_what_comes_next(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2")}, "next")
    blue.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    blue.settle()
    blue.clock.advance(timedelta(minutes=11))
    blue.settle()
    assert len(workloads(blue)) == 2
    assert serving(blue) == {"v2.0.2"}
    blue.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
    blue.settle()
    assert list(workloads(blue).values()) == ["v2.0.2"]


def test_a_rollback_in_the_pause_is_one_write_of_the_service_and_a_deletion(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2")}, "next")
    writes = blue.effects()
    blue.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="it is slow")
    blue.settle()
    assert list(workloads(blue).values()) == ["v2.0.1"]
    assert serving(blue) == {"v2.0.1"}
    done = [
        (effect.verb, effect.path.rsplit("/", 2)[1])
        for effect in blue.world.sandbox("prod").real_effects[writes:]
        if "configmaps" not in effect.path
    ]
    assert [one for one in done if one[0] == "delete"] == [("delete", "deployments"), ("delete", "services")]
    assert ("create", "deployments") not in done  # what stood before never went
    assert blue.ledger.units["release/svc-a"].outcome == "rolled_back"


def test_a_failure_is_tried_again_and_goes_through(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2-sick", automatic=False)}, "bad")
    blue.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    blue.settle()
    assert blue.ledger.units["release/svc-a"].outcome == "failed"
    land(blue, {RELEASE: text(blue, "v2.0.3", delay="0s")}, "better")
    assert list(workloads(blue).values()) == ["v2.0.3"]
    assert serving(blue) == {"v2.0.3"}


def test_what_is_suspended_in_a_pause_is_left_alone_when_the_rollout_has_ended(blue: Stage) -> None:
    land(blue, {RELEASE: text(blue, "v2.0.2")}, "next")
    land(blue, {RELEASE: text(blue, "v2.0.3") + "  suspend: true\n"}, "suspended")
    assert sorted(workloads(blue).values()) == ["v2.0.1", "v2.0.2"]
    blue.clock.advance(timedelta(minutes=11))
    blue.settle()
    assert list(workloads(blue).values()) == ["v2.0.2"]
    assert not blue.ledger.running()


def test_the_preview_shows_the_steps(blue: Stage) -> None:
    number = blue.propose({RELEASE: text(blue, "v2.0.2")}, branch="next")
    (comment,) = blue.world.opened.forge.comments(number)
    body = comment.body.partition("#### How it goes")[2].partition("####")[0]
    (before,) = workloads(blue)
    lines = [line.strip() for line in body.strip().splitlines()]
    assert [line.partition(" ")[0] for line in lines] == ["-", "1.", "2.", "3.", "4.", "5.", "6.", "7."]
    assert lines[3] == "3. one write of Service `svc-a` moves all traffic to it"
    assert lines[5] == f"5. nothing is done for `10m`; `Deployment.apps svc-a/{before}` is kept"


AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: svc-a}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: svc-a}
  minReplicas: 2
  maxReplicas: 20
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
"""


def test_a_new_version_begins_with_as_many_pods_as_the_autoscaler_gave_the_old_one(blue: Stage) -> None:
    (before,) = workloads(blue)
    land(blue, {"releases/svc-a/manifests/hpa.yaml": AUTOSCALER}, "scaled")
    cluster = blue.world.sandbox("prod")
    path = "apis/apps/v1/namespaces/svc-a/deployments/"
    cluster.edit(path + before, {"spec": {"replicas": 7}}, "kube-controller-manager")
    number = blue.propose({RELEASE: text(blue, "v2.0.2")}, branch="next")
    digest = blue.preview(number).previewed.digest
    cluster.edit(path + before, {"spec": {"replicas": 9}}, "kube-controller-manager")
    blue.settle()
    assert blue.preview(number).previewed.digest == digest  # the autoscaler's number is in no digest
    blue.approve(number)
    blue.merge(number)
    (after,) = workloads(blue).keys() - {before}
    made, scaler = (
        cluster.look(path + after),
        cluster.look("apis/autoscaling/v2/namespaces/svc-a/horizontalpodautoscalers/svc-a"),
    )
    assert made is not None
    assert scaler is not None
    assert made["spec"]["replicas"] == 9
    assert scaler["spec"]["scaleTargetRef"]["name"] == after
