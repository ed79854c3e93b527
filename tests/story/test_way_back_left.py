"""Which version a revert leaves, and so whose steps it walks: the one that runs.

Some by default; `pytest tests/story --strategies all` is all of them.
"""

from tests.failpoints.scenes import JOB, job
from tests.story.altered import stage as stage  # a fixture
from tests.story.altered import theatre as theatre  # a fixture
from tests.story.stage import RELEASE, Stage
from tests.story.test_way_back import land, made, text
from tests.story.test_way_back_pods import order_back, steps

LONGER = frozenset(
    {
        "test_a_version_that_was_suspended_since_is_left_by_its_steps",
        "test_a_version_that_failed_before_anything_was_done_hides_none_that_runs",
        "test_what_was_gone_back_from_by_its_steps_comes_again_without_the_steps_of_the_older_one",
    }
)


def test_after_a_failed_version_went_back_the_one_before_is_left_by_its_own_steps(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    land(stage, {RELEASE: text(stage, "v2.0.2-broken")}, "bad")
    assert (stage.image(), stage.ledger.units["release/svc-a"].outcome) == ("v2.0.1", "rolled_back")
    number = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert")
    assert steps(stage, number) == {1, 2, 3, 4, 5}


def test_a_version_that_was_suspended_since_is_left_by_its_steps(stage: Stage) -> None:
    new = text(stage, "v2.0.1")
    land(stage, {RELEASE: new, JOB: job("downgrade")}, "good")
    land(stage, {RELEASE: new.rstrip() + "\n  suspend: true\n"}, "suspended")
    number = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert")
    assert steps(stage, number) == {1, 2, 3, 4, 5}


def test_a_version_that_failed_before_anything_was_done_hides_none_that_runs(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "good")
    hook = "  hooks: [{name: up, when: before, job: upgrade}]\n"
    bad = text(stage, "v2.0.2").replace("automatic: true", "automatic: false").rstrip() + f"\n{hook}"
    land(stage, {RELEASE: bad, JOB: job("upgrade", "broken") + "---\n" + job("downgrade")}, "bad")
    assert (stage.image(), stage.ledger.units["release/svc-a"].outcome) == ("v2.0.1", "failed")
    number = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="revert")
    assert steps(stage, number) == {1, 2, 3, 4, 5}


def test_what_was_gone_back_from_by_its_steps_comes_again_without_the_steps_of_the_older_one(stage: Stage) -> None:
    one, two = (text(stage, f"v2.0.{number}") for number in (1, 2))
    land(stage, {RELEASE: one, JOB: job("downgrade")}, "one")
    land(stage, {RELEASE: two}, "two")
    land(stage, {RELEASE: one}, "revert")
    again = stage.propose({RELEASE: two}, branch="again")
    older = stage.propose({RELEASE: stage.release_text("v2.0.0"), JOB: None}, branch="older")
    assert (steps(stage, again), steps(stage, older)) == (set(), {1, 2, 3, 4, 5})


def test_g21_no_order_goes_forward_again_by_the_steps_of_an_older_version(stage: Stage) -> None:
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "one")
    land(stage, {RELEASE: stage.release_text("v2.0.2"), JOB: None}, "two")
    land(stage, {RELEASE: text(stage, "v2.0.1"), JOB: job("downgrade")}, "revert")
    order_back(stage)
    assert (stage.image(), made(stage)) == ("v2.0.1", [])
    assert [row for row in stage.rows() if "whose steps lead further back" in row.text]
