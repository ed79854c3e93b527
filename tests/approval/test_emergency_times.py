"""An emergency approval is given in time, by whoever may then and now, and ends like any other (G12-G14, G23)."""

from datetime import UTC, datetime, timedelta

from reconciler.approval.decision import Verb
from reconciler.approval.judgement import Verdict
from reconciler.approval.policy import Policies
from tests.approval.builders import BINDINGS, NOW, ask, bind, decision, merged, policy, preview, signed
from tests.approval.test_acts import BREAKERS, SCALED

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


def test_g13_who_broke_the_glass_may_take_it_back_by_a_rejection() -> None:

    judgement = ask(
        BREAKERS,
        plan=SCALED,
        decisions=(signed("bob", BURNS), signed("bob", decision(Verb.REJECT, reason="no"), NOW)),
    )
    assert judgement.verdict is not Verdict.APPROVED
