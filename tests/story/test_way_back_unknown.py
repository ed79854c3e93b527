"""What somebody else made beside a release, its labels and all: no granted return takes it away, or stops it.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import copy
from typing import Any

import pytest

from reconciler.names import Revision
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, job
from tests.story.altered import altered
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back import OURS, entries, land, plan_of, text
from tests.story.test_way_back_pods import order_back, told

LONGER = frozenset(
    {
        "test_a_copy_of_a_workload_outlives_an_automatic_return",
        "test_a_revert_pull_request_shows_it_and_takes_it_away",
    }
)
BACK = "rollback_completed"
COPY = "Deployment.apps svc-a/svc-a-hotfix"
SERVERS = ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation")


def copied(stage: Stage, pods: int = 2) -> None:
    """What `kubectl get -o yaml`, another name and `kubectl create` make."""
    cluster = altered(stage)
    body: Any = copy.deepcopy(cluster.look(DEPLOYMENT))
    body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in SERVERS}
    body["metadata"]["name"] = "svc-a-hotfix"
    body["spec"]["replicas"] = pods
    body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = {"app": "hotfix"}
    cluster.place("apis/apps/v1/namespaces/svc-a/deployments", body, "kubectl")


def stepped(stage: Stage, ends: str = "ok") -> dict[str, str | None]:
    return {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", ends)}


def tag(stage: Stage) -> str:
    found: Any = altered(stage).look(DEPLOYMENT)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


def test_a_copy_of_a_workload_outlives_an_ordered_return_and_is_told(stage: Stage) -> None:
    merged = land(stage, {RELEASE: stage.release_text("v2.0.1")}, "good")
    copied(stage)
    order_back(stage)
    assert (altered(stage).numbers(), tag(stage)) == ({"svc-a": 2, "svc-a-hotfix": 2}, "v2.0.0")
    assert f"left alone, though it carries the labels of release/svc-a: {COPY}" in told(stage, BACK)
    assert stage.statuses(merged)[OURS][1].startswith("rolled back")


def test_a_copy_of_a_workload_outlives_an_automatic_return(stage: Stage) -> None:
    """Made while the rollout fails, to have one that answers."""
    number = stage.propose({RELEASE: stage.release_text("v2.0.1-broken")}, branch="bad")
    stage.approve(number)

    def at(asked: Asked) -> None:
        if asked.path.endswith(DEPLOYMENT) and asked.method == "GET" and "broken" in tag(stage):
            altered(stage).before = lambda _asked: None
            copied(stage)

    altered(stage).before = at
    stage.merge(number)
    assert (altered(stage).numbers(), tag(stage)) == ({"svc-a": 2, "svc-a-hotfix": 2}, "v2.0.0")
    assert COPY in told(stage, BACK)


def test_no_traffic_is_stopped_beside_a_copy_that_has_pods(stage: Stage) -> None:
    land(stage, stepped(stage), "good")
    copied(stage)
    order_back(stage)
    words = told(stage, "rollback_failed")
    assert f"no traffic is stopped beside {COPY}" in words, words
    assert "take its labels off, or delete it" in words, words
    assert (altered(stage).numbers(), tag(stage)) == ({"svc-a": 2, "svc-a-hotfix": 2}, "v2.0.1")
    assert not [one for one in entries(stage) if one[0]]  # no step was begun


@pytest.mark.parametrize("ends", ["ok", "broken"])
def test_a_copy_without_pods_is_in_nobodys_way_and_gets_none(stage: Stage, ends: str) -> None:
    land(stage, stepped(stage, ends), "good")
    copied(stage, pods=0)
    order_back(stage)
    outcome, version = (BACK, "v2.0.0") if ends == "ok" else ("rollback_failed", "v2.0.1")
    assert (altered(stage).numbers(), tag(stage)) == ({"svc-a": 2, "svc-a-hotfix": 0}, version)
    assert told(stage, outcome)


def test_a_revert_pull_request_shows_it_and_takes_it_away(stage: Stage) -> None:
    before = stage.release_text("v2.0.0")
    land(stage, {RELEASE: stage.release_text("v2.0.1")}, "good")
    copied(stage)
    number = stage.propose({RELEASE: before}, branch="back")
    assert COPY in {one.subject for one in plan_of(stage, number).changes}
    stage.approve(number)
    merged: Revision = stage.merge(number)
    assert (altered(stage).numbers(), stage.statuses(merged)[OURS][0]) == ({"svc-a": 2}, "success")
