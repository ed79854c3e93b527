"""Jobs that a release names are set apart from what is to stand; what could not be run once is a problem."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.errors import Place, Problem
from reconciler.specs.jobs import ignores_failures, set_apart, tries
from reconciler.specs.kinds.release import Rollback
from tests.plan.said import release as released

STOP, MIGRATE, BACK, RESTORE, VERIFY = (
    {"action": "stop_traffic"},
    {"action": "migrate_database", "job": "down"},
    {"action": "roll_back"},
    {"action": "restore_traffic"},
    {"action": "verify"},
)
PROBE = {"http": {"url": "https://web.example/healthz"}}
POD = {"restartPolicy": "Never", "containers": [{"name": "it", "image": "db:v1"}]}
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}


def job(name: str = "down", pod: Any = POD, **spec: Any) -> dict[str, Any]:
    body = {"template": {"spec": pod}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


def apart(objects: list[dict[str, Any]], **spec: Any) -> tuple[list[str], list[str], list[str]]:
    """What stands, what is run, and what is wrong."""
    problems: list[Problem] = []
    kept, jobs = set_apart(released(**spec), [(one, Place("a.yaml", 1, 1)) for one in objects], problems)
    names = [one["metadata"]["name"] for one, _ in kept]
    return names, [one["metadata"]["name"] for one in jobs], [one.message for one in problems]


def test_a_job_that_is_named_does_not_stand_and_others_do() -> None:
    hooks = [{"name": "up", "when": "before", "job": "up"}]
    found = apart([WEB, job("up"), job("down"), job("once")], hooks=hooks, rollback={"steps": [MIGRATE, BACK]})
    assert found == (["web", "once"], ["up", "down"], [])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no containers": (job(pod={"restartPolicy": "Never"}), "it has no spec.template.spec.containers"),
    "no image": (job(pod={**POD, "containers": [{"name": "it"}]}), "a container of it has no image"),
    "always": (job(pod={**POD, "restartPolicy": "Always"}), "restartPolicy Never or OnFailure"),
    "unsaid": (job(pod={"containers": POD["containers"]}), "restartPolicy Never or OnFailure"),
    "passing": (job(ttlSecondsAfterFinished=5), "would take it away before it is seen"),
    "suspended": (job(suspend=True), "suspend cannot be kept"),
    "own selector": (job(manualSelector=True), "manualSelector cannot be kept"),
    "again": (job(pod={**POD, "restartPolicy": "OnFailure"}), "may begin its work twice"),
    "again, a container": (
        job(pod={**POD, "containers": [{"name": "it", "image": "db:v1", "restartPolicy": "OnFailure"}]}),
        "may begin its work twice",
    ),
    "again, ignored": (job(podFailurePolicy={"rules": [{"action": "Ignore"}]}), "ignores failures"),
    "tries of no number": (job(backoffLimit=None), "backoffLimit is a whole number"),
    "tries below none": (job(backoffLimit=-1), "backoffLimit is a whole number"),
    "tries yes": (job(backoffLimit=True), "backoffLimit is a whole number"),
    "at once": (job(parallelism=2), "parallelism 2 is not one run"),
    "none at once": (job(parallelism=0), "parallelism 0 is not one run"),
    "several": (job(completions=3), "completions 3 is not one run"),
    "by index": (job(backoffLimitPerIndex=1), "backoffLimitPerIndex is of Jobs that do their work several times"),
}


@pytest.mark.parametrize(("body", "words"), WRONG.values(), ids=WRONG)
def test_a_job_that_cannot_be_run_once_and_waited_for_is_a_problem(body: dict[str, Any], words: str) -> None:
    (problem,) = apart([WEB, body], rollback={"steps": [MIGRATE, BACK]})[2]
    assert words in problem


RIGHT: dict[str, tuple[dict[str, Any], int, bool]] = {
    "nothing said": (job(), 1, False),
    "one of one": (job(parallelism=1, completions=1), 1, False),
    "none again": (job(backoffLimit=0), 1, False),
    "again, and how often": (job(pod={**POD, "restartPolicy": "OnFailure"}, backoffLimit=3), 4, False),
    "again, in pods": (job(backoffLimit=3), 4, False),
    "ignored, and said": (job(podFailurePolicy={"rules": [{"action": "Ignore"}]}, backoffLimit=0), 1, True),
}


@pytest.mark.parametrize(("body", "most", "ignores"), RIGHT.values(), ids=RIGHT)
def test_how_often_a_run_may_begin_is_what_its_job_says(body: dict[str, Any], most: int, ignores: bool) -> None:  # noqa: FBT001
    assert apart([WEB, body], rollback={"steps": [MIGRATE, BACK]})[2] == []
    assert (tries(body), ignores_failures(body)) == (most, ignores)


def test_a_job_that_is_not_there_or_there_twice_is_a_problem() -> None:
    steps = {"steps": [MIGRATE, BACK]}
    assert apart([WEB], rollback=steps)[2] == ["the source holds no Job down (batch/v1)"]
    other = job()
    other["metadata"]["namespace"] = "b"
    (problem,) = apart([WEB, job(), other], rollback=steps)[2]
    assert problem == "the source holds 2 Jobs down, in several namespaces (batch/v1)"
    long = job("d" * 53)
    (problem,) = apart([WEB, long], rollback={"steps": [{**MIGRATE, "job": "d" * 53}, BACK]})[2]
    assert "longer than 63 characters" in problem


def test_what_cannot_be_stopped_stands_in_the_way_of_stop_traffic() -> None:
    steps = {"steps": [STOP, BACK, RESTORE]}
    assert apart([WEB], rollback=steps)[2] == []
    daemon = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}}
    (problem,) = apart([WEB, daemon], rollback=steps)[2]
    assert problem == "stop_traffic cannot stop DaemonSet agent: it has no replicas to take"
    (problem,) = apart([WEB, job("index")], rollback=steps)[2]
    assert problem == "stop_traffic cannot stop Job index: it has no replicas to take"
    assert apart([WEB, job()], rollback={"steps": [STOP, MIGRATE, BACK, RESTORE]})[2] == []
    assert apart([WEB, job("index")], rollback={"steps": [MIGRATE, BACK]})[2] == [
        "the source holds no Job down (batch/v1)"
    ]
    (problem,) = apart([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}], rollback=steps)[2]
    assert problem == "the source has no Deployment and no StatefulSet that stop_traffic could stop"


def test_what_would_take_its_data_along_is_not_stopped() -> None:
    policy = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}
    data = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": policy}
    (problem,) = apart([data], rollback={"steps": [STOP, BACK, RESTORE]})[2]
    assert problem == "stop_traffic would delete the data of StatefulSet db: its claims go when it is scaled"
    policy["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": "Retain", "whenDeleted": "Delete"}
    assert apart([data], rollback={"steps": [STOP, BACK, RESTORE]})[2] == []


WAYS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no way back": ([MIGRATE], "holds the step roll_back"),
    "stopped for ever": ([STOP, BACK], "stop_traffic and restore_traffic go together"),
    "restored unstopped": ([BACK, RESTORE], "stop_traffic and restore_traffic go together"),
    "twice": ([BACK, BACK], "roll_back is there twice"),
    "restored too early": ([STOP, RESTORE, BACK], "the order of the steps is"),
    "stopped too late": ([BACK, STOP, RESTORE], "the order of the steps is"),
    "asked too early": ([VERIFY, BACK], "the order of the steps is"),
    "migrated when it is rolled back": ([BACK, MIGRATE], "the order of the steps is"),
    "reversible by itself": ([{**BACK, "reversible": True}], "reversible is said of migrate_database"),
}


@pytest.mark.parametrize(("steps", "words"), WAYS.values(), ids=WAYS)
def test_a_way_back_arrives(steps: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rollback.model_validate_json(json.dumps({"steps": steps}))


def test_success_that_nobody_asks_is_refused() -> None:
    with pytest.raises(ValidationError, match="asked by the step verify"):
        Rollback.model_validate_json(json.dumps({"steps": [BACK], "success": [PROBE]}))
    way = {"steps": [STOP, MIGRATE, BACK, RESTORE, VERIFY], "success": [PROBE]}
    assert not Rollback.model_validate_json(json.dumps(way)).plain


def test_a_step_says_only_that_it_is_reversible_where_it_is_said() -> None:
    """So the artifact of a release that says nothing of it is what it was."""
    dumped = Rollback().model_dump(mode="json")
    assert all("reversible" not in step for step in dumped["steps"])
    way = Rollback.model_validate_json(json.dumps({"steps": [{**MIGRATE, "reversible": True}, BACK]}))
    assert way.model_dump(mode="json")["steps"][0]["reversible"] is True
    assert [step.returns for step in way.steps] == [True, True]
