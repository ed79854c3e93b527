"""An emergency approval is given in time, by whoever may then and now, and ends like any other (G12-G14, G23)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.approval.clocks import CLOCK_SKEW
from reconciler.approval.decision import CommitSubject, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.emergency import emergency
from reconciler.approval.judgement import Verdict
from reconciler.approval.policy import Policies, Policy
from tests.approval.builders import (
    BINDINGS,
    HELD,
    NOW,
    REVIEWED,
    USERS,
    ask,
    bind,
    commit,
    decision,
    key,
    merged,
    minutes,
    policy,
    preview,
    pull,
    question,
    signed,
    user,
)
from tests.approval.test_acts import BREAKERS, SCALED

MOMENT = timedelta(microseconds=1)

BURNS = decision(Verb.EMERGENCY, reason="it burns")


def test_g12_an_emergency_approval_ends_like_any_other() -> None:
    later = NOW + timedelta(days=30)
    judgement = ask(
        BREAKERS,
        later,
        plan=SCALED,
        decisions=(signed("bob", BURNS),),
        preview=preview(looked_at=later - timedelta(seconds=5)),
    )
    assert judgement.verdict is not Verdict.APPROVED


def test_g14_the_permission_for_emergencies_is_judged_when_given_and_when_used() -> None:
    without = policy()
    with_it = policy(bindings=[*BINDINGS, bind("admin", "bob", project="proj-alpha")])
    policies = Policies(without, ((datetime.min.replace(tzinfo=UTC), without), (NOW - timedelta(seconds=1), with_it)))
    judgement = ask(policies, NOW, plan=SCALED, decisions=(signed("bob", BURNS),))
    assert judgement.verdict is not Verdict.APPROVED


def test_g13_an_emergency_approval_is_given_before_the_merge() -> None:
    judgement = ask(
        BREAKERS,
        plan=SCALED,
        pull=merged(NOW - timedelta(minutes=2)),
        decisions=(signed("bob", BURNS, NOW - timedelta(minutes=1)),),
    )
    assert judgement.verdict is not Verdict.APPROVED


@pytest.mark.parametrize("late", [False, True])
def test_g13_an_emergency_approval_that_came_to_us_after_the_merge_does_not_count(*, late: bool) -> None:
    given = signed("bob", BURNS, NOW - timedelta(minutes=3), late=late)
    judgement = ask(BREAKERS, plan=SCALED, pull=merged(NOW - timedelta(minutes=2)), decisions=(given,))
    assert judgement.approved is not late


LAST = REVIEWED + timedelta(hours=24)  # what the settings give an approval of high risk
AWAY = {name: one for name, one in USERS.items() if name != "bob"}
FOREIGN = {**AWAY, "dave": user("dave", ssh_keys=(key("dave"), key("bob")))}
MAY = [*BINDINGS, bind("admin", "bob", "dave", project="proj-alpha")]
UP_TO_NOW = {"pull": None, "held": HELD, "commits": (commit(revision=HELD),), "preview": preview(head=HELD)}


def answer(at: datetime, now: datetime = NOW, policies: Policies = BREAKERS, **fields: Any) -> str | None:
    """The key of the refusal; None where the glass is broken."""
    given = {"plan": SCALED, "preview": preview(looked_at=now - timedelta(seconds=5)), **fields}
    made = decision(Verb.EMERGENCY, CommitSubject(HELD) if "held" in fields else None, reason="it burns")
    refused = emergency(question(**given), signed("bob", made, at), policies, now)
    return refused.key if isinstance(refused, Denial) else None


@pytest.mark.parametrize(
    ("at", "fields", "key"),
    [
        (NOW, {}, None),
        (NOW + CLOCK_SKEW, {}, None),
        (NOW + CLOCK_SKEW + MOMENT, {}, "approval_required"),
        (NOW - MOMENT, {"pull": merged(NOW)}, None),
        (NOW, {"pull": merged(NOW)}, "approval_required"),
        (NOW, {"pull": pull(merged_at=minutes(1))}, None),  # what is open was not merged, whatever else is said
        (NOW, {**UP_TO_NOW, "pull": merged(minutes(1), head=HELD)}, None),  # what is held is approved after the merge
        (REVIEWED, {"now": LAST - MOMENT}, None),
        (REVIEWED, {"now": LAST}, "preview_expired"),
    ],
)
def test_g13_g12_an_emergency_approval_counts_from_its_giving_to_the_merge_or_its_end(
    at: datetime, fields: dict[str, Any], key: str | None
) -> None:
    assert answer(at, **fields) == key


@pytest.mark.parametrize(
    ("then", "now", "counts"),
    [
        (policy(bindings=MAY), policy(bindings=MAY), True),
        (policy(bindings=MAY), policy(), False),
        (policy(), policy(bindings=MAY), False),
        (policy(AWAY, MAY), policy(bindings=MAY), False),
        (policy(FOREIGN, MAY), policy(bindings=MAY), False),
    ],
    ids=["then and now", "only then", "only now", "nobody's key then", "another's key then"],
)
def test_g14_who_breaks_the_glass_is_the_same_person_with_the_permission_then_and_now(
    then: Policy, now: Policy, *, counts: bool
) -> None:
    policies = Policies(then, ((datetime.min.replace(tzinfo=UTC), then), (minutes(12), now)))
    assert answer(REVIEWED, policies=policies) == (None if counts else "approval_permission_denied")


def test_g13_who_broke_the_glass_may_take_it_back_by_a_rejection() -> None:
    judgement = ask(
        BREAKERS,
        plan=SCALED,
        decisions=(signed("bob", BURNS), signed("bob", decision(Verb.REJECT, reason="no"), NOW)),
    )
    assert judgement.verdict is not Verdict.APPROVED
