"""G2, G3, G4, G10, G18, G20: what blocks, root signatures, what is held, and the last judging before an apply."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import CommitSubject, PolicySubject, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.judge import TicketJudgement, admit, judge_ticket
from reconciler.approval.judgement import Judgement, Verdict, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies, Policy
from reconciler.approval.question import OpenEmergency
from reconciler.approval.roles import EVERYWHERE, Scope
from reconciler.approval.ssh_keys import fingerprint
from reconciler.errors import Refused
from reconciler.names import POLICY, Digest
from reconciler.plan.change import Check, PlanSet, Risk, Severity
from reconciler.state.forge import PullRequestState
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    BINDINGS,
    HEAD,
    HELD,
    NOW,
    PLAN_DIGEST,
    REPOSITORY,
    TICKET_DIGEST,
    always,
    ask,
    bind,
    commit,
    decision,
    held_question,
    key,
    merged,
    minutes,
    on_held,
    plan,
    policy,
    preview,
    pull,
    question,
    review,
    side,
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


ERROR = Check(severity=Severity.ERROR, key="deletion_cap_exceeded", message="deleting 50 of 60", hint="smaller steps")
WARNING = Check(severity=Severity.WARNING, key="", message="an old API")


def test_a_failed_check_blocks_whatever_was_approved() -> None:
    judgement = ask(plan=plan(checks=(WARNING, ERROR)), reviews=(review(),))
    assert judgement.verdict is Verdict.PENDING
    assert judgement.key == "deletion_cap_exceeded"
    assert judgement.reasons == ("a check failed: deleting 50 of 60",)
    assert judgement.blocks == (Denial("deletion_cap_exceeded", "a check failed: deleting 50 of 60", "smaller steps"),)
    assert judgement.approvals  # still shown
    assert not judgement.grants_return
    assert ask(plan=plan(checks=(WARNING,)), reviews=(review(),)).approved


def test_a_failed_check_without_a_key_still_has_one() -> None:
    nameless = Check(severity=Severity.ERROR, key="", message="wrong")
    assert ask(plan=plan(checks=(nameless,)), reviews=(review(),)).key == "validation_error"


@pytest.mark.parametrize("checks", [(), (ERROR,)])
def test_g4_approving_a_static_plan_accepts_its_addresses_and_nothing_else(checks: Any) -> None:
    judgement = ask(plan=plan(static=True, checks=checks), reviews=(review(),))
    assert judgement.verdict is Verdict.ADDRESSES_ACCEPTED
    assert not judgement.approved
    assert not judgement.grants_return
    assert judgement.key == "preview_required"
    assert ask(plan=plan(static=True)).verdict is Verdict.PENDING


def test_t28_a_truncated_production_preview_cannot_be_approved() -> None:
    cut = preview(truncated=True)
    assert ask(preview=cut, reviews=(review(),)).key == "preview_required"
    dev: dict[str, Any] = {"plan": plan(tier="dev"), "sides": (side(tier="dev"),)}
    assert ask(preview=cut, reviews=(review(),), **dev).approved
    neighbour: dict[str, Any] = {
        "plan": plan(tier="dev"),
        "sides": (side(tier="dev"), side(scope=Scope("p", "t", "real"))),
    }
    assert "cut short" in ask(preview=cut, reviews=(review(),), **neighbour).reasons[0]
    once: dict[str, Any] = {"plan": plan(tier="dev"), "sides": (side(tier="dev"), side())}
    assert "cut short" in ask(preview=cut, reviews=(review(),), **once).reasons[0]
    unknown: dict[str, Any] = {"plan": plan(tier="qa"), "sides": (side(tier="dev"),)}
    assert "cut short" in ask(preview=cut, reviews=(review(),), **unknown).reasons[0]


def test_without_the_environments_own_rules_nothing_is_approved() -> None:
    for sides in ((), (side(scope=Scope("proj-alpha", "team-app", "other")),)):
        judgement = ask(sides=sides, reviews=(review(),))
        assert judgement.key == "environment_not_found"
        assert not judgement.approved


def test_a_plan_that_is_not_of_the_ticket_is_not_approved() -> None:
    other = PlanSet(plans=(plan(digest=Digest("0" * 64)),), digest=TICKET_DIGEST)
    assert ask(plans=other, reviews=(review(),)).key == "preview_required"


def test_t5_without_a_pull_request_or_a_held_commit_nothing_is_approved() -> None:
    judgement = ask(pull=None, decisions=(signed(),))
    assert judgement.key == "preview_required"
    assert judgement.approvals == ()


def test_g23_an_open_emergency_holds_everything_else() -> None:
    judgement = ask(reviews=(review(),), emergencies=(OpenEmergency("dep-appr-5", "bob"),))
    assert judgement.verdict is Verdict.PENDING
    assert "dep-appr-5 of bob" in judgement.reasons[0]


def judged(policies: Policies | None = None, **fields: Any) -> Judgement:
    (one,) = judge_ticket([held_question(**fields)], policies or always(), NOW).plans
    return one


def test_g18_a_held_commit_is_approved_by_a_signed_decision() -> None:
    judgement = judged(decisions=(on_held(),))
    assert judgement.approved
    assert not judged().approved


@pytest.mark.parametrize(
    "made",
    [
        decision(),
        decision(subject=CommitSubject(HEAD)),
        decision(subject=CommitSubject(HELD), digest=PLAN_DIGEST),
        decision(subject=CommitSubject(HELD), event="00-before"),
        decision(subject=CommitSubject(HELD), repository="example/fork"),
    ],
)
def test_g18_a_decision_about_something_else_frees_nothing(made: Any) -> None:
    assert not judged(decisions=(signed(made=made),)).approved


@pytest.mark.parametrize(
    ("name", "reason"), [("stranger", Why.NO_ROLE), ("oracle", Why.AI), ("alice", Why.CONTRIBUTOR)]
)
def test_g18_only_somebody_whom_g14_admits_frees_what_is_held(name: str, reason: Why) -> None:
    judgement = judged(decisions=(on_held(name),))
    assert why(judgement, name) == [reason]
    assert not judgement.approved


def test_g18_a_signed_rejection_of_what_is_held_blocks() -> None:
    decisions = (on_held("carol"), on_held("bob", Verb.REJECT))
    assert judged(decisions=decisions).verdict is Verdict.REJECTED


def test_g16_who_pushed_a_held_commit_needs_apply() -> None:
    by_stranger = commit(revision=HELD, pusher="stranger-login")
    assert judged(commits=(by_stranger,), decisions=(on_held(),)).key == "permission_denied"
    unknown = commit(revision=HELD, pusher="mallory-login")
    assert judged(commits=(unknown,), decisions=(on_held(),)).key == "permission_denied"


def test_g14_a_direct_push_of_unknown_origin_needs_two_approvers() -> None:
    nobodys = (commit(revision=HELD, pusher="", signing_key=""),)
    assert not judged(commits=nobodys, decisions=(on_held(),)).approved
    assert judged(commits=nobodys, decisions=(on_held(), on_held("carol"))).approved


def on_merged(at: Any, by: str = "bob", **fields: Any) -> Judgement:
    """A merge at minute 15 whose plan was not the approved one, previewed again at minute 16, and a review of it."""
    given: dict[str, Any] = {
        "pull": merged(at=minutes(15)),
        "held": HELD,
        "preview": preview(posted_at=minutes(16), looked_at=minutes(16)),
        "reviews": (review(by, at=at),),
        **fields,
    }
    return ask(now=minutes(30), **given)


def test_g18_a_new_review_of_the_merged_pull_request_frees_what_is_held() -> None:
    assert on_merged(minutes(17)).approved


@pytest.mark.parametrize("at", [minutes(14), minutes(15)])
def test_g18_a_review_from_before_the_merge_does_not(at: Any) -> None:
    """Even where the same digest stood there already."""
    judgement = on_merged(at, preview=preview(looked_at=minutes(16)))
    assert why(judgement) == [Why.BEFORE_HELD]
    assert not judgement.approved


def test_g18_nor_does_a_review_from_before_the_new_preview() -> None:
    assert why(on_merged(minutes(15.5))) == [Why.TOO_EARLY]


def test_g18_on_a_merged_pull_request_a_signed_decision_about_the_commit_counts() -> None:
    assert on_merged(minutes(14), decisions=(on_held("carol"),)).approved
    assert not on_merged(minutes(14), decisions=(signed("carol"),)).approved


def test_g10_each_plan_has_its_own_judgement() -> None:
    other = plan(environment="dev", digest=Digest("3" * 64), tier="dev")
    plans = PlanSet(plans=(plan(), other), digest=TICKET_DIGEST)
    away = question(plans=plans, plan=other, sides=(side(scope=Scope("proj-alpha", "team-app", "dev"), tier="dev"),))
    here = question(plans=plans, reviews=(review(),))
    ticket = judge_ticket([here, away], always(), NOW)
    assert [one.verdict for one in ticket.plans] == [Verdict.APPROVED, Verdict.PENDING]
    assert ticket.verdict is Verdict.PENDING


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], Verdict.PENDING),
        ([Verdict.APPROVED, Verdict.APPROVED], Verdict.APPROVED),
        ([Verdict.APPROVED, Verdict.ADDRESSES_ACCEPTED], Verdict.ADDRESSES_ACCEPTED),
        ([Verdict.PENDING, Verdict.ENDED], Verdict.ENDED),
        ([Verdict.ENDED, Verdict.REJECTED], Verdict.REJECTED),
    ],
)
def test_g10_a_ticket_stands_where_its_worst_plan_stands(verdicts: list[Verdict], whole: Verdict) -> None:
    plans = tuple(
        Judgement(environment=str(n), verdict=one, key="", reasons=(), required=1) for n, one in enumerate(verdicts)
    )
    assert TicketJudgement(plans).verdict is whole


def admitted(now: Any = NOW, digest: Digest = PLAN_DIGEST, **fields: Any) -> Denial | Judgement:
    given = {"pull": merged(at=minutes(15)), "reviews": (review(),), **fields}
    return admit(question(**given), always(), now, digest=digest)


def test_g20_an_approved_merged_fresh_and_equal_plan_is_admitted() -> None:
    answer = admitted()
    assert isinstance(answer, Judgement)
    assert answer.approved


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"pull": pull()}, "approval_required"),
        ({"pull": pull(state=PullRequestState.CLOSED)}, "approval_required"),
        ({"reviews": ()}, "approval_required"),
        ({"reviews": (review("stranger"),)}, "approval_permission_denied"),
        ({"reviews": (review(verdict=Said.REJECT),)}, "approval_ticket_not_approved"),
        ({"digest": Digest("0" * 64)}, "preview_mismatch"),
        ({"preview": preview(looked_at=NOW - timedelta(minutes=30))}, "preview_expired"),
        ({"preview": preview(looked_at=None)}, "preview_required"),
        ({"now": minutes(60 * 30), "preview": preview(looked_at=minutes(60 * 30))}, "preview_expired"),
        ({"plan": plan(static=True)}, "preview_required"),
        ({"plan": plan(checks=(ERROR,))}, "deletion_cap_exceeded"),
        ({"pull": None, "held": None}, "approval_required"),
    ],
)
def test_c03_everything_else_is_refused_with_its_key(fields: dict[str, Any], key: str) -> None:
    answer = admitted(**fields)
    assert isinstance(answer, Denial)
    assert answer.key == key


def test_g20_a_held_commit_is_admitted_without_a_pull_request() -> None:
    asked = held_question(decisions=(on_held(),))
    assert isinstance(admit(asked, always(), NOW, digest=PLAN_DIGEST), Judgement)


def test_a_denial_is_raised_with_its_key_and_hint() -> None:
    refused = Denial("approval_required", "not yet", "ask bob").refused()
    assert isinstance(refused, Refused)
    assert (refused.key, refused.message, refused.hint()) == ("approval_required", "not yet", "ask bob")


def test_g21_approving_grants_a_return_unless_somebody_excludes_it() -> None:
    assert ask(reviews=(review(),)).grants_return
    assert not ask().grants_return
    for excluding in (
        signed_review("carol", decision(exclude_return=True)),
        review("carol", body="fine\n\nexclude-return\n"),
        review("carol", body="/Exclude-Return"),
    ):
        both = ask(reviews=(review(), excluding))
        assert both.approved
        assert not both.grants_return
    assert ask(reviews=(review(body="do not exclude-return here"),)).grants_return


def test_the_question_names_the_repository_that_decisions_are_for() -> None:
    assert not ask(repository=f"{REPOSITORY}-copy", decisions=(signed(),)).approved
