"""What the ledger keeps of each entry, and for how long: nothing that was said is forgotten, nothing is made up."""

from datetime import datetime, timedelta

import pytest

from reconciler.machine.entry import (
    Accepted,
    Answered,
    Applying,
    Assigned,
    BatchDone,
    Connected,
    Decided,
    Denied,
    Ended,
    Entry,
    Judged,
    Landed,
    Notified,
    Over,
    Passed,
    Refusal,
    Retry,
    SecondLook,
    Sighted,
    Trusted,
)
from reconciler.machine.ledger import OpenGlass, RolloutState, UnitState
from reconciler.names import POLICY, EventId
from tests.machine.test_ledger import AT, R1, R2, digest, finished, fold, passed, previewed, returning, unit

LANDED = Landed(before=R1, commit=R2, ticket="t", pull_request=1, environments=("dev", "prod"))


def minute(number: int) -> datetime:
    return AT + timedelta(minutes=number)


def broken(*units: Accepted) -> Passed:
    """Let pass by a person in an emergency."""
    return passed(*units).model_copy(update={"emergency": "ann"})


def test_g2_what_a_person_trusted_is_accepted_and_stands_as_applied() -> None:
    ledger = fold(Trusted(commit=R1, units=(unit("policy"),)))
    assert (ledger.trusted, ledger.policies) == (R1, [(minute(1), R1)])
    assert ledger.units == {"release/policy": UnitState(unit("policy"), "", 0, "applied", unit("policy"))}


def test_g2_only_the_policys_own_plan_changes_the_policy() -> None:
    assert fold(passed(unit("web"))).policies == []


def test_a_rollout_has_begun_and_finished_no_batch_until_it_says_so() -> None:
    rollout = RolloutState(passed(unit("web")), EventId("1"), AT)
    assert (rollout.batch, rollout.done) == (-1, -1)


@pytest.mark.parametrize(("landed", "late"), [((), False), (("other",), False), (("t",), True), (("other", "t"), True)])
def test_g13_a_decision_about_what_had_landed_when_it_came_is_late(landed: tuple[str, ...], *, late: bool) -> None:
    before = [LANDED.model_copy(update={"ticket": ticket, "commit": digest(ticket)[:40]}) for ticket in landed]
    given = Decided(ticket="t", decision="text", signature="s", signer="k", at=AT)
    after = LANDED.model_copy(update={"ticket": "t"})
    assert (given.decision in fold(*before, given, after).late) is late


def test_generations_are_counted_by_environment() -> None:
    ledger = fold(passed(unit("web"), generation=7))
    assert (ledger.generation("dev"), ledger.generation("prod")) == (7, 0)


@pytest.mark.parametrize(
    ("removed", "outcome", "there"),
    [(False, "applied", True), (False, "failed", True), (True, "failed", True), (True, "applied", False)],
)
def test_g7_a_unit_is_there_until_its_removal_ended_well(outcome: str, *, removed: bool, there: bool) -> None:
    ledger = fold(passed(unit("web", removed=removed)), finished(outcome))
    assert ("release/web" in ledger.accepted()) is there


def test_g13_a_first_preview_replaced_nothing() -> None:
    state = fold(previewed(dev="a")).previews["t"]
    assert (state.posted_at, state.changed_at, state.inputs) == (minute(1), None, (R1, R2))
    again = fold(previewed(dev="a"), previewed(dev="a")).previews["t"]
    assert (again.posted_at, again.changed_at) == (minute(1), None)


def test_g12_a_ticket_that_ended_says_how() -> None:
    assert fold(previewed(dev="a"), Ended(ticket="t", how="closed")).previews["t"].ended == "closed"
    assert fold(Ended(ticket="t", how="closed")).previews == {}


def test_what_lands_and_changes_nothing_managed_waits_for_nobody() -> None:
    quiet = LANDED.model_copy(update={"environments": ()})
    ledger = fold(quiet)
    assert (ledger.waiting, ledger.landed, ledger.looked) == ({}, {R2: quiet}, R2)


def test_a_landing_is_over_when_each_of_its_environments_is() -> None:
    over = [Over(ticket="t", environment=name, why="superseded") for name in ("dev", "prod")]
    half = fold(previewed(dev="a"), LANDED, over[0])
    assert half.waiting["t"].landed.environments == ("prod",)
    assert half.previews["t"].ended == ""
    done = fold(over[1], ledger=half)
    assert (done.waiting, done.previews["t"].ended) == ({}, "superseded")
    assert fold(LANDED, *over).previews == {}


def test_g21_what_stood_before_is_remembered_through_failures_and_returns() -> None:
    first, second, third = unit("web"), unit("web", "b"), unit("web", "c")
    ledger = fold(passed(first), finished("applied"))
    fold(passed(second, generation=2), finished("applied", 2), ledger=ledger)
    state = ledger.units["release/web"]
    assert (state.successful, state.previous) == (second, first)
    fold(passed(third, generation=3), ledger=ledger)
    state = ledger.units["release/web"]
    assert (state.accepted, state.successful, state.previous, state.outcome) == (third, second, first, "")
    fold(finished("failed", 3), ledger=ledger)
    assert (ledger.units["release/web"].successful, ledger.units["release/web"].previous) == (second, first)


