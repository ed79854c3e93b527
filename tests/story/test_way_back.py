"""A way back by steps of its own: stop traffic, migrate back, roll back, restore, verify; on the sandbox's cluster.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from typing import Any

from reconciler.approval.decision import Verb
from reconciler.names import Revision
from reconciler.plan.change import Plan, Risk, Ungranted
from tests.failpoints.scenes import JOB, job, with_steps
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

LONGER = frozenset(
    {
        "test_the_preview_shows_the_steps_and_what_can_be_undone",
        "test_an_ordered_return_runs_the_steps_of_the_version_that_is_left",
        "test_runs_of_earlier_plans_go_with_the_next_one",
    }
)
OURS = "reconciler/apply: env-k8s-prod"


def text(stage: Stage, tag: str, *, reversible: bool = True) -> str:
    """The release with five steps."""
    return with_steps(stage.release_text(tag), said=", reversible: true" if reversible else "")


def plan_of(stage: Stage, number: int) -> Plan:
    """What it would change in production."""
    plans = [plan for plan in stage.plans(number).plans if plan.environment == "env-k8s-prod"]
    assert len(plans) == 1, [
        (plan.environment, [unit.unit for unit in plan.units]) for plan in stage.plans(number).plans
    ]
    return plans[0]


def land(stage: Stage, files: dict[str, str | None], branch: str) -> Revision:
    number = stage.propose(files, branch=branch)
    assert not plan_of(stage, number).blocked, plan_of(stage, number).blocked
    stage.approve(number)
    return stage.merge(number)


def pods(stage: Stage) -> int:
    """How many pods svc-a is to have."""
    found = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert found is not None
    return int(found["spec"]["replicas"])


def runs(stage: Stage) -> list[str]:
    """Jobs that stand on the cluster."""
    found = stage.world.sandbox("prod").contents().values()
    return sorted(body["metadata"]["name"] for body in found if body["kind"] == "Job")


def made(stage: Stage) -> list[str]:
    """Every Job that was ever made there, each once: the cluster's own count of creations by name."""
    effects = stage.world.sandbox("prod").real_effects
    return [one.path.rpartition("/")[2] for one in effects if "/jobs/" in one.path and one.verb == "patch"]


def notes(stage: Stage) -> list[str]:
    events = stage.world.opened.journal.events
    return [str(event.detail.get("summary", "")) for event in events]


def entries(stage: Stage) -> list[tuple[int, bool]]:
    """Recorded steps: number, and whether it is the result."""
    found: list[tuple[int, bool]] = []
    for event in stage.world.opened.journal.events:
        entry: Any = event.detail.get("entry") or {}
        if entry.get("type") == "back_step":
            found.append((entry["number"], entry.get("done", False)))
    return found


