"""G15: alone, and in advance."""

from typing import Any

import pytest

from reconciler.approval.alone import standing
from reconciler.approval.judgement import Verdict, Way, Why
from reconciler.approval.persons import ForgeKind
from reconciler.approval.policy import Policies
from reconciler.approval.question import Requester
from reconciler.approval.roles import Scope
from reconciler.names import POLICY
from reconciler.plan.change import RISKS, Check, Risk, Severity
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds.settings import PrivateTier, StandingApproval
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    ALPHA,
    BINDINGS,
    HELD,
    OTHER_HEAD,
    POSTED,
    always,
    ask,
    bind,
    commit,
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
    user,
    why,
)

ALLOWED = always(allow_self_approval=True)
BY_ALICE = merged(at=minutes(15), by="alice-login")
PROD_ALLOWS = (side(self_approval=True),)


def alone(**fields: Any) -> dict[str, Any]:
    """Alice merged her own pull request to a production that allows it."""
    return {"pull": BY_ALICE, "sides": PROD_ALLOWS, **fields}


def test_g15_the_merge_by_an_approver_is_the_approval() -> None:
    judgement = ask(ALLOWED, **alone())
    assert judgement.approved
    assert judgement.self_approved
    assert [(counted.person, counted.way) for counted in judgement.approvals] == [("alice", Way.MERGE)]


def test_g15_why_a_merge_does_not_count_is_said_before_that_a_rejection_stands() -> None:
    other = merged(at=minutes(15), by="bob-login", head=OTHER_HEAD)
    judgement = ask(ALLOWED, **alone(pull=other, reviews=(review(verdict=Said.REJECT),)))
    assert judgement.verdict is Verdict.REJECTED
    assert why(judgement) == [Why.WRONG_HEAD]


def test_g15_where_one_stands_for_everybody_only_what_the_settings_ask_is_missing() -> None:
    """Why strangers' commits need a second approver is no reason then: it falls away."""
    two = always(allow_self_approval=True, approvals={"high": 2})
    strangers = (commit(signing_key="", pusher=""),)
    assert ask(two, **alone(commits=strangers)).reasons == (f"1 of 2 approvals missing for {ALPHA}",)
    open_still = ask(two, **alone(pull=pull(), commits=strangers)).reasons
    assert open_still[0] == f"2 of 2 approvals missing for {ALPHA}"
    assert "two approvers" in open_still[1]


def test_g15_not_unless_the_settings_allow_it() -> None:
    judgement = ask(**alone())
    assert judgement.verdict is Verdict.PENDING
    assert judgement.approvals == ()
    assert judgement.by_merging == ()


@pytest.mark.parametrize(
    ("sides", "approved"),
    [
        ((side(),), False),
        ((side(self_approval=True),), True),
        ((side(self_approval=True), side(self_approval=False)), False),
        ((side(self_approval=True), side(scope=Scope("proj-alpha", "team-app", "other"))), False),
        ((side(self_approval=True), side(scope=Scope("proj-alpha", "team-app", "other"), tier="dev")), True),
        ((side(tier="staging"),), False),
        ((side(tier="dev", self_approval=True),), False),
        ((side(tier="dev"), side(scope=Scope("proj-alpha", "team-app", "other"), self_approval=True)), False),
    ],
)
def test_g15_for_production_only_where_every_production_side_says_so(sides: Any, *, approved: bool) -> None:
    """G3: neither the proposed nor the accepted side, nor a neighbour on the same target, is passed over."""
    assert ask(ALLOWED, **alone(sides=sides)).approved is approved


@pytest.mark.parametrize(("tier", "approved"), [("dev", True), ("staging", True), ("production", False), ("", False)])
def test_g15_elsewhere_the_settings_are_enough(tier: str, *, approved: bool) -> None:
    fields = alone(plan=plan(tier=tier), sides=(side(tier=tier),))
    assert ask(ALLOWED, **fields).approved is approved


@pytest.mark.parametrize("by", ["stranger-login", "robot-login", "oracle-login", "mallory-login", ""])
def test_g15_the_merger_must_be_a_person_with_the_role(by: str) -> None:
    assert not ask(ALLOWED, **alone(pull=merged(at=minutes(15), by=by))).approved


def test_g15_an_open_pull_request_is_not_approved_yet_and_says_who_could_merge() -> None:
    judgement = ask(ALLOWED, sides=PROD_ALLOWS)
    assert judgement.verdict is Verdict.PENDING
    assert judgement.by_merging == ("admin", "alice", "bob", "carol", "dave")


def test_g15_the_role_of_the_merger_is_judged_at_the_merge_and_now() -> None:
    without = policy(bindings=[BINDINGS[0]], allow_self_approval=True)
    allowed = policy(allow_self_approval=True)
    late = Policies(without, ((POSTED, without), (minutes(16), allowed)))
    gone = Policies(allowed, ((POSTED, allowed), (minutes(16), without)))
    for policies in (late, gone):
        judgement = ask(policies, **alone())
        assert why(judgement, "alice") == [Why.NO_ROLE]
        assert not judgement.approved


