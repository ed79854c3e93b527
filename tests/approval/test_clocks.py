"""G11, G12: how old a look may be, and how long an approval stands."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.approval.clocks import fresh, preview_ends, stale, waited
from reconciler.approval.judgement import Verdict, Why
from reconciler.approval.question import Side, Wait
from reconciler.plan.change import RISKS, Risk
from reconciler.specs.kinds import Settings
from reconciler.specs.kinds.environment import Environment, Mode, PreviewRenewal, RuntimeType, Tier
from reconciler.specs.kinds.settings import ApprovalTtl
from reconciler.state.forge import PullRequestState
from tests.approval.builders import (
    NOW,
    POSTED,
    always,
    ask,
    merged,
    minutes,
    plan,
    preview,
    pull,
    review,
    side,
    signed_review,
    why,
)

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
TTL = {Risk.LOW: 7 * 24 * HOUR, Risk.MEDIUM: 3 * 24 * HOUR, Risk.HIGH: 24 * HOUR, Risk.CRITICAL: 4 * HOUR}
LOOKED = preview(looked_at=POSTED)


@pytest.mark.parametrize("risk", RISKS)
def test_g11_a_look_may_be_as_old_as_the_ttl_and_no_older(risk: Risk) -> None:
    ttl = timedelta(minutes=10 if risk is Risk.CRITICAL else 30)
    assert fresh(LOOKED, risk, Settings(), POSTED)
    assert fresh(LOOKED, risk, Settings(), POSTED + ttl - TICK)
    assert not fresh(LOOKED, risk, Settings(), POSTED + ttl)
    assert preview_ends(LOOKED, risk, Settings()) == POSTED + ttl


def test_g11_the_settings_give_the_ttl_and_the_stricter_one_counts_for_critical() -> None:
    settings = Settings(preview_ttl=timedelta(minutes=5), preview_ttl_critical=timedelta(hours=2))
    for risk in RISKS:
        assert not fresh(LOOKED, risk, settings, minutes(5))
        assert fresh(LOOKED, risk, settings, minutes(5) - TICK)


@pytest.mark.parametrize(
    ("looked_at", "key"),
    [(None, "preview_required"), (NOW + TICK, "preview_expired"), (NOW - HOUR, "preview_expired")],
)
def test_g11_a_look_that_never_was_or_lies_in_the_future_is_stale(looked_at: datetime | None, key: str) -> None:
    """F30: a clock that stepped back proves nothing fresh."""
    denial = stale(preview(looked_at=looked_at), Risk.LOW, Settings(), NOW)
    assert denial is not None
    assert denial.key == key


def test_g11_an_approval_outlives_its_preview() -> None:
    late = ask(now=minutes(300), reviews=(review(),))
    assert late.approved


@pytest.mark.parametrize("risk", RISKS)
def test_g12_an_approval_ends_after_the_ttl_of_its_risk(risk: Risk) -> None:
    given: dict[str, Any] = {"plan": plan(risk=risk), "reviews": (signed_review(at=minutes(10)),)}
    ends = minutes(10) + TTL[risk]
    standing = ask(now=ends - TICK, **given)
    assert standing.approved
    assert standing.until == ends
    over = ask(now=ends, **given)
    assert over.verdict is Verdict.ENDED
    assert over.key == "preview_expired"
    assert "the approval of bob ended at" in over.reasons[0]
    assert why(over) == [Why.ENDED]


def test_g12_the_settings_give_the_ttl() -> None:
    short = always(approval_ttl=ApprovalTtl(high=timedelta(minutes=5)))
    assert ask(short, now=minutes(14), reviews=(review(),)).approved
    assert ask(short, now=minutes(15), reviews=(review(),)).verdict is Verdict.ENDED


def test_g12_a_new_review_begins_a_new_time() -> None:
    later = minutes(60 * 30)
    judgement = ask(now=later, reviews=(review(), review(at=later - HOUR)))
    assert judgement.approved
    assert judgement.until == later - HOUR + TTL[Risk.HIGH]


def test_g12_the_first_of_two_needed_approvals_ends_both() -> None:
    two = always(approvals={"high": 2})
    reviews = (review(at=minutes(1)), review("carol", at=minutes(60)))
    assert ask(two, now=minutes(61), reviews=reviews).until == minutes(1) + TTL[Risk.HIGH]
    assert ask(two, now=minutes(1) + TTL[Risk.HIGH], reviews=reviews).verdict is Verdict.ENDED
    three = (*reviews, review("dave", at=minutes(70)))
    assert ask(two, now=minutes(71), reviews=three).until == minutes(60) + TTL[Risk.HIGH]


def test_g12_too_few_approvals_stay_pending_when_one_ends() -> None:
    two = always(approvals={"high": 2})
    assert ask(two, now=minutes(10) + TTL[Risk.HIGH], reviews=(review(),)).verdict is Verdict.PENDING


def test_g12_a_pull_request_closed_unmerged_ends_its_approval() -> None:
    judgement = ask(pull=pull(state=PullRequestState.CLOSED), reviews=(review(),))
    assert judgement.verdict is Verdict.ENDED
    assert judgement.key == "preview_expired"
    assert judgement.reasons == ("the pull request was closed without a merge",)


def test_g12_reopened_it_is_judged_again() -> None:
    assert ask(pull=pull(state=PullRequestState.OPEN), reviews=(review(),)).approved


DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("waits", "total"),
    [
        ((), timedelta()),
        ((Wait(NOW, NOW + HOUR),), HOUR),
        ((Wait(NOW - HOUR, NOW + HOUR),), HOUR),
        ((Wait(NOW - HOUR, NOW),), timedelta()),
        ((Wait(NOW, NOW + HOUR), Wait(NOW + HOUR / 2, NOW + 2 * HOUR)), 2 * HOUR),
        ((Wait(NOW + 2 * HOUR, NOW + 3 * HOUR), Wait(NOW, NOW + HOUR)), 2 * HOUR),
        ((Wait(NOW, None),), 10 * DAY),
        ((Wait(NOW, NOW + 90 * DAY),), 10 * DAY),
        ((Wait(NOW + HOUR, NOW),), timedelta()),
    ],
)
def test_g12_the_clock_stands_still_while_a_gate_is_waited_for(waits: tuple[Wait, ...], total: timedelta) -> None:
    assert waited(waits, NOW, NOW + 10 * DAY) == min(total, 7 * DAY)


def test_g12_a_wait_of_less_than_seven_days_counts_whole() -> None:
    assert waited((Wait(NOW, None),), NOW, NOW + 6 * DAY) == 6 * DAY


def test_g12_an_approval_that_waits_for_a_gate_ends_later_but_no_more_than_seven_days() -> None:
    waits = (Wait(minutes(20), None),)
    given: dict[str, Any] = {"reviews": (review(at=minutes(10)),), "waits": waits}
    assert ask(now=minutes(10) + 6 * DAY, **given).approved
    longest = minutes(10) + DAY + 7 * DAY
    assert ask(now=longest - TICK, **given).approved
    assert ask(now=longest, **given).verdict is Verdict.ENDED
    assert not ask(now=minutes(10) + 6 * DAY, reviews=given["reviews"]).approved


NEVER = (side(), side(renewal=False))


@pytest.mark.parametrize(("after", "standing"), [(29, True), (30, False)])
def test_g11_without_renewal_an_approval_ends_with_its_preview(after: int, *, standing: bool) -> None:
    judgement = ask(now=minutes(after), preview=LOOKED, sides=NEVER, reviews=(review(),))
    assert judgement.approved is standing
    assert ask(now=minutes(after), preview=LOOKED, reviews=(review(),)).approved


def test_g11_without_renewal_a_later_look_does_not_carry_an_older_approval_on() -> None:
    again = preview(looked_at=minutes(25), earlier_looks=(POSTED,))
    given: dict[str, Any] = {"preview": again, "sides": NEVER, "reviews": (review(at=minutes(10)),)}
    assert ask(now=minutes(29), **given).approved
    assert ask(now=minutes(30), **given).verdict is Verdict.ENDED
    again_reviewed = {**given, "reviews": (review(at=minutes(10)), review(at=minutes(26)))}
    assert ask(now=minutes(54), **again_reviewed).approved
    assert not ask(now=minutes(55), **again_reviewed).approved


@pytest.mark.parametrize("looked_at", [None, minutes(25)])
def test_g11_without_renewal_an_approval_of_an_unknown_look_has_ended(looked_at: datetime | None) -> None:
    judgement = ask(now=minutes(26), preview=preview(looked_at=looked_at), sides=NEVER, reviews=(review(),))
    assert judgement.verdict is Verdict.ENDED


def test_g11_without_renewal_the_shorter_time_counts() -> None:
    short = always(approval_ttl=ApprovalTtl(high=timedelta(minutes=5)))
    assert not ask(short, now=minutes(15), preview=LOOKED, sides=NEVER, reviews=(review(),)).approved


@pytest.mark.parametrize("renewal", list(PreviewRenewal))
def test_g11_the_environment_says_whether_previews_are_renewed(renewal: PreviewRenewal) -> None:
    environment = Environment(
        project="proj-alpha",
        team="team-app",
        tier=Tier.PRODUCTION,
        runtime_type=RuntimeType.K8S,
        mode=Mode.EXTERNAL_MANAGED,
        allow_self_approval=True,
        preview_renewal=renewal,
    )
    made = Side.of("prod", environment)
    assert made == side(self_approval=True, renewal=renewal is PreviewRenewal.ON_DEMAND)


def test_g11_while_it_waits_the_end_of_the_preview_is_shown() -> None:
    assert ask(preview=LOOKED).until == minutes(30)
    assert ask(preview=LOOKED, pull=merged(base="release")).until == minutes(30)
    assert ask(preview=preview(looked_at=None)).until is None
