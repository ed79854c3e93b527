"""What the audit branch says, folded: scripts of entries and what is known after them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalogue import event_actions
from reconciler.machine.entry import (
    ENTRY,
    Accepted,
    Applying,
    BatchDone,
    Continued,
    Ended,
    Entry,
    Finished,
    Hold,
    Landed,
    Passed,
    Placed,
    PlanBrief,
    Previewed,
    Renewed,
    Resume,
    Retry,
    Returning,
    Stopped,
)
from reconciler.machine.ledger import _FOLDS, Ledger
from reconciler.machine.proposal import Command, Known, Seen, decide, wants_look
from reconciler.machine.stages import ACTIONS, BY_CERTIFICATE, STATUSES, Stage
from reconciler.names import POLICY, Digest, EventId, Revision
from reconciler.plan.change import Risk
from tests.machine.samples import sample_of

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
R1, R2 = Revision("1" * 40), Revision("2" * 40)


def digest(letter: str) -> Digest:
    return Digest(letter * 64)


def fold(*entries: Entry, ledger: Ledger | None = None) -> Ledger:
    """A ledger that absorbed these, a minute apart."""
    ledger = ledger or Ledger()
    begun = int(ledger.last_event or "0")
    for number, entry in enumerate(entries, begun + 1):
        at = AT + timedelta(minutes=number)
        ledger.absorb(Placed(event=EventId(f"{number:04}"), at=at, actor="x", entry=entry))
    return ledger


def unit(name: str, letter: str = "a", *, removed: bool = False, at: Revision = R1) -> Accepted:
    return Accepted(unit=f"release/{name}", artifact=digest(letter), revision=at, removed=removed)


def passed(*units: Accepted, generation: int = 1, ticket: str = "t", environment: str = "dev") -> Passed:
    return Passed(
        ticket=ticket,
        commit=units[0].revision,
        environment=environment,
        generation=generation,
        digest=digest("f"),
        path="p",
        batches=2,
        units=units,
    )


def finished(outcome: str, generation: int = 1) -> Finished:
    return Finished(environment="dev", generation=generation, outcome=outcome)


def returning(*to: Accepted, generation: int = 1) -> Returning:
    return Returning(environment="dev", generation=generation, path="p", batches=1, to=to, reason="r")


def outcomes(ledger: Ledger) -> dict[str, str]:
    return {name.partition("/")[2]: state.outcome for name, state in ledger.units.items()}


@pytest.mark.parametrize(
    ("entries", "artifact", "needed"),
    [
        ((), "a", True),
        ((), None, False),
        ((passed(unit("web")),), "a", True),
        ((passed(unit("web")), finished("applied")), "a", False),
        ((passed(unit("web")), finished("no_change")), "a", False),
        ((passed(unit("web")), finished("applied")), "b", True),
        ((passed(unit("web")), finished("applied")), None, True),
        *(((passed(unit("web")), finished(bad)), "a", True) for bad in ("failed", "rolled_back", "rollback_failed",
                                                                         "superseded")),
        ((passed(unit("web", removed=True)), finished("applied")), None, False),
        ((passed(unit("web", removed=True)), finished("failed")), None, True),
        ((passed(unit("web", removed=True)), finished("applied")), "a", True),
    ],
)  # fmt: skip
def test_g7_what_needs_a_plan(entries: Iterable[Entry], artifact: str | None, *, needed: bool) -> None:
    wanted = digest(artifact) if artifact is not None else None
    assert fold(*entries).needs_plan("release/web", wanted) is needed


def test_a_removal_that_did_not_end_well_still_exists() -> None:
    first = (passed(unit("web")), finished("applied"))
    assert fold(*first, passed(unit("web", removed=True), generation=2), finished("failed", 2)).accepted()
    assert not fold(*first, passed(unit("web", removed=True), generation=2), finished("applied", 2)).accepted()


def test_batches_are_remembered_as_recorded_and_as_done() -> None:
    ledger = fold(passed(unit("web")), Applying(environment="dev", generation=1, batch=0))
    assert (ledger.rollouts["dev", 1].batch, ledger.rollouts["dev", 1].done) == (0, -1)
    fold(BatchDone(environment="dev", generation=1, batch=0), ledger=ledger)
    assert (ledger.rollouts["dev", 1].batch, ledger.rollouts["dev", 1].done) == (0, 0)
    assert [rollout.passed.generation for rollout in ledger.running()] == [1]
    assert fold(finished("applied"), ledger=ledger).running() == ()


def test_success_moves_what_a_return_goes_back_to() -> None:
    ledger = fold(passed(unit("web")), finished("applied"))
    fold(passed(unit("web", "b", at=R2), generation=2), finished("applied", 2), ledger=ledger)
    state = ledger.units["release/web"]
    assert (state.successful, state.previous) == (unit("web", "b", at=R2), unit("web"))


def test_a_failure_keeps_what_was_successful() -> None:
    ledger = fold(passed(unit("web")), finished("applied"), passed(unit("web", "b"), generation=2))
    fold(finished("failed", 2), ledger=ledger)
    assert ledger.units["release/web"].successful == unit("web")
    assert ledger.units["release/web"].outcome == "failed"


def test_a_return_leaves_the_old_artifact_and_is_no_success() -> None:
    ledger = fold(passed(unit("web")), finished("applied"), passed(unit("web", "b"), generation=2))
    fold(returning(unit("web"), generation=2), finished("rolled_back", 2), ledger=ledger)
    state = ledger.units["release/web"]
    assert (state.accepted, state.successful, state.outcome) == (unit("web", "b"), unit("web"), "rolled_back")
    assert ledger.needs_plan("release/web", digest("b"))


def test_a_unit_with_nothing_to_return_to_has_failed() -> None:
    ledger = fold(passed(unit("web")), finished("applied"))
    fold(passed(unit("web", "b"), unit("new"), generation=2), ledger=ledger)
    fold(returning(unit("web"), generation=2), finished("rolled_back", 2), ledger=ledger)
    assert outcomes(ledger) == {"web": "rolled_back", "new": "failed"}


@pytest.mark.parametrize("end", ["rolled_back", "rollback_failed"])
def test_an_ordered_return_of_one_unit_says_nothing_of_the_others(end: str) -> None:
    ledger = fold(passed(unit("web"), unit("api")), finished("applied"))
    fold(returning(unit("web")), finished(end), ledger=ledger)
    assert outcomes(ledger) == {"web": end, "api": "applied"}


def test_an_older_plan_says_nothing_of_a_unit_that_a_newer_one_took_over() -> None:
    ledger = fold(passed(unit("web")), passed(unit("web", "b"), generation=2), finished("applied", 2))
    fold(finished("superseded", 1), ledger=ledger)
    assert outcomes(ledger) == {"web": "applied"}
    fold(Retry(environment="dev", generation=1, by="x"), ledger=ledger)
    assert outcomes(ledger) == {"web": "applied"}
    assert ledger.generation("dev") == 2


def test_g22_a_retry_begins_again_and_is_counted() -> None:
    ledger = fold(passed(unit("web")), Applying(environment="dev", generation=1, batch=0), finished("failed"))
    fold(Retry(environment="dev", generation=1, by="x"), ledger=ledger)
    rollout = ledger.rollouts["dev", 1]
    assert (rollout.batch, rollout.finished, rollout.passed.retries) == (-1, None, 1)
    assert outcomes(ledger) == {"web": ""}


def test_what_does_not_fit_is_never_skipped_silently() -> None:
    for entry in (finished("applied"), Applying(environment="dev", generation=1, batch=0)):
        with pytest.raises(KeyError):
            fold(entry)


def test_an_environment_waits_until_it_passed() -> None:
    landed = Landed(before=R1, commit=R2, ticket="t", pull_request=1, environments=("dev", "prod"))
    ledger = fold(landed, passed(unit("web")))
    assert ledger.waiting["t"].landed.environments == ("prod",)
    fold(passed(unit("api"), environment="prod"), ledger=ledger)
    assert not ledger.waiting
    assert fold(landed, Ended(ticket="t", how="rejected")).waiting == {}
    assert ledger.looked == R2


def test_g2_an_accepted_policy_holds_from_then_on() -> None:
    policy = Accepted(unit="policy/policy", artifact=digest("a"), revision=R1)
    assert fold(passed(policy, environment=POLICY)).policies == [(AT + timedelta(minutes=1), R1)]


def test_holds_and_stops_end() -> None:
    hold = Hold(subject="release/web", by="x", until=AT)
    stopped = Stopped(reason="r", last=R1, tip=None)
    assert fold(hold, stopped).holds == {"release/web": hold}
    ledger = fold(hold, stopped, Resume(subject="release/web", by="x"), Continued(tip=R1))
    assert (ledger.holds, ledger.stopped) == ({}, None)


# How long a plan has stood (G10, G13)


def previewed(**plans: str) -> Previewed:
    briefs = tuple(
        PlanBrief(environment=name, project="", team="", tier="dev", digest=digest(letter), artifact=digest(letter),
                  risk=Risk.LOW, priority="p3", units=())
        for name, letter in plans.items()
    )  # fmt: skip
    return Previewed(
        ticket="t", pull_request=1, tip=R1, head=R2, base="main", digest=digest("".join(plans.values())[:1]),
        plans=briefs, static=False, truncated=False, path="p", looked_at=AT, requested_by="x",
    )  # fmt: skip


def minute(number: int) -> datetime:
    return AT + timedelta(minutes=number)


def test_g10_a_plan_keeps_its_standing_when_another_moves() -> None:
    standing = fold(previewed(dev="a", prod="b"), previewed(dev="c", prod="b")).previews["t"].standing
    assert (standing["prod"].posted_at, standing["prod"].changed_at) == (minute(1), None)
    assert [event for event, _ in standing["prod"].postings] == ["0001", "0002"]
    assert (standing["dev"].posted_at, standing["dev"].changed_at) == (minute(2), minute(2))


def test_g13_a_plan_that_comes_back_stands_anew() -> None:
    standing = fold(previewed(dev="a"), previewed(dev="b"), previewed(dev="a")).previews["t"].standing["dev"]
    assert (standing.posted_at, standing.changed_at, len(standing.postings)) == (minute(3), minute(3), 1)


def test_g13_a_plan_that_joins_a_ticket_changes_what_stood_there() -> None:
    ledger = fold(previewed(dev="a"), previewed(dev="a", prod="b"), previewed(dev="a"), previewed(dev="a", prod="c"))
    assert ledger.previews["t"].standing["prod"].changed_at == minute(4)
    assert fold(previewed(dev="a"), previewed(dev="a", prod="b")).previews["t"].standing["prod"].changed_at == minute(2)


def test_g11_the_same_digest_posted_again_or_renewed_keeps_its_time() -> None:
    ledger = fold(previewed(dev="a"), previewed(dev="b"), previewed(dev="b"))
    state = ledger.previews["t"]
    assert (state.posted_at, state.changed_at, state.event) == (minute(2), minute(2), "0003")
    renewed = Renewed(ticket="t", digest=digest("b"), looked_at=minute(9), tip=R2, head=R2)
    state = fold(renewed, ledger=ledger).previews["t"]
    assert (state.posted_at, state.looked_at, state.inputs) == (minute(2), minute(9), (R2, R2))


# Entries, proposals, stages


@pytest.mark.parametrize("kind", _FOLDS, ids=lambda kind: kind.__name__)
def test_every_entry_survives_its_json(kind: type) -> None:
    entry = sample_of(kind)
    assert ENTRY.validate_json(ENTRY.dump_json(entry)) == entry
    placed = Placed(event=EventId("1"), at=AT, actor="x", entry=entry)
    assert Placed.model_validate_json(placed.model_dump_json()) == placed


def test_an_entry_of_tomorrow_is_no_entry_of_today() -> None:
    with pytest.raises(ValueError, match="unknown"):
        ENTRY.validate_python({"type": "unknown"})


A, B = digest("a"), digest("b")
HERE, THERE = (R1, R1), (R1, R2)


@pytest.mark.parametrize(
    ("known", "seen", "commands"),
    [
        (Known(), Seen(A, HERE), (Command.POST_PREVIEW, Command.SET_STATUSES)),
        (Known(A, HERE), Seen(A, THERE), (Command.RENEW_PREVIEW, Command.SET_STATUSES)),
        (Known(A, HERE), Seen(B, HERE), (Command.VOID_PREVIEW, Command.SET_STATUSES)),
        (Known(A, HERE, static=True), Seen(A, HERE), (Command.VOID_PREVIEW, Command.SET_STATUSES)),
        (Known(), Seen(None, HERE), (Command.SET_STATUSES,)),
        (Known(A, HERE), Seen(A, HERE, closed=True), (Command.END_TICKET,)),
        (Known(A, HERE, ended=True), Seen(A, HERE, closed=True), ()),
        (Known(), Seen(None, HERE, closed=True), ()),
    ],
)
def test_g11_what_is_written_after_a_look(known: Known, seen: Seen, commands: tuple[Command, ...]) -> None:
    assert decide(known, seen) == commands


@given(asked=st.booleans(), needed=st.booleans(), moved=st.booleans())
def test_g11_never_by_a_timer_alone(*, asked: bool, needed: bool, moved: bool) -> None:
    looked = wants_look(Known(A, HERE), THERE if moved else HERE, asked=asked, expired_and_needed=needed)
    assert looked == (asked or needed or moved)


def test_stages_speak_only_the_words_of_the_event_dictionary() -> None:
    words = {(str(domain), action) for domain, action in ACTIONS.values()}
    words |= {("cluster", action) for pair in BY_CERTIFICATE.items() for action in pair}
    known = {(str(domain), action) for domain, actions in event_actions().items() for action in actions}
    assert words <= known
    assert STATUSES.keys() <= set(Stage)
