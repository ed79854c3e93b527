"""What may run beside pods that a way back gives back: nothing of its Jobs, without a word.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, job
from tests.story.altered import Altered, altered, makes_job
from tests.story.altered import quick as quick  # a fixture
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, made, pods, text
from tests.story.test_way_back_owed import MIGRATE, ROLL_BACK, VERIFY, stepped
from tests.story.test_way_back_pods import order_back, told
from tests.story.test_way_back_refused import gives

LONGER = frozenset({"test_a_job_that_may_neither_be_read_nor_stopped_is_told"})
GRACE = timedelta(seconds=25)
QUOTA: list[dict[str, Any]] = [
    {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"},
    {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"},
]


def other(stage: Stage, tag: str) -> dict[str, str | None]:
    """A second release, svc-x, beside svc-a."""
    example = stage.world.example()
    release = text(stage, tag).replace("name: svc-a}", "name: svc-x}").replace("job: downgrade", "job: down-x")
    release = release.replace("releases/svc-a/", "releases/svc-x/").replace("svc-a.svc-a.svc", "svc-x.svc-a.svc")
    places = {f"releases/svc-x/manifests/{name}.yaml": name for name in ("configmap", "deployment", "service")}
    files = {
        at: example[f"releases/svc-a/manifests/{name}.yaml"].replace("svc-a", "svc-x") for at, name in places.items()
    }
    return {
        "releases/svc-x/production.yaml": release,
        "releases/svc-x/manifests/jobs.yaml": job("down-x"),
        **files,
    }


def test_a_job_of_one_release_does_not_run_beside_pods_where_that_of_another_was_refused(stage: Stage) -> None:
    land(stage, {**other(stage, "v1.9.0"), RELEASE: stage.release_text("v1.9.0")}, "both")
    cluster = altered(stage)
    cluster.refuse(403, lambda asked: makes_job(asked) and "down-x" in asked.path)
    new = {**other(stage, "v2.0.1-broken"), RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "hanging")}
    land(stage, new, "bad")
    assert [one.partition("-")[0] for one in {*made(stage)}] == ["downgrade"]
    assert (cluster.numbers(), cluster.running()) == ({"svc-a": 2, "svc-x": 2}, [])


def unread(asked: Asked) -> bool:
    return asked.method == "GET" and "/jobs/" in asked.path


def test_a_job_that_may_not_be_read_is_stopped_before_pods_come_back(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", "hanging")}, "good")
    altered(stage).refuse(403, lambda asked: bool(made(stage)) and unread(asked))
    order_back(stage)
    assert (pods(stage), len({*made(stage)}), altered(stage).running()) == (2, 1, [])
    assert "MAY STILL RUN" not in told(stage, "rollback_failed")


def test_a_job_that_may_neither_be_read_nor_stopped_is_told(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", "hanging")}, "good")
    altered(stage).refuse(403, lambda asked: bool(made(stage)) and (unread(asked) or makes_job(asked)))
    order_back(stage)
    (run,) = {*made(stage)}
    assert (pods(stage), altered(stage).running()) == (2, [run])
    assert f"Job.batch svc-a/{run} MAY STILL RUN" in told(stage, "rollback_failed")


@pytest.mark.parametrize("looks", [True, False])
def test_without_stop_traffic_a_job_that_was_begun_is_not_told_as_one_that_could_not_be_run(
    stage: Stage, *, looks: bool
) -> None:
    release = stepped(stage, "v2.0.1", MIGRATE, ROLL_BACK, VERIFY)
    land(stage, {RELEASE: release, JOB: job("downgrade", "hanging")}, "good")
    cluster = altered(stage)
    cluster.refuse(503, lambda asked: bool(made(stage)) and unread(asked))
    order_back(stage)
    (run,) = cluster.running()
    cluster.heal()
    cluster.refuse(403, lambda asked: unread(asked) and not (looks and asked.path.endswith(run)))
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    words = told(stage, "rollback_failed")
    assert cluster.running() == ([] if looks else [run])
    assert ("no run of a Job of it goes on" if looks else f"{run} MAY STILL RUN") in words


class Living:
    """A pod of the first Job that is made, which lives for so long; whether it did when pods came back. `gone`:
    somebody deletes the Job meanwhile."""

    def __init__(self, stage: Stage, life: timedelta, *, gone: bool = False) -> None:
        self._stage, self._life, self._gone = stage, life, gone
        self._at: datetime | None = None
        self._name = ""
        self.beside: list[bool] = []
        altered(stage).before = self._look

    def _look(self, asked: Asked) -> None:
        cluster: Altered = altered(self._stage)
        now = self._stage.clock.now()
        if makes_job(asked) and self._at is None:
            self._at, self._name = now, asked.path.rpartition("/")[2]
            cluster.place_pod(f"{self._name}-x", {"job-name": self._name})
        if self._at is not None and now - self._at > self._life and cluster.pods():
            cluster.remove(f"api/v1/namespaces/svc-a/pods/{self._name}-x")
        if self._gone and self._at is not None and now > self._at:
            self._gone = False
            cluster.remove(f"apis/batch/v1/namespaces/svc-a/jobs/{self._name}")
        if gives(asked) and self._at is not None:
            self.beside.append(bool(cluster.pods()))


@pytest.mark.parametrize("life", [GRACE, timedelta(hours=1)], ids=["its grace", "for ever"])
@pytest.mark.parametrize("end", ["broken", "hanging"], ids=["failed", "was deleted"])
def test_pods_of_a_job_that_is_over_are_waited_for_and_not_for_ever(stage: Stage, end: str, life: timedelta) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", end)}, "good")
    living = Living(stage, life, gone=end == "hanging")
    order_back(stage)
    stays = life > GRACE
    assert (living.beside, pods(stage)) == ([stays], 2)
    assert ("1 of the pods of Job.batch svc-a/downgrade" in told(stage, "rollback_failed")) is stays
    assert ("it is gone: nobody knows how it ended" in told(stage, "rollback_failed")) is (end == "hanging")


@pytest.mark.parametrize("ready", [0, 1])
def test_pods_that_did_not_come_are_not_told_as_traffic_that_was_given_back(stage: Stage, ready: int) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", "broken")}, "good")

    def starve(body: dict[str, Any]) -> None:
        if made(stage):
            known = body["metadata"]["generation"]
            body["status"] = {"observedGeneration": known, "readyReplicas": ready, "conditions": QUOTA}

    altered(stage).status = starve
    order_back(stage)
    words = told(stage, "rollback_failed")
    assert f"Deployment.apps svc-a/svc-a is asked for its 2 pods: {ready} are ready" in words
    assert ("traffic was given back" in words) is bool(ready)
    assert ("no pod is ready, traffic was asked back" in words) is not ready
