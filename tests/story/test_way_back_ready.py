"""Pods that a way back takes away and gives back: when they count as gone, and when as ready.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, job
from tests.story.altered import altered
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back import land, made, text
from tests.story.test_way_back_pods import order_back, told

LONGER: frozenset[str] = frozenset()
CRASHED = [
    {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"},
    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
]


def test_what_is_restored_stays_ready_as_long_as_its_release_says(stage: Stage) -> None:
    def lasting(release: str) -> str:
        return release.replace("health: {timeout: 5m}", "health: {timeout: 5m, stableFor: 30s}")

    new = re.sub(r"success: \[.*\]", "success: []", lasting(text(stage, "v2.0.1")))
    land(stage, {RELEASE: lasting(stage.release_text("v1.9.0"))}, "old")
    land(stage, {RELEASE: new, JOB: job("downgrade")}, "good")
    ready: list[datetime] = []

    def crash(body: dict[str, Any]) -> None:
        """After ten seconds, where these are pods of the old version."""
        if not body["spec"]["template"]["spec"]["containers"][0]["image"].endswith("v1.9.0"):
            return
        if body["status"].get("readyReplicas"):
            ready.append(stage.clock.now())
        if ready and stage.clock.now() - ready[0] > timedelta(seconds=10):
            known = body["metadata"]["generation"]
            body["status"] = {"observedGeneration": known, "replicas": 2, "conditions": CRASHED}

    altered(stage).status = crash
    order_back(stage)
    assert ready
    assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"


def test_a_workload_that_somebody_deletes_is_not_empty_while_its_pods_live(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster = altered(stage)
    cluster.place_pod("svc-a-1", {"app": "svc-a"})
    gone: list[str] = []

    def delete(asked: Asked) -> None:
        """While its pods are waited for."""
        if asked.method == "GET" and asked.path.endswith("/pods") and not gone and stopped():
            gone.append(asked.path)
            cluster.remove(DEPLOYMENT)

    def stopped() -> bool:
        found = cluster.look(DEPLOYMENT)
        return found is not None and found["spec"]["replicas"] == 0

    cluster.before = delete
    order_back(stage)
    assert (gone != [], cluster.pods(), made(stage)) == (True, ["svc-a-1"], [])
    words = told(stage, "rollback_failed")
    assert "Deployment.apps svc-a/svc-a was deleted meanwhile" in words
    assert "AND TRAFFIC IS STOPPED" in words