def test_a_failed_rollout_goes_back_by_its_steps(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    state, words = stage.statuses(merged)[OURS]
    assert (state, words.startswith("rolled back")) == ("failure", True), words
    assert (stage.image(), pods(stage)) == ("v2.0.0", 2)
    assert entries(stage) == [(n, done) for n in (1, 2, 3, 4, 5) for done in (False, True)]
    assert len(made(stage)) == 1
    found = stage.world.sandbox("prod").look(DEPLOYMENT)
    assert found is not None
    assert "opspilot.spec/stopped" not in found["metadata"]["annotations"]


def test_the_preview_shows_the_steps_and_what_can_be_undone(stage: Stage) -> None:
    number = stage.propose({RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, branch="shown")
    plan = plan_of(stage, number)
    assert plan.units[0].ungranted is None
    (comment,) = stage.world.opened.forge.comments(number)
    for words in ("the traffic is stopped: every pod of `Deployment.apps svc-a/svc-a`", "said to be reversible"):
        assert words in comment.body
    number = stage.propose({RELEASE: text(stage, "v2.0.1", reversible=False), JOB: job("downgrade")}, branch="less")
    plan = plan_of(stage, number)
    assert plan.units[0].ungranted is Ungranted.IRREVERSIBLE
    comment = stage.world.opened.forge.comments(number)[-1]
    assert "it cannot be undone" in comment.body
    assert "No return is granted, by itself or by order" in comment.body


def test_g21_what_cannot_be_undone_is_part_of_no_granted_return(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1-broken", reversible=False), JOB: job("downgrade")}, "bad")
    assert "release_apply_failed" in stage.statuses(merged)[OURS][1]
    assert (stage.image(), made(stage), entries(stage)) == ("v2.0.1-broken", [], [])
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()
    assert (stage.image(), made(stage)) == ("v2.0.1-broken", [])

    # a person's way: the revert pull request, whose preview has the steps, approved like any change
    old = {RELEASE: stage.release_text("v2.0.0"), JOB: None}
    number = stage.propose(old, branch="revert")
    plan = plan_of(stage, number)
    assert not plan.blocked
    assert plan.risk is Risk.CRITICAL
    assert [change.subject for change in plan.changes if not change.reversible] == [
        "Job.batch svc-a/downgrade (rollback.steps[1]: migrate_database)"
    ]
    assert plan.units[0].ungranted is Ungranted.GOES_BACK
    stage.approve(number, reason=stage.preview(number).previewed.digest)
    merged = stage.merge(number)
    assert stage.statuses(merged)[OURS][0] == "success", stage.statuses(merged)
    assert (stage.image(), pods(stage), len(made(stage))) == ("v2.0.0", 2, 1)


def test_a_migration_that_fails_leaves_no_traffic_stopped_and_says_so_loudly(stage: Stage) -> None:
    files: dict[str, str | None] = {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade", "broken")}
    merged = land(stage, files, "bad")
    state, words = stage.statuses(merged)[OURS]
    assert (state, words.startswith("rollback failed")) == ("error", True), words
    assert (stage.image(), pods(stage)) == ("v2.0.1-broken", 2)  # what stood has its pods again
    assert entries(stage) == [(1, False), (1, True), (2, False), (0, False)]
    told = next(row.text for row in stage.rows(release="svc-a") if row.action == "rollback_failed")
    assert "Job.batch svc-a/downgrade" in told
    assert "Deployment.apps svc-a/svc-a is asked for its 2 pods: 0 are ready" in told
    assert len(made(stage)) == 1


def test_an_ordered_return_runs_the_steps_of_the_version_that_is_left(stage: Stage) -> None:
    merged = land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    assert (stage.image(), made(stage)) == ("v2.0.1", [])
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()
    assert (stage.image(), pods(stage), len(made(stage))) == ("v2.0.0", 2, 1)
    assert stage.ledger.units["release/svc-a"].outcome == "rolled_back"
    assert stage.statuses(merged)[OURS] == (
        "failure",  # what that commit says does not run
        "rolled back, main ahead: ordered by dev_user: back to what ran before, as ordered: now",
    )

    # what is back already is not walked back again by its revert; the run of the return goes with the next plan
    number = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert")
    assert [change.subject for change in plan_of(stage, number).changes] == []


def test_runs_of_earlier_plans_go_with_the_next_one(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1-broken"), JOB: job("downgrade")}, "bad")
    (name,) = runs(stage)
    number = stage.propose({RELEASE: text(stage, "v2.0.2"), JOB: job("downgrade")}, branch="next")
    plan = plan_of(stage, number)
    assert [(one.subject, one.replaced) for one in plan.changes if one.operation.value == "delete"] == [
        (f"Job.batch svc-a/{name}", True)
    ]
    assert plan.reasons[0].startswith("tier")  # that it goes is no deletion that anybody has to weigh
    stage.approve(number)
    merged = stage.merge(number)
    assert stage.statuses(merged)[OURS][0] == "success"
    assert runs(stage) == []


def test_a_version_that_was_only_accepted_is_not_walked_back(stage: Stage) -> None:
    first = stage.release_text("v2.0.0")
    land(stage, {RELEASE: stage.release_text("v2.0.1")}, "next")
    suspended = text(stage, "v2.0.2").rstrip() + "\n  suspend: true\n"
    land(stage, {RELEASE: suspended, JOB: job("downgrade")}, "suspended")
    made_of = plan_of(stage, stage.propose({RELEASE: first, JOB: None}, branch="older"))
    assert made_of.batches
    assert not any(action.step for batch in made_of.batches for action in batch)
