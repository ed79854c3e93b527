"""A return is not over where it may not look just now."""

from datetime import timedelta

import pytest

from tests.failpoints.scenes import JOB, job
from tests.story.altered import altered
from tests.story.altered import quick as quick  # a fixture: waiting costs nothing
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, made
from tests.story.test_way_back_again import outcome
from tests.story.test_way_back_pods import order_back

MIGRATE = "{action: migrate_database, job: downgrade, reversible: true}"
ROLL_BACK, VERIFY = "{action: roll_back}", "{action: verify}"
ASKS = "{http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}}"


def stepped(stage: Stage, tag: str, *steps: str) -> str:
    text = stage.release_text(tag).replace("  rollback: {automatic: true}", "").rstrip()
    return f"{text}\n  rollback:\n    automatic: true\n    success: [{ASKS}]\n    steps: [{', '.join(steps)}]\n"


@pytest.mark.parametrize("steps", [(), (MIGRATE, ROLL_BACK, VERIFY)], ids=["plain", "by steps"])
def test_f15_a_return_waits_for_a_credential_that_ends_while_it_looks(stage: Stage, steps: tuple[str, ...]) -> None:
    new = stepped(stage, "v2.0.1", *steps) if steps else stage.release_text("v2.0.1")
    land(stage, {RELEASE: new, JOB: job("downgrade") if steps else None}, "good")
    altered(stage).refuse(401, lambda _: bool(made(stage)) or not steps)
    order_back(stage)
    assert (outcome(stage), stage.image()) == ("", "v2.0.1")
    altered(stage).heal()
    stage.clock.advance(timedelta(minutes=2))
    stage.settle()
    assert (outcome(stage), stage.image()) == ("rolled_back", "v2.0.0")


def test_a_second_order_asks_what_it_found_as_it_is_to_be_when_that_is_ready(stage: Stage) -> None:
    land(stage, {RELEASE: stepped(stage, "v2.0.1", MIGRATE, ROLL_BACK, VERIFY), JOB: job("downgrade")}, "good")
    altered(stage).refuse(503, lambda asked: "proxy" in asked.path)
    order_back(stage)
    assert (outcome(stage), stage.image()) == ("rollback_failed", "v2.0.0")
    altered(stage).heal()
    order_back(stage)
    assert (outcome(stage), stage.image(), len({*made(stage)})) == ("rolled_back", "v2.0.0", 2)
