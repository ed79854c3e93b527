"""G2, G3, G4, G10, G18, G20: what blocks, root signatures, what is held, and the last judging before an apply."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.decision import CommitSubject, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.judge import admit, judge
from reconciler.approval.judgement import Judgement, Verdict, Why, whole
from reconciler.approval.policy import Policies
from reconciler.approval.question import OpenEmergency
from reconciler.approval.roles import Scope
from reconciler.errors import Refused
from reconciler.names import Digest
from reconciler.plan.change import Check, PlanSet, Severity
from reconciler.state.forge import PullRequestState
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    HEAD,
    HELD,
    NOW,
    PLAN_DIGEST,
    REPOSITORY,
    TICKET_DIGEST,
    always,
    ask,
    commit,
    decision,
    held_question,
    merged,
    minutes,
    on_held,
    plan,
    preview,
    pull,
    question,
    review,
    side,
    signed,
    signed_review,
    why,
)

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
    return judge(held_question(**fields), policies or always(), NOW)


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
    found = {one.environment: one for one in (judge(asked, always(), NOW) for asked in (here, away))}
    assert [one.verdict for one in found.values()] == [Verdict.APPROVED, Verdict.PENDING]
    assert whole(found) is Verdict.PENDING


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], Verdict.PENDING),
        ([Verdict.APPROVED, Verdict.APPROVED], Verdict.APPROVED),
        ([Verdict.APPROVED, Verdict.ADDRESSES_ACCEPTED], Verdict.ADDRESSES_ACCEPTED),
        ([Verdict.PENDING, Verdict.ENDED], Verdict.ENDED),
        ([Verdict.ENDED, Verdict.REJECTED], Verdict.REJECTED),
    ],
)
def test_g10_a_ticket_stands_where_its_worst_plan_stands(verdicts: list[Verdict], together: Verdict) -> None:
    plans = {
        str(n): Judgement(environment=str(n), verdict=one, key="", reasons=(), required=1)
        for n, one in enumerate(verdicts)
    }
    assert whole(plans) is together


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
