"""The records of a way back by steps, folded: whose turn it is, what ran, and which versions ended well before."""

from reconciler.machine.entry import Accepted, Applying, BackStep, BatchDone, Entry, Finished, Retry
from reconciler.machine.ledger import Ledger
from reconciler.machine.states import EARLIER, EVERY, RolloutState, gone_back_to
from tests.machine.test_ledger import fold, minute, passed, returning, unit

PLACE = ("dev", 1)


def step(number: int, *, done: bool = False) -> BackStep:
    return BackStep(environment="dev", generation=1, unit="release/a", number=number, action="x", done=done)


def ended(outcome: str, generation: int = 1) -> Finished:
    return Finished(environment="dev", generation=generation, outcome=outcome)


def after(*entries: Entry) -> RolloutState:
    return fold(passed(unit("a")), *entries).rollouts[PLACE]


def begun(batch: int) -> Applying:
    return Applying(environment="dev", generation=1, batch=batch)


def test_g25_each_step_is_a_turn_of_its_own_and_its_end_is_none() -> None:
    turns = [after(returning(unit("a")), *found) for found in ([], [step(1)], [step(1), step(1, done=True)])]
    assert [one.turn for one in turns] == [1, 2, 2]
    assert [str(one.event) for one in turns] == ["0002", "0003", "0003"]


def test_g25_what_goes_on_after_traffic_was_given_back_is_a_new_turn() -> None:
    found = after(returning(unit("a")), step(1), step(1, done=True), step(2), step(0))
    assert (found.turn, found.again) == (4, True)
    assert found.begun == {("release/a", 1), ("release/a", 2)}
    assert found.walked == {("release/a", 1)}
    found = after(returning(unit("a")), step(1), step(0), step(1))
    assert (found.turn, found.again) == (4, False)
    found = after(begun(0), step(0), begun(0))
    assert (found.turn, found.again) == (3, False)


def test_the_time_of_a_step_counts_from_its_first_record_and_that_of_another_try_from_its_own() -> None:
    found = after(returning(unit("a")), step(1), step(1, done=True), step(2), step(0), step(2))
    assert found.steps_at == {("release/a", 1): minute(3), ("release/a", 2): minute(5)}
    assert after(returning(unit("a")), step(1), returning(unit("a"))).steps_at == {}
    found = after(begun(0), begun(1), begun(1), begun(2))
    assert found.batches_at == {0: minute(2), 1: minute(3), 2: minute(5)}
    retry = Retry(environment="dev", generation=1, by="x")
    assert after(begun(0), ended("failed"), retry).batches_at == {}
    assert after(begun(0), ended("failed"), retry, begun(0)).batches_at == {0: minute(5)}


def test_how_far_a_version_came_is_kept_until_what_ran_before_stands_again() -> None:
    done = BatchDone(environment="dev", generation=1, batch=1)
    assert after().furthest("release/a") == -1
    assert after(begun(1), done, ended("failed")).furthest("release/a") == 1
    retry = Retry(environment="dev", generation=1, by="x")
    assert after(begun(1), done, ended("failed"), retry).furthest("release/a") == 1
    assert after(begun(1), done, ended("applied")).furthest("release/a") == EVERY
    assert after(begun(1), done, returning(unit("a")), ended("rollback_failed")).furthest("release/a") == 1
    assert after(begun(1), done, returning(unit("a")), ended("rolled_back")).furthest("release/a") == -1


def mixed(*after: Entry) -> Ledger:
    """Two releases that failed: b went back wholly, the return of a was begun and failed."""
    both = passed(unit("a", "b"), unit("b", "b"), generation=2)
    steps = [BackStep(environment="dev", generation=2, unit=f"release/{name}", number=1, action="x") for name in "ab"]
    done = BatchDone(environment="dev", generation=2, batch=1)
    back = Finished(environment="dev", generation=2, outcome="rollback_failed", back=("release/b",))
    first = (passed(unit("a"), unit("b")), ended("applied"))
    return fold(*first, both, done, returning(unit("a"), unit("b"), generation=2), *steps, back, *after)


def test_g21_of_a_return_that_failed_each_release_ends_as_it_went_back_itself() -> None:
    found = mixed()
    assert {name: state.outcome for name, state in found.units.items()} == {
        "release/a": "rollback_failed",
        "release/b": "rolled_back",
    }
    rollout = found.rollouts["dev", 2]
    assert rollout.owing == {"release/a"}
    assert (rollout.furthest("release/a"), rollout.furthest("release/b")) == (1, -1)


def test_g21_the_return_of_one_release_alone_says_nothing_of_another_one() -> None:
    alone = (returning(unit("a"), generation=2), ended("rolled_back", 2))
    rollout = mixed(*alone).rollouts["dev", 2]
    assert (rollout.owing, dict(rollout.ends)) == (
        frozenset(),
        {"release/a": "rolled_back", "release/b": "rolled_back"},
    )
    other = (returning(unit("b"), generation=2), ended("rolled_back", 2))
    rollout = mixed(*other).rollouts["dev", 2]
    assert rollout.owing == {"release/a"}
    assert rollout.ends["release/a"] == "rollback_failed"


def test_g21_what_a_return_left_undone_is_owed_also_after_a_retry_that_did_nothing() -> None:
    retry = Retry(environment="dev", generation=2, by="x")
    assert mixed(retry, ended("failed", 2)).rollouts["dev", 2].owing == {"release/a"}
    assert mixed(retry, ended("applied", 2)).rollouts["dev", 2].owing == frozenset()


def test_g21_what_had_ended_well_and_is_only_tried_again_leads_nowhere() -> None:
    """Two of one plan: a was ordered back, then the plan was retried."""
    first, both = passed(unit("a"), unit("b")), passed(unit("a", "b"), unit("b", "b"), generation=2)
    back = (returning(unit("a"), generation=2), ended("rolled_back", 2))
    retry = Retry(environment="dev", generation=2, by="x")
    units = fold(first, ended("applied"), both, ended("applied", 2), *back, retry).units
    assert gone_back_to(both, units) == (unit("a"),)


def succeeded(*units: Accepted) -> Ledger:
    ledger = Ledger()
    for generation, one in enumerate(units, 1):
        fold(passed(one, generation=generation), ended("applied", generation), ledger=ledger)
    return ledger


def test_what_ended_well_before_is_kept_newest_first_and_not_for_ever() -> None:
    found = succeeded(*(unit("a", letter) for letter in "abcd")).units["release/a"]
    names = [one.artifact[0] for one in (found.successful, found.previous, *found.earlier) if one is not None]
    assert names == ["d", "c", "b", "a"]
    found = succeeded(*(unit("a", "ab"[number % 2]) for number in range(EARLIER + 10))).units["release/a"]
    assert len(found.earlier) == EARLIER