def test_g21_the_same_revision_again_is_not_its_own_predecessor() -> None:
    first, second = unit("web"), unit("web", "b")
    ledger = fold(passed(first), finished("applied"), passed(second, generation=2), finished("applied", 2))
    fold(Retry(environment="dev", generation=2, by="x"), finished("applied", 2), ledger=ledger)
    assert ledger.units["release/web"].previous == first


@pytest.mark.parametrize("end", ["rolled_back", "rollback_failed"])
def test_g21_after_a_return_what_it_leads_to_is_where_the_next_one_goes_too(end: str) -> None:
    """Also after one that failed: what was left once is never gone back to."""
    ledger = fold(passed(unit("web")), finished("applied"), passed(unit("web", "b"), generation=2))
    fold(finished("applied", 2), returning(unit("web"), generation=2), ledger=ledger)
    assert ledger.units["release/web"].successful == unit("web", "b")
    fold(finished(end, 2), ledger=ledger)
    assert ledger.units["release/web"].successful == unit("web")
    fold(Retry(environment="dev", generation=2, by="x"), finished("failed", 2), ledger=ledger)
    assert ledger.units["release/web"].successful == unit("web")


@pytest.mark.parametrize("again", [returning(unit("web")), Retry(environment="dev", generation=1, by="x")])
def test_a_rollout_that_goes_another_way_begins_before_its_first_batch(again: Entry) -> None:
    steps: list[Entry] = [
        Applying(environment="dev", generation=1, batch=1),
        BatchDone(environment="dev", generation=1, batch=1),
    ]
    ledger = fold(passed(unit("web")), *steps)
    assert (ledger.rollouts["dev", 1].batch, ledger.rollouts["dev", 1].done) == (1, 1)
    rollout = fold(again, ledger=ledger).rollouts["dev", 1]
    assert (rollout.batch, rollout.done, rollout.finished) == (-1, -1, None)


def test_a_rollout_begins_before_its_first_batch() -> None:
    rollout = fold(passed(unit("web"))).rollouts["dev", 1]
    assert (rollout.batch, rollout.done, rollout.started_at) == (-1, -1, minute(1))


def test_g23_broken_glass_stays_open_until_a_second_look() -> None:
    place = {"ticket": "t", "environment": "dev"}
    assert fold(passed(unit("web"))).emergencies == {}
    ledger = fold(broken(unit("web")))
    assert ledger.emergencies == {("t", "dev"): OpenGlass(broken(unit("web")), minute(1), notified=False)}
    assert OpenGlass(broken(unit("web")), AT) == OpenGlass(broken(unit("web")), AT, notified=False)
    fold(Notified(**place), ledger=ledger)
    assert ledger.emergencies["t", "dev"].notified
    fold(SecondLook(ticket="t", environment="prod"), ledger=ledger)
    assert ledger.emergencies.keys() == {("t", "dev")}
    fold(SecondLook(**place), ledger=ledger)
    assert ledger.emergencies == {}
    assert fold(SecondLook(**place), Notified(**place)).emergencies == {}


def test_what_was_told_is_told_once() -> None:
    ledger = fold(Denied(ticket="t", subject="review-1"), Answered(ticket="t", comment="comment-2"))
    assert ledger.told == {("t", "review-1"), ("t", "comment-2")}
    refusals = [Refusal(ticket="t", environment="dev", key=key, digest=digest("a")) for key in ("one", "two")]
    assert fold(*refusals).refusals == {("t", "dev"): refusals[1]}


def test_g5_every_signed_decision_is_kept_and_the_last_verdict_holds() -> None:
    made = [Decided(ticket="t", decision=text, signature="s", signer="k", at=AT) for text in ("one", "two")]
    assert fold(*made).decisions == {"t": tuple(made)}
    judged = [Judged(ticket="t", digest=digest("a"), verdict=verdict) for verdict in ("approved", "rejected")]
    assert fold(*judged).judged == {"t": judged[1]}


def test_g4_addresses_that_people_accepted_add_up() -> None:
    seen = [Sighted(ticket="t", addresses=(address,), by=("ann",)) for address in ("a:1", "b:2")]
    assert fold(*seen).sighted == {"a:1", "b:2"}


def test_who_a_cluster_is_and_who_shall_look_is_what_was_said_last() -> None:
    said: list[Entry] = [Connected(cluster="one", uid=uid) for uid in ("first", "second")]
    said += [Assigned(ticket="t", people=(name,)) for name in ("ann", "bob")]
    ledger = fold(*said)
    assert (ledger.clusters, ledger.assigned) == ({"one": "second"}, {"t": ("bob",)})


def test_g2_a_policy_of_two_units_is_accepted_with_its_commit() -> None:
    ledger = fold(passed(unit("policy", at=R2), environment=POLICY))
    assert ledger.policies == [(minute(1), R2)]


def test_g10_each_environments_plan_is_found_in_its_preview() -> None:
    state = fold(previewed(dev="a", prod="b")).previews["t"]
    found = [state.brief(name) for name in ("dev", "prod", "test")]
    assert [brief.digest if brief else None for brief in found] == [digest("a"), digest("b"), None]


def test_a_rollout_that_was_only_let_pass_has_recorded_nothing() -> None:
    state = RolloutState(passed(unit("web")), EventId("1"), AT)
    assert state == RolloutState(passed(unit("web")), EventId("1"), AT, batch=-1, done=-1)