def test_g15_a_merge_before_the_posting_or_right_after_a_change_approves_nothing() -> None:
    assert not ask(ALLOWED, **alone(pull=merged(at=POSTED, by="alice-login"))).approved
    changed = preview(changed_at=minutes(14.5))
    judgement = ask(ALLOWED, **alone(preview=changed))
    assert why(judgement, "alice") == [Why.TOO_EARLY]
    assert ask(ALLOWED, **alone(preview=preview(changed_at=minutes(13)))).approved


def test_g15_a_merge_of_another_head_or_base_approves_nothing() -> None:
    for moved in ({"head": OTHER_HEAD}, {"base": "release"}):
        assert not ask(ALLOWED, **alone(pull=merged(at=minutes(15), by="alice-login", **moved))).approved


def test_g15_an_own_review_still_does_not_count() -> None:
    judgement = ask(ALLOWED, pull=pull(), sides=PROD_ALLOWS, reviews=(review("alice"),))
    assert why(judgement, "alice") == [Why.SELF]


def test_g15_merging_does_not_take_back_the_mergers_own_rejection() -> None:
    judgement = ask(ALLOWED, **alone(reviews=(review("alice", Said.REJECT),)))
    assert judgement.verdict is Verdict.REJECTED
    assert why(judgement, "alice") == [Why.SUPERSEDED]


def test_g15_a_rejection_by_anybody_else_blocks_the_own_merge() -> None:
    assert ask(ALLOWED, **alone(reviews=(review("bob", Said.REJECT),))).verdict is Verdict.REJECTED


def test_g15_where_others_can_set_who_merged_it_is_signed() -> None:
    gitea = always(allow_self_approval=True, forge=ForgeKind.GITEA)
    assert not ask(gitea, **alone()).approved
    judgement = ask(gitea, **alone(decisions=(signed("alice"),)))
    assert judgement.approved
    assert judgement.self_approved
    assert not ask(always(forge=ForgeKind.GITEA), **alone(decisions=(signed("alice"),))).approved


@pytest.mark.parametrize("forge", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.EMBEDDED])
def test_g15_where_the_forge_tells_who_merged_the_merge_is_enough(forge: ForgeKind) -> None:
    assert ask(always(allow_self_approval=True, forge=forge), **alone()).approved


@pytest.mark.parametrize("risk", RISKS)
def test_g15_what_ensures_a_second_person_falls_away_but_the_settings_count_stays(risk: Risk) -> None:
    """A team of one is not locked out by an unsigned commit; settings that ask for two still get two."""
    nobodys = (commit(signing_key="", pusher=""),)
    fields = alone(plan=plan(risk=risk), commits=nobodys)
    assert ask(ALLOWED, **fields).approved
    two = always(allow_self_approval=True, approvals=dict.fromkeys(RISKS, 2))
    assert not ask(two, **fields).approved
    assert ask(two, **alone(plan=plan(risk=risk), reviews=(signed_review("bob"),))).approved


def test_g15_a_merge_by_an_approver_who_is_not_the_author_is_recorded_as_self_approved() -> None:
    """Nobody looked twice: the merge was the approval, also for a bot that nobody is known to have asked."""
    judgement = ask(ALLOWED, **alone(pull=merged(at=minutes(15), by="bob-login", author="robot-login")))
    assert judgement.approved
    assert judgement.self_approved


def test_g15_an_own_approval_that_was_enough_ends_as_one() -> None:
    fields = alone(commits=(commit(signing_key="", pusher=""),))
    assert ask(ALLOWED, now=minutes(15 + 60 * 24), **fields).verdict is Verdict.ENDED


def test_g15_an_ended_own_approval_lowers_nothing() -> None:
    nobodys = (commit(signing_key="", pusher=""),)
    now = minutes(15) + (minutes(60 * 24) - POSTED)
    fields = alone(commits=nobodys, reviews=(review("bob", at=minutes(14)),))
    judgement = ask(ALLOWED, now=now, **fields)
    assert judgement.verdict is Verdict.ENDED
    assert judgement.required == 2


def test_g15_alone_on_what_is_held_by_a_signature() -> None:
    fields: dict[str, Any] = {"pull": None, "held": HELD, "preview": preview(head=HELD), "sides": PROD_ALLOWS}
    fields["commits"] = (commit(revision=HELD),)
    judgement = ask(ALLOWED, decisions=(on_held("alice"),), **fields)
    assert judgement.approved
    assert judgement.self_approved
    assert not ask(decisions=(on_held("alice"),), **fields).approved


def test_g15_merging_what_is_held_since_is_no_approval_of_it() -> None:
    judgement = ask(ALLOWED, **alone(held=HELD))
    assert not judgement.approved
    assert judgement.ignored == ()


def test_g2_a_change_of_policy_is_never_self_approved_by_merging() -> None:
    admins = always(bindings=[*BINDINGS, bind("admin", "alice")], allow_self_approval=True)
    for tier in ("", "dev"):
        about = plan(environment=POLICY, policy_only=True, units=(unit("policy/policy"),), tier=tier)
        assert not ask(admins, **alone(plan=about, sides=())).approved


