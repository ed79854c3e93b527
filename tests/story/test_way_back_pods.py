"""How many pods a way back by steps leaves, and what it says of them, where somebody wrote in between.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.approval.decision import Verb
from reconciler.kube.marks import STOPPED
from reconciler.names import Revision
from reconciler.sandbox.cluster_http import Asked
from reconciler.sandbox.world import World
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.failpoints.theatre import Theatre
from tests.faults.far_cluster import FarCluster, is_write
from tests.faults.release import cluster_of
from tests.story.clock import MovableClock
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture
from tests.story.test_way_back import OURS, land, plan_of, pods, text

LONGER = frozenset(
    {
        "test_an_autoscaler_that_goes_with_the_version_leaves_the_number_that_the_old_source_says",
        "test_a_mark_that_somebody_took_away_is_not_silence_about_stopped_traffic",
        "test_traffic_that_was_never_stopped_is_not_told_as_stopped",
        "test_a_workload_without_its_mark_is_not_left_empty_by_the_plans_after_it",
    }
)
WORKER = "apis/apps/v1/namespaces/svc-a/deployments/worker"
PODS = "api/v1/namespaces/svc-a/pods"


class Witness(FarCluster):
    """Tells how many pods each Deployment of svc-a was to have at the moment at which a Job was made."""

    def __init__(self) -> None:
        super().__init__()
        self.when_made: list[dict[str, int]] = []
        self.on_made: Callable[[], None] = lambda: None

    def numbers(self) -> dict[str, int]:
        found = [one for one in self.contents().values() if one["kind"] == "Deployment"]
        mine = (one for one in found if one["metadata"]["namespace"] == "svc-a")
        return {one["metadata"]["name"]: one["spec"].get("replicas", 1) for one in mine}

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        code, body = super()._respond(asked)
        if code == 201 and makes_job(asked):
            self.when_made.append(self.numbers())
            self.on_made()
        return code, body


def makes_job(asked: Asked) -> bool:
    return is_write(asked) and "/jobs/" in asked.path and asked.method == "PATCH"


def _world(folder: Path, clock: MovableClock) -> World:
    return World(folder, clock=clock, hosts_wanted=(), make_cluster=lambda _name: Witness())


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with Theatre.opened(tmp_path_factory.mktemp("hostile"), _world) as opened:
        opened.stage.accept_first()
        opened.keep("first")
        yield opened


@pytest.fixture
def stage(theatre: Theatre) -> Iterator[Stage]:
    found = theatre.play("first", lambda _: None)
    witness(found).when_made.clear()
    yield found
    witness(found).on_made = lambda: None
    cluster_of(found).heal()


def witness(stage: Stage) -> Witness:
    found = cluster_of(stage)
    assert isinstance(found, Witness)
    return found


def mark(stage: Stage) -> str | None:
    found = cluster_of(stage).look(DEPLOYMENT)
    assert found is not None
    said: str | None = found["metadata"]["annotations"].get(STOPPED)
    return said


def revert(stage: Stage, **more: str | None) -> Revision:
    files: dict[str, str | None] = {RELEASE: stage.release_text("v2.0.0"), JOB: None, **more}
    number = stage.propose(files, branch="revert")
    assert steps(stage, number), "the revert has no steps"
    stage.approve(number, reason=stage.preview(number).previewed.digest)
    return stage.merge(number)


def steps(stage: Stage, number: int) -> set[int]:
    return {action.step for batch in plan_of(stage, number).batches for action in batch if action.step}


def order_back(stage: Stage) -> None:
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()


def told(stage: Stage, action: str) -> str:
    return next(row.text for row in stage.rows(release="svc-a") if row.action == action)


@pytest.mark.parametrize("way", ["revert", "order"])
def test_g23_a_version_that_was_stopped_by_hand_gets_the_pods_that_the_old_source_says(stage: Stage, way: str) -> None:
    new = re.sub(r"success: \[.*\]", "success: []", text(stage, "v2.0.1"))  # readiness alone counts
    land(stage, {RELEASE: new, JOB: job("downgrade")}, "good")
    cluster_of(stage).edit(DEPLOYMENT, {"spec": {"replicas": 0}}, "kubectl")
    if way == "revert":
        merged = revert(stage)
        ended = stage.statuses(merged)[OURS][0]
    else:
        order_back(stage)
        ended = stage.ledger.units["release/svc-a"].outcome
    assert (stage.image(), pods(stage)) == ("v2.0.0", 2), (ended, stage.ledger.units["release/svc-a"].outcome)


def test_an_autoscaler_that_goes_with_the_version_leaves_the_number_that_the_old_source_says(stage: Stage) -> None:
    scaler = """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: svc-a}
spec:
  minReplicas: 3
  maxReplicas: 9
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: svc-a}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""
    old = stage.world.example()[MANIFEST]
    scaled = old.replace("  replicas: 2\n", "").rstrip() + "\n" + scaler
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade"), MANIFEST: scaled}, "good")
    cluster_of(stage).edit(DEPLOYMENT, {"spec": {"replicas": 7}}, "kube-controller-manager")
    order_back(stage)
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert (stage.image(), pods(stage)) == ("v2.0.0", 2)


def test_a_mark_that_somebody_took_away_is_not_silence_about_stopped_traffic(stage: Stage) -> None:
    def unmark() -> None:
        cluster_of(stage).edit(DEPLOYMENT, {"metadata": {"annotations": {STOPPED: None}}}, "kubectl")

    witness(stage).on_made = unmark
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "broken")}, "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    words = told(stage, "rollback_failed")
    assert pods(stage) or "TRAFFIC IS STOPPED" in words, (words, stage.statuses(merged)[OURS])


def test_traffic_that_was_never_stopped_is_not_told_as_stopped(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster_of(stage).refuse(403, lambda asked: is_write(asked) and asked.path.endswith("/deployments/svc-a"))
    merged = revert(stage)
    assert (pods(stage), mark(stage)) == (2, None)
    assert "TRAFFIC IS STOPPED" not in stage.statuses(merged)[OURS][1]


def test_a_workload_without_its_mark_is_not_left_empty_by_the_plans_after_it(stage: Stage) -> None:
    land(stage, {MANIFEST: stage.world.example()[MANIFEST].replace("  replicas: 2\n", "")}, "unsaid")

    def unmark() -> None:
        cluster_of(stage).edit(DEPLOYMENT, {"metadata": {"annotations": {STOPPED: None}}}, "kubectl")

    witness(stage).on_made = unmark
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "broken")}, "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    witness(stage).on_made = lambda: None
    number = stage.propose({RELEASE: text(stage, "v2.0.2")}, branch="next")
    stage.approve(number, reason=stage.preview(number).previewed.digest)
    merged = stage.merge(number)
    assert (stage.statuses(merged)[OURS][0], pods(stage)) != ("success", 0)
