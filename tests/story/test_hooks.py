"""Jobs before and after a rollout, on the sandbox's cluster. Some by default; `--strategies all` is all of them."""

from pathlib import Path

import pytest

from reconciler.approval.decision import Verb
from reconciler.approval.emergency import small_enough
from reconciler.plan.change import Risk
from tests.cli.conftest import Place
from tests.failpoints.scenes import JOB, MANIFEST, job
from tests.story.stage import RELEASE, STAGING, Stage
from tests.story.test_way_back import OURS, land, made, plan_of, runs

LONGER = frozenset(
    {
        "test_they_are_previewed_and_part_of_what_is_approved",
        "test_a_retry_runs_them_again_and_a_way_back_runs_none",
        "test_g23_a_change_of_numbers_alone_runs_nothing_and_stays_a_scaling",
    }
)


def text(stage: Stage, tag: str = "v2.0.1", *, automatic: bool = True) -> str:
    hooks = "hooks: [{name: up, when: before, job: upgrade}, {name: warm, when: after, job: warm}]"
    found = stage.release_text(tag).replace("automatic: true", f"automatic: {str(automatic).lower()}")
    return f"{found.rstrip()}\n  {hooks}\n"


def files(stage: Stage, before: str = "v1", after: str = "v1", *, automatic: bool = True) -> dict[str, str | None]:
    """The release with two hooks whose images have these tags."""
    return {
        RELEASE: text(stage, automatic=automatic),
        JOB: job("upgrade", before) + "---\n" + job("warm", after),
    }


def scaled(stage: Stage, replicas: int) -> str:
    return stage.world.example()[MANIFEST].replace("replicas: 2", f"replicas: {replicas}")


def returning(body: str) -> list[str]:
    """What a preview's table says of each run: whether it is reversible."""
    rows = [line.split("|") for line in body.splitlines() if line.startswith("| run ")]
    return [row[-2].strip(" *") for row in rows]


def again(jobs: str | None) -> str:
    """The same, and its first Job may be tried three times."""
    assert jobs is not None
    return jobs.replace("spec:\n  template", "spec:\n  backoffLimit: 2\n  template", 1)


def order_of(stage: Stage) -> list[str]:
    """What was written on the cluster since the first version, in order, by kind and name without its run."""
    paths = [one.path for one in stage.world.sandbox("prod").real_effects if "reconciler." not in one.path]
    names = [path.rpartition("/")[2] for path in paths if "/jobs/" in path or "/deployments/" in path]
    return [name.rpartition("-")[0] if name.startswith(("upgrade", "warm")) else name for name in names]


def test_one_is_run_before_and_one_after_everything_else(stage: Stage) -> None:
    known = len(order_of(stage))
    merged = land(stage, files(stage), "hooked")
    assert stage.statuses(merged)[OURS][0] == "success", stage.statuses(merged)
    assert order_of(stage)[known:] == ["upgrade", "svc-a", "warm"]
    assert [one.rpartition("-")[0] for one in runs(stage)] == ["upgrade", "warm"]
    told = [row.action for row in stage.rows(release="svc-a") if row.action.startswith("deploy_apply")]
    assert told == ["deploy_apply_succeeded", "deploy_apply_succeeded"]


def test_a_failed_one_before_stops_everything_else(stage: Stage) -> None:
    merged = land(stage, files(stage, before="broken", automatic=False), "bad")
    state, words = stage.statuses(merged)[OURS]
    assert (state, "release_apply_failed" in words) == ("failure", True), words
    assert stage.image() == "v2.0.0"
    assert [one.rpartition("-")[0] for one in made(stage)] == ["upgrade"]


def test_a_failed_one_after_is_a_failed_rollout_and_goes_back(stage: Stage) -> None:
    merged = land(stage, files(stage, after="broken"), "bad")
    state, words = stage.statuses(merged)[OURS]
    assert (state, words.startswith("rolled back")) == ("failure", True), words
    assert stage.image() == "v2.0.0"
    assert [one.rpartition("-")[0] for one in made(stage)] == ["upgrade", "warm"]  # the way back ran none


