"""One object that cannot be looked at hides nothing of the others: the rest is told, and that it was not looked at."""

from typing import Any

from tests.story.stage import DEPLOYMENT, Stage
from tests.story.test_healing import (  # noqa: F401
    CONFIG,
    UNIT,
    healing,
    health,
    level,
    look,
    meddle,
    told,
    waits,
)

GOING = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
STAYING: dict[str, Any] = {"metadata": {"deletionTimestamp": None}}
BEING_DELETED = (
    "not looked at: Deployment.apps svc-a/svc-a, because looking at Deployment.apps svc-a/svc-a: it is being"
)

LONGER = frozenset(
    {
        "test_what_is_only_not_seen_any_more_has_not_ended_and_is_not_told_anew",
    }
)


def edit(stage: Stage, path: str, patch: dict[str, Any]) -> None:
    stage.world.sandbox("prod").edit(path, patch, "kubectl-edit")


def paused(stage: Stage) -> None:
    body = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert body is not None
    containers = [{**body["spec"]["template"]["spec"]["containers"][0], "image": "registry.example/svc-a:hotfix"}]
    edit(stage, DEPLOYMENT, {"spec": {"template": {"spec": {"containers": containers}}}})


def test_the_rest_is_told_once_with_what_could_not_be_looked_at(stage: Stage) -> None:
    edit(stage, DEPLOYMENT, GOING)
    assert look(stage) == []
    assert (told(stage, "drift_detected"), health(stage)[0]) == ([], "success")  # neither drift nor the end of one
    meddle(stage)
    assert (look(stage), look(stage)) == ([], [])
    (words,) = told(stage, "drift_detected")
    assert "LOG_LEVEL" in words
    assert BEING_DELETED in words
    assert health(stage)[0] == "failure"
    assert [item["ref"] for item in waits(stage)] == ["drift-svc-a"]
    stage.restart()
    assert look(stage) == []
    edit(stage, DEPLOYMENT, STAYING)
    assert look(stage) == []
    assert told(stage, "drift_detected") == [words]
    meddle(stage, "warn")
    assert look(stage) == []
    assert len(told(stage, "drift_healed")) == 1


def test_what_is_only_not_seen_any_more_has_not_ended_and_is_not_told_anew(stage: Stage) -> None:
    meddle(stage)
    paused(stage)
    assert look(stage) == []
    assert len(told(stage, "drift_detected")) == 1
    edit(stage, DEPLOYMENT, GOING)
    assert (look(stage), look(stage)) == ([], [])
    assert [BEING_DELETED in words for words in told(stage, "drift_detected")] == [False, True]
    meddle(stage, "warn")
    assert look(stage) == []
    assert (told(stage, "drift_healed"), health(stage)[0]) == ([], "failure")
    meddle(stage)
    edit(stage, DEPLOYMENT, STAYING)
    assert look(stage) == []
    assert len(told(stage, "drift_detected")) == 2  # the same two as at first


def test_drift_that_is_over_is_told_although_what_never_drifted_is_not_seen(stage: Stage) -> None:
    before = level(stage)
    meddle(stage)
    assert look(stage) == []
    edit(stage, DEPLOYMENT, GOING)
    assert look(stage) == []
    assert (len(told(stage, "drift_detected")), len(told(stage, "drift_healed"))) == (2, 0)
    meddle(stage, before)
    assert look(stage) == []
    assert (len(told(stage, "drift_healed")), health(stage)[0]) == (1, "success")


def test_g22_nothing_is_put_right_while_a_part_cannot_be_looked_at(healing: Stage) -> None:  # noqa: F811
    wanted = level(healing)
    edit(healing, DEPLOYMENT, GOING)
    meddle(healing)
    assert (look(healing), look(healing)) == ([], [])
    assert (level(healing), len(told(healing, "drift_detected"))) == ("trace", 1)
    assert "a check stands in the way" in told(healing, "drift_detected")[0]
    edit(healing, DEPLOYMENT, STAYING)
    assert look(healing) == []
    assert (level(healing), health(healing)[0]) == (wanted, "success")
    assert healing.ledger.units[UNIT].outcome == "applied"


def test_a_right_that_only_doing_needs_hides_no_drift(stage: Stage) -> None:
    stage.world.sandbox("prod").rules = [{"verbs": ["get", "list"], "apiGroups": ["*"], "resources": ["*"]}]
    edit(stage, CONFIG, {"data": {"LOG_LEVEL": "trace"}})
    assert look(stage) == []
    assert "LOG_LEVEL" in told(stage, "drift_detected")[0]
