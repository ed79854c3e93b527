"""What people are told of a way back while traffic is away, and of one that left it so: inbox, drift, timeline."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.app.journal import fold_files
from reconciler.doors.traffic import Stopped, stopped
from reconciler.machine.ledger import Ledger
from reconciler.plan.change import Plan
from reconciler.report.record import path_of
from reconciler.sandbox.cluster_http import Asked
from reconciler.state.event import Event
from tests.cli.conftest import Place
from tests.failpoints.scenes import JOB, job
from tests.faults.far_cluster import is_write
from tests.faults.release import cluster_of
from tests.story.altered import altered, makes_job
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back import land, pods, text
from tests.story.test_way_back_pods import order_back, revert

MAYBE, AWAY, LEFT, NOT = "TRAFFIC MAY BE STOPPED", "TRAFFIC IS STOPPED", "left", ""


@pytest.fixture
def place(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(stage, tmp_path, monkeypatch)


def gives_pods(asked: Asked) -> bool:
    return is_write(asked) and asked.path.endswith("/deployments/svc-a") and bool(asked.body["spec"].get("replicas"))


def after_each(stage: Stage) -> Iterator[tuple[Stopped, ...]]:
    """What stands without traffic after each record, as somebody would read it who looked then."""
    journal, ledger, events = stage.world.opened.journal, Ledger(), list[Event]()
    for event in journal.events:
        fold_files({path_of(event.event_id): event.to_json().encode()}, ledger, events, set())
        yield stopped(events, ledger, lambda path: Plan.model_validate_json(journal.file(path)))


def course(stage: Stage) -> list[str]:
    """What was said of the traffic of svc-a, one after the other."""
    said = [NOT]
    for found in after_each(stage):
        words = [
            LEFT if one.left else one.words.partition(" since ")[0] for one in found if one.unit == "release/svc-a"
        ]
        said += [one for one in ["".join(words)] if one != said[-1]]
    return said


def test_g23_who_opens_the_inbox_finds_the_traffic_that_a_way_back_left_stopped(place: Place) -> None:
    stage = place.stage
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade", "broken")}, "good")
    altered(stage).refuse(403, gives_pods)
    order_back(stage)
    assert pods(stage) == 0
    first, second = place.person("approver_user").well("inbox", "-o", "json").json["tickets"]
    assert (first["ref"], first["priority"], first["next"]) == ("stopped-svc-a", "p0", "reconciler explain-drift svc-a")
    assert first["summary"].startswith("TRAFFIC IS STOPPED: ")
    assert "by hand, as many as its annotation" in first["summary"]
    assert second["ref"].startswith("dep-appr-")
    seen = place.operator.type("explain-drift", "svc-a", "-o", "json")
    assert seen.code == 1
    empty, *others = seen.json["drift"]
    assert (empty["object"], empty["field"]) == ("Deployment.apps svc-a/svc-a", "")
    assert empty["what"] == "TRAFFIC IS STOPPED by a way back that failed: its 2 pods were taken"
    assert {row["field"] for row in others} & {"spec.replicas", ""} == set()  # neither again, nor the Job that ran
    assert [way.partition(" ")[0] for way in seen.json["ways"]] == ["give", "this", "go"]
    cluster_of(stage).edit(DEPLOYMENT, {"spec": {"replicas": 2}}, "kubectl")
    seen = place.operator.type("explain-drift", "svc-a", "-o", "json")
    assert "TRAFFIC IS STOPPED" not in seen.out
    assert any("nothing of it is stopped now" in note for note in seen.json["notes"])
    cluster_of(stage).edit(DEPLOYMENT, {"spec": {"replicas": 0}}, "kubectl")
    altered(stage).heal()
    order_back(stage)
    assert pods(stage) == 2
    assert course(stage) == [NOT, MAYBE, AWAY, MAYBE, LEFT, MAYBE, AWAY, MAYBE, NOT]
    rows = [row.text.removeprefix("v2.0.1: ") for row in stage.rows(release="svc-a") if row.action == "applying"]
    once = [
        "step 1 of its way back, stop_traffic, is done",
        "step 2 of its way back, migrate_database, was begun",
        "traffic is given back",
    ]
    assert [row for row in rows if not row.startswith("batch") and row[:2] != "v2"] == [*once, *once]


def test_g23_who_opens_the_inbox_finds_the_way_back_that_waits_without_traffic(place: Place) -> None:
    stage = place.stage
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    altered(stage).refuse(503, makes_job)
    merged = revert(stage)
    assert pods(stage) == 0
    (ticket,) = place.person("approver_user").well("inbox", "-o", "json").json["tickets"]
    assert ticket["ref"] == "stopped-svc-a"
    for words in ("TRAFFIC IS STOPPED since ", "batch 2 of 6", f"of commit {merged[:12]} says how it stands"):
        assert words in ticket["summary"]
    seen = place.operator.type("explain-drift", "svc-a", "-o", "json")
    assert (seen.code, seen.json["drift"], seen.json["ways"]) == (2, [], [])
    assert f"release/svc-a: not compared: {ticket['summary']}" in seen.json["unknown"]
    altered(stage).heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert course(stage) == [NOT, MAYBE, AWAY, MAYBE, NOT]


def refusal(stage: Stage) -> str:
    """What a release's timeline tells of the last order that was refused."""
    order_back(stage)
    return [row.text for row in stage.rows(release="svc-a") if row.action == "permission_denied"][-1]


def test_g21_an_order_that_is_refused_says_why_and_what_to_do(stage: Stage) -> None:
    first = "no version of release/svc-a ended well before the one that stands; merge a change to the version that is"
    assert first in refusal(stage)
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    altered(stage).refuse(503, makes_job)
    order_back(stage)
    way = "release/svc-a is on its way back already, as dev_user ordered: this order does nothing; `reconciler timeline"
    assert way in refusal(stage)
    altered(stage).heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert stage.image() == "v2.0.0"
    back = "release/svc-a went back already, and an approval grants one return; to go further back, merge a change"
    assert back in refusal(stage)
