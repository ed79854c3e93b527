"""Jobs of a source that no hook names: applied as any other object, run once for what they say, gone by themselves."""

from reconciler.plan.change import Operation, Plan
from tests.failpoints.scenes import JOB, job
from tests.story.stage import RELEASE, STAGING, Stage
from tests.story.test_way_back import OURS, land, made, plan_of

PATH = "apis/batch/v1/namespaces/svc-a/jobs/once"
ALLOWED = "opspilot.spec/replace: allowed"
LONGER = frozenset({"test_another_template_needs_a_word_and_runs_it_again", "test_one_that_goes_too_soon_is_said"})


def once(tag: str = "v1", *, seconds: int | None = 600, more: str = "") -> str:
    text = job("once", tag).replace("{name: once}", f"{{name: once{more}}}")
    return text if seconds is None else text.replace("spec:\n", f"spec:\n  ttlSecondsAfterFinished: {seconds}\n", 1)


def jobs_in(plan: Plan) -> list[Operation]:
    return [change.operation for change in plan.changes if change.subject.startswith("Job.")]


def gone(stage: Stage) -> None:
    """Its time is over, and the cluster took it away."""
    stage.world.sandbox("prod").remove(PATH)


def drifted(stage: Stage) -> list[str]:
    """What a look for drift told of it."""
    stage.world.opened.reconciler.look_for_drift()
    return [row.text for row in stage.rows() if row.action == "drift_detected"]


def test_one_that_ran_and_went_is_neither_drift_nor_made_again_until_it_says_something_else(stage: Stage) -> None:
    merged = land(stage, {JOB: once()}, "first")
    assert stage.statuses(merged)[OURS][0] == "success"
    gone(stage)
    assert drifted(stage) == []
    number = stage.propose({RELEASE: stage.release_text("v2.0.1"), JOB: once(more=", labels: {a: b}")}, branch="next")
    assert jobs_in(plan_of(stage, number)) == []
    stage.approve(number)
    stage.merge(number)
    assert len(made(stage)) == 1
    assert drifted(stage) == []
    other = plan_of(stage, stage.propose({JOB: once("v2")}, branch="other"))
    assert jobs_in(other) == [Operation.CREATE]


def test_one_without_a_time_that_is_gone_was_taken_away_by_somebody_and_is_drift(stage: Stage) -> None:
    land(stage, {JOB: once(seconds=None)}, "first")
    gone(stage)
    (words,) = drifted(stage)
    assert "Job.batch svc-a/once" in words


def test_a_way_back_runs_no_old_one_again(stage: Stage) -> None:
    land(stage, {JOB: once()}, "first")
    gone(stage)
    merged = land(stage, {RELEASE: stage.release_text("v2.0.1-broken"), JOB: None}, "bad")
    assert stage.statuses(merged)[OURS][1].startswith("rolled back")
    assert len(made(stage)) == 1


def test_one_of_a_version_that_did_not_end_well_is_made_again(stage: Stage) -> None:
    text = stage.release_text("v2.0.1-broken").replace("automatic: true", "automatic: false")
    land(stage, {RELEASE: text, JOB: once()}, "bad")
    gone(stage)
    number = stage.propose({RELEASE: stage.release_text("v2.0.2")}, branch="better")
    assert jobs_in(plan_of(stage, number)) == [Operation.CREATE]


def test_another_template_needs_a_word_and_runs_it_again(stage: Stage) -> None:
    land(stage, {JOB: once()}, "first")
    plan = plan_of(stage, stage.propose({JOB: once("v2")}, branch="changed"))
    (check,) = plan.blocked
    assert "field is immutable" in check.message
    assert ALLOWED in check.hint
    assert "either runs it, as naming it in hooks does" in check.hint
    number = stage.propose({JOB: once("v2", more=f", annotations: {{{ALLOWED}}}")}, branch="allowed")
    assert jobs_in(plan_of(stage, number)) == [Operation.REPLACE]


def test_one_that_goes_too_soon_is_said(stage: Stage) -> None:
    number = stage.propose({JOB: once(seconds=0)}, branch="soon")
    (said,) = [check.message for check in plan_of(stage, number).checks if "may be gone" in check.message]
    assert said == (
        "Job.batch svc-a/once may be gone before anybody sees that it ended well: ttlSecondsAfterFinished is 0"
    )


def test_who_shares_the_folder_names_the_job_too_or_it_would_run_at_once(stage: Stage) -> None:
    hooks = "  hooks: [{name: up, when: before, job: once}]\n"
    staging = stage.world.example()[STAGING]
    files = {RELEASE: stage.release_text("v2.0.1") + hooks, JOB: once(seconds=None), STAGING: staging}
    number = stage.propose(files, branch="one")
    steps = "  rollback: {steps: [{action: migrate_database, job: once}, {action: roll_back}]}\n"

    def said(number: int) -> list[tuple[str, bool]]:
        found = [(plan, check) for plan in stage.plans(number).plans for check in plan.checks]
        words = "Job.batch svc-a/once would run at once"
        return [(plan.environment, check in plan.blocked) for plan, check in found if words in check.message]

    assert said(number) == [("env-staging", False)]
    number = stage.propose({**files, STAGING: staging + hooks}, branch="both")
    assert said(number) == []
    plain = stage.release_text("v2.0.1").replace("  rollback: {automatic: true}\n", "")
    number = stage.propose({**files, RELEASE: plain + steps}, branch="steps")
    assert said(number) == [("env-staging", True)]