LOW: dict[str, Any] = {
    "plan": plan(risk=Risk.LOW, tier="staging"),
    "sides": (side(tier="staging"),),
    "changed_kinds": frozenset({Kind.RELEASE}),
}
IN_ADVANCE = always(standing_approval=StandingApproval(tiers=(PrivateTier.DEV, PrivateTier.STAGING)))


def test_g15_standing_approval_approves_low_risk_in_advance() -> None:
    judgement = ask(IN_ADVANCE, **LOW)
    assert judgement.approved
    assert judgement.standing
    assert not judgement.self_approved
    assert judgement.required == 0
    assert judgement.reasons == ("approved in advance by the policy (standing approval)",)
    assert ask(IN_ADVANCE, **{**LOW, "pull": merged(at=minutes(15))}).approved


def test_g15_standing_approval_covers_services_too_and_grants_a_return() -> None:
    judgement = ask(IN_ADVANCE, **{**LOW, "changed_kinds": frozenset({Kind.RELEASE, Kind.SERVICE})})
    assert judgement.grants_return


BOT_OF_NOBODY = {"pull": pull(author="robot-login")}
NOT_STANDING: dict[str, tuple[dict[str, Any], str]] = {
    "medium risk": ({"plan": plan(risk=Risk.MEDIUM, tier="staging")}, "low risk"),
    "production": ({"plan": plan(risk=Risk.LOW)}, "production"),
    "beside production": ({"sides": (side(tier="staging"), side())}, "production"),
    "held": ({"held": HELD}, "exact digest"),
    "direct push": ({"pull": None}, "exact digest"),
    "static": ({"plan": plan(risk=Risk.LOW, tier="staging", static=True)}, "addresses"),
    "policy": ({"plan": plan(risk=Risk.LOW, tier="staging", policy_only=True)}, "policy"),
    "AI": ({"pull": pull(author="oracle-login")}, "AI"),
    "asked through the AI entry": ({**BOT_OF_NOBODY, "requester": Requester("alice", ai=True)}, "AI"),
    "unknown bot": ({"pull": pull(author="ci-login"), "author_is_bot": True}, "may be an AI"),
    "unknown person": ({"pull": pull(author="mallory-login")}, "known people"),
    "kinds unknown": ({"changed_kinds": None}, "unknown"),
    "unit of another kind": ({"plan": plan(risk=Risk.LOW, tier="staging", units=(unit("cluster/c"),))}, "releases"),
    **{
        kind: ({"changed_kinds": frozenset({Kind.RELEASE, kind})}, kind)
        for kind in Kind
        if kind not in {Kind.RELEASE, Kind.SERVICE}
    },
}


@pytest.mark.parametrize("name", NOT_STANDING)
def test_g15_standing_approval_never_covers(name: str) -> None:
    fields, words = NOT_STANDING[name]
    assert words in standing(question(**{**LOW, **fields}), IN_ADVANCE.in_force)
    assert not ask(IN_ADVANCE, **{**LOW, **fields}).standing


def test_g15_standing_approval_covers_a_bot_that_is_no_ai() -> None:
    assert ask(IN_ADVANCE, **{**LOW, **BOT_OF_NOBODY}).standing


def test_g15_standing_approval_is_off_unless_the_settings_say_so() -> None:
    assert not ask(**LOW).approved
    assert "no standing approval" in standing(question(**LOW), always().in_force)


def test_g15_standing_approval_covers_only_the_tiers_it_names() -> None:
    dev_only = always(standing_approval=StandingApproval(tiers=(PrivateTier.DEV,)))
    assert not ask(dev_only, **LOW).approved


def test_g15_a_rejection_or_a_block_stops_standing_approval() -> None:
    assert ask(IN_ADVANCE, reviews=(review(verdict=Said.REJECT),), **LOW).verdict is Verdict.REJECTED
    failed = Check(severity=Severity.ERROR, key="preflight_failed", message="no disk")
    blocked = {**LOW, "plan": plan(risk=Risk.LOW, tier="staging", checks=(failed,))}
    assert not ask(IN_ADVANCE, **blocked).approved


def test_g16_standing_approval_still_needs_an_author_with_apply() -> None:
    assert not ask(IN_ADVANCE, **{**LOW, "pull": pull(author="carol-login")}).approved


def test_g15_a_person_beside_standing_approval_is_named() -> None:
    judgement = ask(IN_ADVANCE, reviews=(review(),), **LOW)
    assert not judgement.standing
    assert [counted.person for counted in judgement.approvals] == ["bob"]


def test_g15_a_lone_team_with_one_user_works_end_to_end() -> None:
    solo = always({"alice": user("alice")}, [bind("admin", "alice")], allow_self_approval=True)
    assert ask(solo, **alone()).approved
    assert ask(solo, **alone(pull=pull())).by_merging == ("alice",)
