"""Whose time a step of a way back keeps to, in every batch and after every restart.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from reconciler.app.probing import AT_ONCE
from reconciler.errors import Unavailable
from reconciler.kube.target import KubeTarget
from reconciler.ports import Answered
from reconciler.sandbox.cluster_http import Asked
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.faults.far_cluster import Cut, any_request, is_write
from tests.story.altered import altered, mark
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import OURS, land, made, plan_of, pods, text
from tests.story.test_way_back_pods import order_back, revert, told

NOW = "TRAFFIC IS STOPPED"
MINUTE = timedelta(minutes=1)
LONGER = frozenset(
    {
        "test_questions_of_verify_that_take_longer_than_its_timeout_fail_it",
        "test_traffic_that_runs_is_not_stopped_after_the_time_to_do_so",
        "test_a_question_that_is_never_answered_ends_with_the_time_of_verify_and_a_cluster_that_is_away_does_not",
        "test_no_migration_is_begun_after_the_time_of_its_step",
        "test_what_was_done_while_nobody_watched_counts_as_done",
    }
)


def timed(stage: Stage, step: str, timeout: str, tag: str = "v2.0.1") -> str:
    new = text(stage, tag)
    assert new.count(f"{{action: {step}") == 1
    return new.replace(f"{{action: {step}", f"{{action: {step}, timeout: {timeout}")


def test_the_timeout_of_the_step_verify_counts(stage: Stage) -> None:
    land(stage, {RELEASE: timed(stage, "verify", "1s"), JOB: job("downgrade")}, "good")
    number = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert")
    (asked,) = (one for batch in plan_of(stage, number).batches for one in batch if one.step == 5)
    assert timedelta(seconds=asked.seconds) == timedelta(seconds=1)


def asking(stage: Stage, then: Callable[[int], int]) -> list[Asked]:
    """What svc-a is asked; `then`: the status of the answer with this number."""
    seen: list[Asked] = []

    def answer(asked: Asked) -> tuple[int, Any]:
        seen.append(asked)
        return then(len(seen)), {}

    altered(stage).behind["svc-a", "svc-a"] = answer
    return seen


@pytest.mark.parametrize("way", ["order", "revert"])
def test_questions_of_verify_that_take_longer_than_its_timeout_fail_it(stage: Stage, way: str) -> None:
    many = "{traffic: {url: 'http://svc-a.svc-a.svc.cluster.local/', requests: 40, minSuccessRate: 0.9}}"
    new = timed(stage, "verify", "1m").replace("success: [", f"success: [{many}, ")
    land(stage, {RELEASE: new, JOB: job("downgrade")}, "good")

    def slow(number: int) -> int:
        if number == AT_ONCE:
            stage.clock.advance(2 * MINUTE)
        return 200

    seen = asking(stage, slow)
    if way == "order":
        order_back(stage)
        assert stage.ledger.units["release/svc-a"].outcome == "rollback_failed"
        words = told(stage, "rollback_failed")
    else:
        state, words = stage.statuses(revert(stage))[OURS]
        assert state in {"failure", "error"}
        assert stage.ledger.units["release/svc-a"].outcome == "failed"
    assert len(seen) == AT_ONCE
    assert "the 0:01:00 that all questions of the step have are over" in words
    assert (stage.image(), pods(stage), mark(stage), NOW in words) == ("v2.0.0", 2, None, False)


def unfinished(stage: Stage) -> bool:
    found = stage.ledger.rollouts.items()
    return [one for (name, _), one in found if name == "env-k8s-prod"][-1].finished is None


def away(stage: Stage, wanted: Callable[[Asked], bool], passes: timedelta, way: str) -> None:
    """Go back, have no answer to what is wanted, and come back so much later."""
    altered(stage).refuse(503, wanted)
    if way == "order":
        order_back(stage)
    else:
        revert(stage)
    assert unfinished(stage)
    altered(stage).heal()
    stage.clock.advance(passes)
    stage.restart()
    stage.settle()


def ended(stage: Stage) -> tuple[str, str, int, str | None]:
    return stage.ledger.units["release/svc-a"].outcome, stage.image(), pods(stage), mark(stage)


FAILED = {"order": "rollback_failed", "revert": "failed"}
WENT = {"order": "rolled_back", "revert": "applied"}


@pytest.mark.parametrize("way", ["order", "revert"])
def test_traffic_that_runs_is_not_stopped_after_the_time_to_do_so(stage: Stage, way: str) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")

    def stops(asked: Asked) -> bool:
        return is_write(asked) and asked.path.endswith("/deployments/svc-a")

    away(stage, stops, 11 * MINUTE, way)
    assert ended(stage) == (FAILED[way], "v2.0.1", 2, None)
    assert made(stage) == []


@pytest.mark.parametrize("way", ["order", "revert"])
def test_no_migration_is_begun_after_the_time_of_its_step(stage: Stage, way: str) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    away(stage, lambda asked: is_write(asked) and "/jobs/" in asked.path, 11 * MINUTE, way)
    assert ended(stage) == (FAILED[way], "v2.0.1", 2, None)
    assert made(stage) == []


@pytest.mark.parametrize("step", ["stop_traffic", "migrate_database", "restore_traffic"])
@pytest.mark.parametrize("way", ["order", "revert"])
def test_what_was_done_while_nobody_watched_counts_as_done(stage: Stage, way: str, step: str) -> None:
    """Its effect was there, and the record that it is done was not: a reconciler that was down for an hour."""
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    done: list[str] = []

    def acts(asked: Asked) -> bool:
        if step == "migrate_database" or not asked.path.endswith("/deployments/svc-a"):
            return step == "migrate_database" and "/jobs/" in asked.path
        replicas = asked.body["spec"].get("replicas")
        return replicas == 0 if step == "stop_traffic" else bool(made(stage) and replicas)

    def looks_after(asked: Asked) -> bool:
        """Whatever is asked once the step acted."""
        if not done and is_write(asked) and acts(asked):
            done.append(asked.path)
            return False
        return bool(done)

    away(stage, looks_after, timedelta(hours=1), way)
    assert ended(stage) == (WENT[way], "v2.0.0", 2, None)
    assert len(made(stage)) == 1


def test_all_batches_of_roll_back_share_its_time(stage: Stage) -> None:
    old = stage.world.example()[MANIFEST]
    more = f"{old.rstrip()}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: late}}\n"
    land(stage, {RELEASE: timed(stage, "roll_back", "5m"), MANIFEST: more, JOB: job("downgrade")}, "good")
    applied: list[str] = []

    def deletes(asked: Asked) -> bool:
        """The last batch of the step cannot be done; the first took four minutes."""
        if made(stage) and is_write(asked) and asked.path.endswith("/deployments/svc-a") and not applied:
            applied.append(asked.path)
            stage.clock.advance(4 * MINUTE)
        return asked.method == "DELETE" and asked.path.endswith("/late")

    altered(stage).refuse(503, deletes)
    revert(stage, **{MANIFEST: old})
    assert (applied != [], unfinished(stage), pods(stage)) == (True, True, 0)
    stage.clock.advance(2 * MINUTE)
    stage.settle()
    assert ended(stage) == ("failed", "v2.0.0", 2, None)


@pytest.mark.parametrize("way", ["order", "revert"])
def test_a_question_that_is_never_answered_ends_with_the_time_of_verify_and_a_cluster_that_is_away_does_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    merged = land(stage, {RELEASE: timed(stage, "verify", "1m"), JOB: job("downgrade")}, "good")

    def no_answer(*_: object) -> Answered:
        raise Unavailable("asking Service svc-a/svc-a: no answer in time", key="cluster_connect_failed")

    with monkeypatch.context() as patch:
        patch.setattr(KubeTarget, "ask_service", no_answer)
        if way == "order":
            order_back(stage)
        else:
            merged = revert(stage)
        assert unfinished(stage)
        altered(stage).cut_at(Cut.UNHEARD, 1, any_request, away=True)
        stage.clock.advance(2 * MINUTE)
        stage.settle()
        state, words = stage.statuses(merged)[OURS]
        assert (unfinished(stage), state, NOW in words) == (True, "pending", False), words
        altered(stage).heal()
        stage.clock.advance(2 * MINUTE)
        stage.settle()
    assert ended(stage) == (FAILED[way], "v2.0.0", 2, None)
    record = [one for (name, _), one in stage.ledger.rollouts.items() if name == "env-k8s-prod"][-1].finished
    assert record is not None
    assert "not done 0:01:00 after it was begun" in record.message