def test_a_retry_runs_them_again_and_a_way_back_runs_none(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(stage, files(stage, after="broken", automatic=False), "bad")
    assert (stage.image(), len(made(stage))) == ("v2.0.1", 2)
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    stage.settle()
    assert len(made(stage)) == 4
    # each run has a log of its own, and all of them are told
    reader = Place(stage, tmp_path, monkeypatch).reader
    (task,) = [one["task"] for one in reader.well("task", "list", "-o", "json").json if one["steps"]]
    assert task == "env-k8s-prod-2"
    logs = reader.well("task", "logs", task).out.splitlines()
    assert sorted(line for line in logs if line.startswith("==>")) == [
        f"==> svc-a/{name}.log <==" for name in sorted(made(stage))
    ]
    steps = reader.well("task", "show", task, "-o", "json").json["steps"]
    assert [(one["host_id"], one["step_name"], one["status"]) for one in steps] == [
        ("k8s-prod-external", "up", "success"),
        ("k8s-prod-external", "warm", "failed"),
    ] * 2
    # a fix of the Job alone changes no object, and the plan before it did not end well
    number = stage.propose(files(stage, automatic=False), branch="fixed")
    plan = plan_of(stage, number)
    assert [change.subject for change in plan.changes if change.operation.value == "run"] == [
        "Job.batch svc-a/upgrade (up)",
        "Job.batch svc-a/warm (warm)",
    ]
    stage.approve(number)
    assert stage.statuses(stage.merge(number))[OURS][0] == "success"
    assert len(made(stage)) == 6
    assert len(runs(stage)) == 2  # those of the plans before went with this one


def test_they_are_previewed_and_part_of_what_is_approved(stage: Stage) -> None:
    number = stage.propose(files(stage), branch="one")
    first = plan_of(stage, number)
    (comment,) = stage.world.opened.forge.comments(number)
    assert "first of all, Job `Job.batch svc-a/upgrade` is run (`up`)" in comment.body
    assert comment.body.count("**no return undoes what it does**") == 2
    assert returning(comment.body) == ["no", "no"]
    assert first.risk is Risk.CRITICAL
    said = {**files(stage), RELEASE: text(stage).replace("job: upgrade", "job: upgrade, reversible: true")}
    number = stage.propose({**said, JOB: again(said[JOB])}, branch="said")
    (comment,) = stage.world.opened.forge.comments(number)
    assert returning(comment.body) == ["yes", "no"]
    assert "Job upgrade may start its work up to 3 times: it says backoffLimit 2" in comment.body
    assert "Job warm may" not in comment.body
    other = stage.propose(files(stage, before="v2"), branch="two")
    second = plan_of(stage, other)
    assert first.digest != second.digest
    assert first.artifact != second.artifact
    cluster = stage.world.sandbox("prod")
    without = [{"verbs": ["get", "list", "create", "patch", "delete"], "apiGroups": ["", "apps"], "resources": ["*"]}]
    cluster.rules[:] = without
    refused = stage.plans(stage.propose(files(stage, before="v3"), branch="three")).plans[0]
    cluster.rules[:] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert {check.key for check in refused.blocked} == {"cluster_permission_insufficient"}
    assert any("may not create jobs.batch in svc-a" in check.message for check in refused.blocked)


def test_g23_a_change_of_numbers_alone_runs_nothing_and_stays_a_scaling(stage: Stage) -> None:
    land(stage, files(stage), "hooked")
    plan = plan_of(stage, stage.propose({MANIFEST: scaled(stage, 5)}, branch="scale"))
    assert [(change.operation.value, [field.path for field in change.fields]) for change in plan.changes] == [
        ("update", ["spec.replicas"])
    ]
    assert small_enough(plan) is None


def test_g23_an_emergency_runs_no_job_that_is_owed_since_a_failure_and_says_what_can_be_done(stage: Stage) -> None:
    whole = files(stage, after="broken", automatic=False)
    hooks = str(whole[RELEASE]).splitlines()[-1]
    staging = f"{stage.world.example()[STAGING].rstrip()}\n{hooks}\n"  # not at rest: it scales in the same change
    land(stage, {**whole, STAGING: staging}, "bad")
    number = stage.propose({MANIFEST: scaled(stage, 5)}, branch="scale")
    stage.desk("admin").decide(stage.preview(number), Verb.EMERGENCY, reason="it burns")
    stage.settle()
    assert stage.statuses(stage.pull(number).head)["reconciler/approval"][0] == "pending"
    denial = small_enough(plan_of(stage, number))
    assert denial is not None
    assert "runs no Job; the last plan of svc-a did not end well, so this one runs Job.batch svc-a/upgrade (up)" in (
        denial.message
    )
    assert "rollback svc-a --now" in denial.hint
    assert any(denial.message in str(row) for row in stage.world.opened.journal.events), "it is told"
    # and that is a way: what runs then is scaled at once
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="first this")
    stage.settle()
    old = {RELEASE: stage.release_text("v2.0.0"), STAGING: stage.world.example()[STAGING], JOB: None}
    back = stage.propose(old, branch="revert")
    stage.approve(back)
    stage.merge(back)
    again = stage.propose({MANIFEST: scaled(stage, 5)}, branch="scale-again")
    assert small_enough(plan_of(stage, again)) is None


def test_after_a_way_back_the_next_version_runs_its_hooks_also_where_only_a_job_is_another(stage: Stage) -> None:
    land(stage, files(stage, before="broken"), "bad")
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    made = plan_of(stage, stage.propose(files(stage, before="v1"), branch="fixed"))
    assert "run" in {change.operation.value for change in made.changes}


def test_a_version_that_was_accepted_while_suspended_runs_its_hooks_when_that_is_lifted(stage: Stage) -> None:
    lifted = files(stage)[RELEASE]
    assert lifted is not None
    land(stage, {**files(stage), RELEASE: lifted.rstrip() + "\n  suspend: true\n"}, "suspended")
    made = plan_of(stage, stage.propose({RELEASE: lifted}, branch="lifted"))
    assert "run" in {change.operation.value for change in made.changes}
