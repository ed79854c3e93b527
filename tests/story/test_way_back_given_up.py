"""A way back that gives its traffic back goes on with nothing else, and does not wait without end for one request.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.app.journal import Journal, Overtaken
from reconciler.approval.decision import Verb
from reconciler.errors import LeftBehind
from reconciler.kube.target import KubeTarget
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.far_cluster import Cut, is_write
from tests.story.altered import PODS, altered, makes_job, mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, notes, pods, text
from tests.story.test_way_back_pods import order_back, revert

LONGER = frozenset(
    {
        "test_no_migration_is_run_beside_traffic_that_was_given_back",
        "test_a_list_that_nobody_answers_meanwhile_keeps_no_pods_away",
    }
)


def with_worker(stage: Stage) -> str:
    old = stage.world.example()[MANIFEST]
    other = old.replace("name: svc-a\n", "name: worker\n", 1).replace("app: svc-a", "app: worker")
    return f"{old.rstrip()}\n---\n{other}"


@pytest.mark.parametrize("there", [True, False])  # whether its first pod stands already
@pytest.mark.parametrize("way", ["return", "revert"])
def test_no_migration_is_run_beside_traffic_that_was_given_back(
    stage: Stage,
    way: str,
    there: bool,  # noqa: FBT001
) -> None:
    both = with_worker(stage)
    land(stage, {MANIFEST: both}, "both")
    cluster = altered(stage)
    assert cluster.numbers() == {"svc-a": 2, "worker": 2}
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster.refuse(403, makes_job)  # a quota of Jobs, say

    def gives_worker(asked: Asked) -> bool:
        return is_write(asked) and asked.path.endswith("/worker") and bool(asked.body["spec"].get("replicas"))

    cluster.cut_at(Cut.UNHEARD, 1, gives_worker, away=True)
    if way == "revert":
        revert(stage)
    else:
        order_back(stage)
    assert cluster.cuts_met() == 1
    assert cluster.numbers() == {"svc-a": 2, "worker": 0}
    assert cluster.when_made == []
    pod = {"metadata": {"name": "svc-a-1", "labels": {"app": "svc-a"}}, "spec": {"containers": []}}
    if there:
        cluster.place(PODS, {"apiVersion": "v1", "kind": "Pod", **pod}, "kube-controller-manager")
    cluster.heal()  # and there is room for the Job again
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert all(not any(found.values()) for found in cluster.when_made), cluster.when_made


@pytest.mark.parametrize("code", [500, 503, 429])
def test_g23_traffic_is_not_stopped_for_hours_because_jobs_alone_cannot_be_made(stage: Stage, code: int) -> None:
    altered(stage).refuse(code, makes_job)  # the webhook that judges Jobs is down
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert pods(stage) == 0 or stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
    for _ in range(12):  # the step says that it takes ten minutes at most
        stage.clock.advance(timedelta(minutes=10))
        stage.settle()
    assert pods(stage) == 2, "its traffic is stopped for two hours"


def test_a_job_that_came_too_late_and_may_run_is_told_whoever_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")

    def run_job(*_given: object, **_named: object) -> None:
        """Another reconciler has gone on meanwhile, and so ends this one's part."""
        monkeypatch.setattr(Journal, "record", overtaken)
        raise LeftBehind("running it: Job svc-a/downgrade-1 was made too late and may run", key="resource_conflict")

    real = Journal.record

    def overtaken(journal: Journal, notes: Any, **named: Any) -> Any:
        if named.get("holds") is not None:
            raise Overtaken("another reconciler went on with it")
        return real(journal, notes, **named)

    monkeypatch.setattr(KubeTarget, "run_job", run_job)
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.world.opened.reconciler.look()
    assert [one for one in notes(stage) if "was made too late and may run" in one]


def without_lists(stage: Stage, code: int) -> None:
    """Services cannot be listed while pods are away: as of a kind whose conversion they serve."""
    altered(stage).refuse(
        code, lambda asked: asked.method == "GET" and asked.path.endswith("/services") and pods(stage) == 0
    )


def test_a_list_that_is_refused_meanwhile_keeps_no_pods_away(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    without_lists(stage, 403)
    order_back(stage)
    assert (pods(stage), mark(stage)) == (2, None)


@pytest.mark.parametrize("tag", ["v1", "broken"])
def test_a_list_that_nobody_answers_meanwhile_keeps_no_pods_away(stage: Stage, tag: str) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", tag)}, "good")
    without_lists(stage, 500)
    order_back(stage)
    for _ in range(4):
        stage.clock.advance(timedelta(minutes=30))
        stage.settle()
    assert (pods(stage), mark(stage)) == (2, None)
