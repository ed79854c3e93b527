"""What a way back still owes after it failed: its migration is run by whatever leads back next.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from datetime import timedelta

import pytest

from tests.failpoints.scenes import JOB, job
from tests.story.stage import RELEASE, Stage
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture
from tests.story.test_way_back import land, made, pods
from tests.story.test_way_back_again import outcome
from tests.story.test_way_back_pods import makes_job, order_back, witness
from tests.story.test_way_back_pods import stage as stage  # a fixture
from tests.story.test_way_back_pods import theatre as theatre  # a fixture

LONGER = frozenset({"test_a_revert_that_failed_leaves_its_late_migration_to_the_next_one"})
STOP, RESTORE = "{action: stop_traffic}", "{action: restore_traffic}"
MIGRATE = "{action: migrate_database, job: downgrade, reversible: true}"
ROLL_BACK, VERIFY = "{action: roll_back}", "{action: verify}"
ASKS = "{http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}}"
LATE = {"running": (ROLL_BACK, MIGRATE, VERIFY), "stopped": (STOP, ROLL_BACK, MIGRATE, RESTORE, VERIFY)}


def stepped(stage: Stage, tag: str, *steps: str) -> str:
    text = stage.release_text(tag).replace("  rollback: {automatic: true}", "").rstrip()
    return f"{text}\n  rollback:\n    automatic: true\n    success: [{ASKS}]\n    steps: [{', '.join(steps)}]\n"


@pytest.mark.parametrize("traffic", ["stopped"])
def test_an_order_after_a_return_whose_late_migration_failed_runs_it(stage: Stage, traffic: str) -> None:
    witness(stage).refuse(403, makes_job)
    land(stage, {RELEASE: stepped(stage, "v2.0.1-broken", *LATE[traffic]), JOB: job("downgrade")}, "bad")
    assert (outcome(stage), made(stage)) == ("rollback_failed", [])
    witness(stage).heal()
    order_back(stage)
    assert (outcome(stage), stage.image(), pods(stage), len({*made(stage)})) == ("rolled_back", "v2.0.0", 2, 1)


@pytest.mark.parametrize("traffic", LATE)
def test_a_revert_that_failed_leaves_its_late_migration_to_the_next_one(stage: Stage, traffic: str) -> None:
    land(stage, {RELEASE: stepped(stage, "v2.0.1", *LATE[traffic]), JOB: job("downgrade")}, "good")
    witness(stage).refuse(403, makes_job)
    for branch, more in (("revert", ""), ("again", "  onRemoval: forget\n")):
        number = stage.propose({RELEASE: stage.release_text("v2.0.0") + more, JOB: None}, branch=branch)
        stage.approve(number, reason=stage.preview(number).previewed.digest)
        stage.merge(number)
        assert bool(made(stage)) == (branch == "again"), outcome(stage)
        witness(stage).heal()
    assert (outcome(stage), stage.image(), pods(stage)) == ("applied", "v2.0.0", 2)


@pytest.mark.parametrize("steps", [(), (MIGRATE, ROLL_BACK, VERIFY)], ids=["plain", "by steps"])
def test_f15_a_return_waits_for_a_credential_that_ends_while_it_looks(stage: Stage, steps: tuple[str, ...]) -> None:
    new = stepped(stage, "v2.0.1", *steps) if steps else stage.release_text("v2.0.1")
    land(stage, {RELEASE: new, JOB: job("downgrade") if steps else None}, "good")
    witness(stage).refuse(401, lambda _: bool(made(stage)) or not steps)
    order_back(stage)
    assert (outcome(stage), stage.image()) == ("", "v2.0.1")
    witness(stage).heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert (outcome(stage), stage.image()) == ("rolled_back", "v2.0.0")
