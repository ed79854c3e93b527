"""G2, G3: a change of policy goes alone, by an admin or a root signature, and proposed rules never help."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import PolicySubject, Verb
from reconciler.approval.judgement import Verdict, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies, Policy
from reconciler.approval.roles import EVERYWHERE
from reconciler.approval.ssh_keys import fingerprint
from reconciler.names import POLICY, Digest
from reconciler.plan.change import PlanSet, Risk
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    BINDINGS,
    TICKET_DIGEST,
    always,
    ask,
    bind,
    decision,
    key,
    minutes,
    plan,
    policy,
    review,
    signed,
    signed_review,
    unit,
    why,
)

ROOT = f"root signer {fingerprint(key('root'))}"
ABOUT_POLICY = PolicySubject("", Digest("7" * 64))
POLICY_PLAN = plan(
    environment=POLICY,
    project="",
    team="",
    tier="",
    policy_only=True,
    units=(unit("policy/policy"),),
    risk=Risk.CRITICAL,
)
OF_POLICY: dict[str, Any] = {"plan": POLICY_PLAN, "sides": (), "policy_change": ABOUT_POLICY}
PROPOSER = always(bindings=[*BINDINGS, bind("operator", "alice", "bob")])  # everywhere
BY_ROOT = signed("root", decision(subject=ABOUT_POLICY))


def test_g2_a_change_of_policy_is_approved_by_an_admin() -> None:
    judgement = ask(PROPOSER, reviews=(signed_review("admin"),), **OF_POLICY)
    assert judgement.approved
    assert judgement.approvals[0].scopes == {EVERYWHERE}


@pytest.mark.parametrize("name", ["bob", "dave", "carol", "robot"])
def test_g2_nobody_else_approves_a_change_of_policy(name: str) -> None:
    everywhere = always(bindings=[*BINDINGS, bind("operator", "alice"), bind("approver", "bob", "dave", "robot")])
    assert not ask(everywhere, reviews=(signed_review(name),), **OF_POLICY).approved


@pytest.mark.parametrize("scope", [{"project": "proj-alpha"}, {"environment": "prod"}, {"environment": "policy"}])
def test_g2_an_admin_of_a_part_is_no_admin_of_the_policy(scope: dict[str, str]) -> None:
    policies = always(bindings=[*BINDINGS, bind("operator", "alice"), bind("admin", "bob", **scope)])
    assert not ask(policies, reviews=(signed_review(),), **OF_POLICY).approved


def test_g2_t2_the_role_that_a_pull_request_gives_has_no_power_in_it() -> None:
    """Only the accepted policy is ever asked; a proposed one is no input of the judge."""
    assert why(ask(PROPOSER, reviews=(signed_review("stranger"),), **OF_POLICY), "stranger") == [Why.NO_ROLE]


@pytest.mark.parametrize("made", [BY_ROOT, signed("root", decision())])
def test_g2_a_root_signature_suffices_for_a_change_of_policy(made: Any) -> None:
    judgement = ask(decisions=(made,), **OF_POLICY)  # alice has no apply everywhere: the root signature stands for it
    assert judgement.approved
    assert [(one.person, one.root) for one in judgement.approvals] == [(ROOT, True)]


def test_g2_a_root_signer_may_be_the_author() -> None:
    policies = always(roots=("alice",))
    assert ask(policies, reviews=(signed_review("alice"),), **OF_POLICY).approved


def test_g2_a_root_signature_ends_and_says_until_when() -> None:
    standing = ask(decisions=(BY_ROOT,), **OF_POLICY)
    assert standing.until == minutes(10) + timedelta(hours=4)
    over = ask(now=minutes(10) + timedelta(hours=4), decisions=(BY_ROOT,), **OF_POLICY)
    assert over.verdict is not Verdict.APPROVED
    with_right = ask(PROPOSER, now=minutes(10) + timedelta(hours=4), decisions=(BY_ROOT,), **OF_POLICY)
    assert with_right.verdict is Verdict.ENDED


def test_g2_of_two_root_signatures_the_later_one_says_until_when() -> None:
    second = signed("second", decision(subject=ABOUT_POLICY), at=minutes(15))
    judgement = ask(always(roots=("root", "second")), decisions=(BY_ROOT, second), **OF_POLICY)
    assert judgement.until == minutes(15) + timedelta(hours=4)


def test_g2_an_ended_root_signature_was_enough_by_itself() -> None:
    two = always(bindings=[*BINDINGS, bind("operator", "alice")], approvals={"critical": 2})
    given: dict[str, Any] = {"decisions": (BY_ROOT,), **OF_POLICY}
    assert ask(two, **given).approved
    assert ask(two, now=minutes(10) + timedelta(hours=4), **given).verdict is Verdict.ENDED


def test_g2_a_root_signature_about_another_change_of_policy_counts_for_nothing() -> None:
    other = decision(subject=PolicySubject("6" * 64, ABOUT_POLICY.new))
    assert not ask(decisions=(signed("root", other),), **OF_POLICY).approved


def test_g2_a_policy_subject_means_nothing_for_another_plan() -> None:
    assert not ask(decisions=(signed(made=decision(subject=ABOUT_POLICY)),), policy_change=ABOUT_POLICY).approved


def test_g2_a_root_signature_is_nobodys_on_later_plans() -> None:
    judgement = ask(decisions=(signed("root"),))
    assert [ignored.why for ignored in judgement.ignored] == [Why.UNKNOWN_PERSON]
    assert not judgement.approved


def test_g2_one_root_signature_may_approve_the_first_plan() -> None:
    first = Policies(Policy(root_signers=policy().root_signers))
    assert ask(first, decisions=(signed("root"),), first=True).approved
    assert not ask(first, decisions=(signed("root"),)).approved
    assert not ask(first, decisions=(signed("bob"),), first=True).approved


def test_g2_a_root_signer_may_reject_and_another_does_not_lift_it() -> None:
    roots = always(roots=("root", "second"))
    reject = signed("root", decision(Verb.REJECT, ABOUT_POLICY))
    other = signed("second", decision(subject=ABOUT_POLICY), at=minutes(12))
    assert ask(roots, decisions=(reject, other), **OF_POLICY).verdict is Verdict.REJECTED
    same = signed("root", decision(subject=ABOUT_POLICY), at=minutes(12))
    assert ask(roots, decisions=(reject, same), **OF_POLICY).approved


@pytest.mark.parametrize("ending", [Said.REJECT, Said.DISMISSED])
def test_g2_the_account_of_a_root_signer_takes_the_approval_back(ending: Said) -> None:
    given = signed_review("root", author="rooty")
    taken = review(author="Rooty", verdict=ending, at=minutes(12))
    assert ask(reviews=(given,), **OF_POLICY).approved
    assert not ask(reviews=(given, taken), **OF_POLICY).approved


@pytest.mark.parametrize("ending", [Said.REJECT, Said.DISMISSED])
def test_g2_without_a_signature_the_account_of_a_root_signer_approves_nothing(ending: Said) -> None:
    given = signed_review("root", author="rooty")
    taken, again = review(author="rooty", verdict=ending, at=minutes(12)), review(author="rooty", at=minutes(13))
    judgement = ask(reviews=(given, taken, again), **OF_POLICY)
    assert not judgement.approved
    assert Why.UNKNOWN_PERSON in [ignored.why for ignored in judgement.ignored]


def test_g2_a_decision_under_no_account_is_never_that_of_the_root_signer_before_it() -> None:
    by_admin = signed("admin", decision(Verb.REJECT, ABOUT_POLICY), at=minutes(12))
    judgement = ask(PROPOSER, decisions=(BY_ROOT, by_admin), **OF_POLICY)
    assert [one.person for one in judgement.rejections] == ["admin"]
    assert [one.person for one in judgement.approvals] == [ROOT]


def test_g2_an_admins_rejection_blocks_a_root_signature() -> None:
    judgement = ask(decisions=(BY_ROOT,), reviews=(review("admin", Said.REJECT),), **OF_POLICY)
    assert judgement.verdict is Verdict.REJECTED


def test_g2_the_line_of_a_root_signer_must_be_a_key() -> None:
    with pytest.raises(ValueError, match="root signers"):
        Policy.of(None, {}, {}, {}, root_signers=["not a key"], forge=ForgeKind.EMBEDDED)


def test_g2_policy_goes_alone() -> None:
    release = plan()
    both = PlanSet(plans=(POLICY_PLAN, release), digest=TICKET_DIGEST)
    for fields in ({**OF_POLICY, "plans": both}, {"plan": release, "plans": both}):
        judgement = ask(PROPOSER, reviews=(signed_review("admin"),), **fields)
        assert judgement.key == "policy_not_in_force"
        assert not judgement.approved
    assert ask(PROPOSER, reviews=(signed_review("admin"),), **OF_POLICY).approved


@pytest.mark.parametrize(
    "mixed",
    [
        plan(units=(unit(), unit("policy/policy"))),
        plan(units=(unit("policy/policy"),)),
        plan(environment=POLICY, policy_only=True, units=(unit(), unit("policy/policy"))),
        plan(environment=POLICY, policy_only=True, units=()),
    ],
)
def test_g2_a_plan_is_of_the_policy_whole_or_not_at_all(mixed: Any) -> None:
    judgement = ask(PROPOSER, plan=mixed, reviews=(signed_review("admin"),), decisions=(signed("root"),))
    assert not judgement.approved
    assert judgement.key == "policy_not_in_force"


def test_g3_proposed_settings_that_ask_for_more_count_for_themselves() -> None:
    admins = always(bindings=[*BINDINGS, bind("operator", "alice"), bind("admin", "bob")])
    one = ask(admins, reviews=(signed_review("admin"),), proposed_approvals=2, **OF_POLICY)
    assert (one.required, one.approved) == (2, False)
    both = (signed_review("admin"), signed_review("bob"))
    assert ask(admins, reviews=both, proposed_approvals=2, **OF_POLICY).approved
    assert ask(admins, reviews=both[:1], proposed_approvals=0, **OF_POLICY).approved
    assert ask(reviews=(review(),), proposed_approvals=5).approved  # of policy plans only


@pytest.mark.parametrize("risk", list(Risk))
def test_g3_the_number_of_approvals_is_the_settings_for_the_plans_risk(risk: Risk) -> None:
    two = always(approvals={risk: 2})
    assert [ask(two, plan=plan(risk=one)).required for one in Risk] == [2 if one is risk else 1 for one in Risk]
