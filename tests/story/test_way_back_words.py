"""What is said of the traffic while a way back waits for its cluster: that it is stopped, may be, or nothing.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.app.traffic import MAY_BE_STOPPED, STOPPED_NOW, Away, away_in, away_of, is_away, most_away
from reconciler.approval.decision import Verb
from reconciler.machine.states import RolloutState
from reconciler.names import EventId
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.far_cluster import Cut, is_write
from tests.story.altered import altered, makes_job, mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import DEPLOYMENT, RELEASE, Stage
from tests.story.test_way_back import OURS, land, made, pods, text
from tests.story.test_way_back_pods import order_back, revert

LONGER = frozenset(
    {
        "test_the_status_says_of_the_traffic_what_is_so_while_the_cluster_is_away",
        "test_g23_a_hold_waits_until_workloads_that_are_not_to_stay_are_gone",
    }
)
NOTHING = "nothing"
SAID = {
    ("order", "before"): NOTHING,
    ("order", "stop_traffic"): MAY_BE_STOPPED,
    ("order", "migrate_database"): STOPPED_NOW,
    ("order", "roll_back"): STOPPED_NOW,
    ("order", "restore_traffic"): MAY_BE_STOPPED,
    ("order", "verify"): NOTHING,
    ("revert", "stop_traffic"): MAY_BE_STOPPED,
    ("revert", "migrate_database"): STOPPED_NOW,
    ("revert", "roll_back"): STOPPED_NOW,
    ("revert", "restore_traffic"): MAY_BE_STOPPED,
    ("revert", "verify"): NOTHING,
}


def meets(stage: Stage, step: str, asked: Asked) -> bool:
    """The first request of a step that acts; what it asks for does not happen."""
    of_pods = is_write(asked) and asked.path.endswith("/deployments/svc-a")
    number = asked.body["spec"].get("replicas") if of_pods else None
    return {
        "before": is_write(asked),
        "stop_traffic": of_pods and number == 0 and mark(stage) is None,
        "migrate_database": makes_job(asked),
        "roll_back": of_pods and number == 0 and bool(made(stage)),
        "restore_traffic": of_pods and bool(number) and bool(made(stage)),
        "verify": "/proxy/" in asked.path,
    }[step]


@pytest.mark.parametrize(("way", "step"), SAID)
def test_the_status_says_of_the_traffic_what_is_so_while_the_cluster_is_away(stage: Stage, way: str, step: str) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    cluster = altered(stage)
    cluster.cut_at(Cut.UNHEARD, 1, lambda asked: meets(stage, step, asked), away=True)
    if way == "order":
        order_back(stage)
    else:
        merged = revert(stage)
    assert cluster.cuts_met() == 1
    state, words = stage.statuses(merged)[OURS]
    said = next((one for one in (STOPPED_NOW, MAY_BE_STOPPED) if one in words), NOTHING)
    assert (state, said) == ("pending", SAID[way, step]), words
    cluster.heal()
    stage.settle()
    assert (stage.image(), pods(stage), mark(stage), len(made(stage))) == ("v2.0.0", 2, None, 1)


@pytest.mark.parametrize(
    ("recorded", "away"),
    [
        ({}, Away.NOT),
        ({"stopping"}, Away.MAYBE),
        ({"stopping", "stopped"}, Away.STOPPED),
        ({"stopping", "stopped", "restoring"}, Away.MAYBE),
        ({"stopping", "restoring"}, Away.MAYBE),  # given back after a failure while it was being stopped
        ({"stopping", "stopped", "restoring", "restored"}, Away.NOT),
    ],
)
def test_what_is_recorded_of_one_release_says_whether_its_traffic_is_stopped(recorded: set[str], away: Away) -> None:
    names = ("stopping", "stopped", "restoring", "restored")
    assert away_of(**{name: name in recorded for name in names}) is away


def one(kind: ActionKind) -> Action:
    return Action(id=str(kind), kind=kind, unit="release/svc-a", target="cluster/prod", step=1)


STOP, RUN, GIVE, DELETE, ASK = (
    (one(ActionKind(kind)),) for kind in ("stop_traffic", "run_job", "restore_traffic", "delete_object", "ask")
)
CLEAN = (DELETE[0].model_copy(update={"step": 0}),)  # a run of an earlier plan goes when everything is done
WHOLE = (RUN, STOP, STOP, RUN, GIVE, ASK)  # the first is of another release
LESS = (RUN, STOP, STOP, RUN, DELETE, ASK, CLEAN)  # nothing that was stopped is to stay: it goes with the last but one
PLACES = [  # of a revert: its batches, the last one that was begun, and the last that is done
    (WHOLE, -1, -1, Away.NOT),
    (WHOLE, 0, -1, Away.NOT),
    (WHOLE, 1, 0, Away.MAYBE),
    (WHOLE, 1, 1, Away.MAYBE),  # the second half of stopping follows
    (WHOLE, 2, 1, Away.MAYBE),
    (WHOLE, 2, 2, Away.STOPPED),
    (WHOLE, 3, 2, Away.STOPPED),
    (WHOLE, 4, 3, Away.MAYBE),
    (WHOLE, 4, 4, Away.NOT),
    (WHOLE, 5, 4, Away.NOT),
    (LESS, 2, 1, Away.MAYBE),
    (LESS, 2, 2, Away.STOPPED),
    (LESS, 3, 3, Away.STOPPED),
    (LESS, 4, 3, Away.MAYBE),
    (LESS, 4, 4, Away.NOT),
]


@pytest.mark.parametrize(("batches", "begun", "done", "away"), PLACES)
def test_g23_where_a_revert_stands_says_whether_its_traffic_is_stopped(
    batches: tuple[tuple[Action, ...], ...], begun: int, done: int, away: Away
) -> None:
    plan = Plan.model_construct(batches=batches)  # type: ignore[call-arg]
    passed: Any = None
    state = RolloutState(passed, EventId("1"), datetime(2026, 1, 5, tzinfo=UTC), begun, done)
    assert away_in(plan, state) is away
    assert away_in(plan, replace(state, again=True)) is (Away.MAYBE if away else Away.NOT)
    assert is_away(plan, done + 1) is (done > 0 and away is not Away.NOT)  # what a hold asks before the next batch


def test_g23_a_hold_waits_until_workloads_that_are_not_to_stay_are_gone(stage: Stage) -> None:
    manifest = stage.world.example()[MANIFEST]
    land(stage, {MANIFEST: None}, "less")
    new = re.sub(r"success: \[.*\]", "success: []", text(stage, "v2.0.1"))  # readiness alone counts
    land(stage, {RELEASE: new, JOB: job("downgrade"), MANIFEST: manifest}, "good")
    altered(stage).refuse(503, makes_job)
    merged = revert(stage, **{MANIFEST: None})
    assert (pods(stage), STOPPED_NOW in stage.statuses(merged)[OURS][1]) == (0, True)
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    altered(stage).heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert altered(stage).look(DEPLOYMENT) is None, stage.statuses(merged)[OURS]


def test_of_several_releases_the_worst_is_said() -> None:
    assert most_away([Away.MAYBE, Away.STOPPED, Away.NOT]) is Away.STOPPED
    assert most_away([Away.NOT, Away.MAYBE]) is Away.MAYBE
    assert most_away([]) is Away.NOT
