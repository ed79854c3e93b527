"""How many pods a way back by steps leaves, and what it says of them, where somebody wrote in between.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import re

import pytest

from reconciler.approval.decision import Verb
from reconciler.kube.marks import STOPPED
from reconciler.names import Revision
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.far_cluster import is_write
from tests.faults.release import cluster_of
from tests.story.altered import altered, mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
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


def revert(stage: Stage, **more: str | None) -> Revision:
    """To v2.0.0, by steps."""
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

    altered(stage).on_made = unmark
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

    altered(stage).on_made = unmark
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "broken")}, "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    altered(stage).on_made = lambda: None
    number = stage.propose({RELEASE: text(stage, "v2.0.2")}, branch="next")
    stage.approve(number, reason=stage.preview(number).previewed.digest)
    merged = stage.merge(number)
    assert (stage.statuses(merged)[OURS][0], pods(stage)) != ("success", 0)
