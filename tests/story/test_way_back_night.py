"""What the doors say when a way back failed and nobody is there who built it: where it stands, and what to do next."""

from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.failpoints.scenes import JOB, job
from tests.faults.far_cluster import is_write
from tests.faults.release import cluster_of
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture
from tests.story.test_way_back import land, pods, text
from tests.story.test_way_back_refused import after_stop


@pytest.fixture
def place(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(stage, tmp_path, monkeypatch)


def test_g23_every_door_says_that_a_way_back_failed_and_left_traffic_stopped_and_what_to_do(place: Place) -> None:
    stage = place.stage
    cluster_of(stage).refuse(403, after_stop(stage, is_write))
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    assert pods(stage) == 0
    who = place.person("approver_user")
    rows = [one for environment in who.well("tree", "-o", "json").json for one in environment["releases"]]
    row = next(one for one in rows if one["release"] == "svc-a")
    assert (row["state"], row["traffic"]) == ("rollback_failed", "TRAFFIC IS STOPPED")
    for words in (("tree",), ("get", "release")):
        assert "rollback_failed, TRAFFIC IS STOPPED" in who.well(*words).out
    listed = next(one for one in who.well("get", "release", "-o", "json").json if one["name"] == "svc-a")
    assert (listed["state"], listed["traffic"]) == ("rollback_failed", "TRAFFIC IS STOPPED")
    give, revert, again = listed["advice"]
    assert "`kubectl -n svc-a scale deployment/svc-a --replicas=N`" in give
    assert "`reconciler rollback svc-a --reason TEXT` opens the revert pull request" in revert
    assert (
        f"`reconciler retry release/svc-a` carries out the plan that failed again: forward to commit {merged[:12]}"
        in again
    )
    assert "--replicas=N" in " ".join(who.well("describe", "release", "svc-a").out.split())
    found = place.operator.type("doctor", "-o", "json")
    assert found.code == 1
    told = {one["name"]: one for one in found.json["checks"]}
    assert (told["traffic"]["status"], told["traffic"]["hint"]) == ("error", give)
    assert told["traffic"]["message"].startswith("release/svc-a: TRAFFIC IS STOPPED")
    assert told["rollouts"]["message"] == "did not go back: release/svc-a"
    assert "then retry" not in told["rollouts"]["hint"]
