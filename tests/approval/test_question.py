"""What a question says of itself, and which words are statements about it (G3, G5, G13, G15, G21)."""

from datetime import datetime
from typing import Any

import pytest

from reconciler.approval.decision import PolicySubject, Verb
from reconciler.approval.judgement import Way
from reconciler.approval.policy import Policies
from reconciler.approval.question import PreviewFacts
from reconciler.approval.roles import Scope
from reconciler.approval.statements import Statement, statements
from reconciler.names import Digest
from reconciler.state.forge import PullRequestState, Verdict
from tests.approval.builders import (
    ALPHA,
    HELD,
    NOW,
    REVIEWED,
    always,
    ask,
    decision,
    merged,
    minutes,
    plan,
    preview,
    pull,
    question,
    review,
    side,
    signed,
    signed_review,
    unit,
)

CUT: PreviewFacts = preview(truncated=True)


@pytest.mark.parametrize(
    ("tier", "sides", "production"),
    [
        ("production", ["dev"], True),
        ("moon", ["dev"], True),
        ("dev", ["dev", "production"], True),
        ("staging", ["moon"], True),
        ("staging", ["staging"], False),
        ("dev", ["staging", "dev"], False),
    ],
)
def test_g3_production_is_what_any_side_or_an_unknown_tier_says(
    tier: str, sides: list[str], *, production: bool
) -> None:
    made = question(plan=plan(tier=tier), sides=tuple(side(tier=one) for one in sides), preview=CUT)
    assert made.production is production


def test_g3_the_scopes_are_the_plans_own_what_it_shares_and_each_side_in_order() -> None:
    others = [Scope(f"proj-{n}", "t", "prod") for n in range(6)]
    shared = tuple((one.project, one.team, one.environment) for one in others[:3])
    made = question(plan=plan(scopes=shared), sides=tuple(side(scope=one) for one in others[3:]))
    assert made.scopes == tuple(sorted([ALPHA, *others]))
    assert question(sides=()).scopes == (ALPHA,)


def test_the_runtimes_are_those_of_the_environment_itself() -> None:
    elsewhere = side(scope=Scope("proj-alpha", "team-app", "other"), runtime="compose")
    assert question(sides=(side(), elsewhere)).runtimes == {"k8s"}


def test_g5_a_plan_of_the_policy_without_a_change_of_it_has_no_subject_of_its_own() -> None:
    change = PolicySubject("", Digest("7" * 64))
    of_policy = plan(policy_only=True, units=(unit("policy/policy"),))
    plain = question().subjects
    assert question(plan=of_policy).subjects == plain
    assert question(policy_change=change).subjects == plain
    assert question(plan=of_policy, policy_change=change).subjects == plain | {change}


WHEN = minutes(12)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"pull": merged(at=WHEN)}, True),
        ({"pull": merged(at=WHEN, by="")}, False),
        ({"pull": pull(state=PullRequestState.MERGED, merged_by="bob-login")}, False),
        ({"pull": pull(state=PullRequestState.CLOSED, merged_by="bob-login", merged_at=WHEN)}, False),
        ({"pull": merged(at=WHEN), "held": HELD}, False),
        ({"pull": None}, False),
    ],
)
def test_g15_a_merge_is_a_statement_where_the_forge_says_that_by_whom_and_when(
    fields: dict[str, Any], *, counts: bool
) -> None:
    found = statements(question(**fields), merge_counts=True)
    assert [(one.way, one.login, one.at) for one in found] == [(Way.MERGE, "bob-login", WHEN)] * counts
    assert statements(question(**fields), merge_counts=False) == ()


def said(verdict: Verdict, name: str, at: datetime = NOW) -> Statement:
    made = question(reviews=(review(verdict=verdict, at=at, id=name),))
    return statements(made, merge_counts=False)[0]


def test_g13_at_one_time_what_ends_an_approval_is_the_later_word() -> None:
    together = [said(Verdict.REJECT, "a"), said(Verdict.DISMISSED, "b"), said(Verdict.APPROVE, "c")]
    order = [one.verdict for one in sorted(together, key=lambda one: one.order)]
    assert order == [Verdict.APPROVE, Verdict.DISMISSED, Verdict.REJECT]


@pytest.mark.parametrize(
    ("made", "excludes"),
    [
        (review(), False),
        (review(body="looks good\n /exclude-return \n"), True),
        (review(body="do not exclude-return"), False),
        (signed_review(), False),
        (signed_review(made=decision(exclude_return=True)), True),
    ],
)
def test_g21_an_approval_excludes_the_return_only_where_it_says_so(made: Any, *, excludes: bool) -> None:
    judgement = ask(reviews=(made,))
    assert [one.exclude_return for one in judgement.approvals] == [excludes]
    assert judgement.grants_return is not excludes


@pytest.mark.parametrize(
    "standing",
    [
        pull(),
        pull(state=PullRequestState.OPEN, merged_at=minutes(5)),  # what is open was not merged, whatever else is said
    ],
)
def test_g13_nothing_comes_after_the_merge_of_what_is_not_merged(standing: Any) -> None:
    assert ask(pull=standing, reviews=(review(at=REVIEWED),)).approved
    held = ask(pull=standing, held=HELD, reviews=(review(at=REVIEWED),))
    assert held.ignored == ()


def test_g23_a_key_of_no_user_is_said_to_be_one_before_all_else() -> None:
    mistaken = decision(Verb.EMERGENCY, reason="it burns", digest="0" * 64)
    judgement = ask(Policies.always(always().in_force), decisions=(signed("nobody", mistaken),))
    assert [ignored.words for ignored in judgement.ignored] == ["the key that signed it belongs to no user"]
