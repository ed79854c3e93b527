"""Where several conditions say one thing, each of them is needed: walls that stand behind or beside another."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.acts import Act, Return, person_may, return_covered, return_now
from reconciler.approval.alone import standing
from reconciler.approval.blocks import blocks
from reconciler.approval.clocks import CLOCK_SKEW, approval_ends
from reconciler.approval.decision import (
    LONGEST_DECISION,
    SSHSIG_NAMESPACE,
    CommitSubject,
    Decision,
    PolicySubject,
    PullSubject,
    UnitSubject,
    Verb,
    parse_decision,
)
from reconciler.approval.emergency import BrokenGlass, emergency, looked_at_by_another, small_enough
from reconciler.approval.question import OpenEmergency, Requester
from reconciler.canonical import canonical_json
from reconciler.names import POLICY
from reconciler.plan.change import FieldChange, Operation, PlanSet
from reconciler.specs.kinds import Settings
from reconciler.specs.kinds.settings import PrivateTier, StandingApproval
from tests.approval.builders import (
    HEAD,
    HELD,
    NOW,
    OTHER_HEAD,
    PLAN_DIGEST,
    REVIEWED,
    TICKET_DIGEST,
    commit,
    decision,
    held_question,
    merged,
    minutes,
    plan,
    policy,
    preview,
    pull,
    question,
    side,
    signed,
    unit,
)
from tests.approval.test_acts import BACK, BREAKERS, GRANT, OLD, SCALE, SCALED, act, change, glass
from tests.approval.test_alone import IN_ADVANCE, LOW

IN_FORCE = policy()


def keys(strict: Any = IN_FORCE, **fields: Any) -> list[str]:
    """What blocks a question."""
    return [denial.key for denial in blocks(question(**fields), strict, rooted=False)]


# Acts (G21, G23)


def test_g23_a_denial_says_what_is_missing() -> None:
    alice = IN_FORCE.persons.by_name["alice"]
    unknown = person_may(Act(alice, (), frozenset()), IN_FORCE)
    assert unknown is not None
    assert unknown.key == "permission_denied"
    mute = return_now(act(), IN_FORCE, " ")
    assert mute is not None
    assert mute.key == "validation_error"


def test_g21_a_return_may_change_data_and_not_delete_it() -> None:
    claim = {"subject": "PersistentVolumeClaim svc-a/files"}
    changed = Return("release/svc-a", OLD, (change(operation=Operation.UPDATE, **claim),))
    deleted = Return("release/svc-a", OLD, (change(operation=Operation.DELETE, **claim),))
    given = {"used": False, "accepted_since": False}
    assert return_covered(GRANT, BACK, NOW, **given) is None
    assert return_covered(GRANT, changed, NOW, **given) is None
    assert return_covered(GRANT, deleted, NOW, **given) is not None


# In advance (G15)


def test_g15_standing_approval_covers_every_tier_that_it_names() -> None:
    only = policy(standing_approval=StandingApproval(tiers=(PrivateTier.STAGING,)))
    assert standing(question(**LOW), only) == ""


def test_g15_a_bot_for_which_a_person_asked_without_an_ai_is_covered() -> None:
    for author in ("robot-login", "ci-login"):
        asked = {"pull": pull(author=author), "author_is_bot": True, "requester": Requester("alice", ai=False)}
        assert standing(question(**{**LOW, **asked}), IN_ADVANCE.in_force) == ""


# What blocks (G2, G13, G14, G23)

ABOUT_POLICY = {
    "named so": plan(policy_only=True, digest=TICKET_DIGEST),
    "by its place": plan(environment=POLICY, digest=TICKET_DIGEST),
    "by a unit": plan(units=(unit(), unit("policy/policy")), digest=TICKET_DIGEST),
}


@pytest.mark.parametrize("other", ABOUT_POLICY.values(), ids=ABOUT_POLICY)
def test_g2_policy_goes_alone_whatever_shows_that_it_is_policy(other: Any) -> None:
    ours = plan()
    together = PlanSet(plans=(ours, other), digest=TICKET_DIGEST)
    assert keys(plan=ours, plans=together) == ["policy_not_in_force"]
    assert keys(plan=ours, plans=PlanSet(plans=(ours, plan(environment="dev")), digest=TICKET_DIGEST)) == []


UNSIGNED = (commit(signing_key=""),)


def test_g14_required_signatures_block_but_not_a_return() -> None:
    strict = policy(require_signed_commits=True)
    assert keys(strict, commits=UNSIGNED) == ["approval_required"]
    assert keys(strict, commits=UNSIGNED, restores=True) == []


def test_g13_a_merge_of_unknown_time_and_open_glass_are_missing_approvals() -> None:
    assert keys(pull=replace(merged(), merged_at=None)) == ["approval_required"]
    open_glass = OpenEmergency(ticket="dep-appr-6", person="bob")
    assert keys(emergencies=(open_glass,)) == ["approval_required"]


def test_g14_each_missing_commit_is_named_by_twelve_digits_in_order() -> None:
    asked = held_question(plan=plan(held=(OTHER_HEAD, HEAD)), preview=preview(head=HELD))
    (found,) = blocks(asked, IN_FORCE, rooted=False)
    assert f"known: {'a' * 12}, {'b' * 12} is missing" in found.message


# Breaking the glass (G23)


def test_g23_a_key_of_nobody_breaks_no_glass() -> None:
    denial = glass(by="mallory")
    assert denial.key == "approval_permission_denied"


IMAGE = FieldChange(path="spec.images.web", before="v1", after="v2")
SUSPENDED = FieldChange(path="spec.suspend", before=False, after=True)


@pytest.mark.parametrize(
    ("fields", "small"),
    [
        ({}, True),
        ({"units": (unit(specs=(SUSPENDED,)), unit("release/svc-b"))}, True),
        ({"units": (unit(specs=(SUSPENDED,)), unit("release/svc-b")), "changes": ()}, True),
        ({"units": (unit(), unit("cluster/one"))}, False),
        ({"units": (unit(specs=(SUSPENDED,)), unit("release/svc-b", specs=(IMAGE,)))}, False),
        ({"changes": (change(fields=(SCALE,)), change(fields=(IMAGE,)))}, False),
        ({"units": (unit(),), "changes": ()}, False),
        ({"static": True}, False),
    ],
)
def test_g23_an_emergency_scales_or_suspends_releases_and_nothing_beside(
    fields: dict[str, Any], *, small: bool
) -> None:
    assert (small_enough(SCALED.model_copy(update=fields)) is None) is small


@pytest.mark.parametrize(("by", "looked"), [("root", True), ("bob", False), ("stranger", False), ("mallory", False)])
def test_g23_a_signature_that_is_no_roots_is_no_second_look(by: str, *, looked: bool) -> None:
    asked = question(plan=SCALED, decisions=(signed(by),))
    assert looked_at_by_another(asked, OpenEmergency("dep-appr-7", "bob"), BREAKERS, NOW) is looked


def test_g23_the_glass_may_be_broken_for_what_is_held() -> None:
    asked = held_question(plan=SCALED)
    made = decision(Verb.EMERGENCY, CommitSubject(HELD), reason="it burns")
    assert isinstance(emergency(asked, signed("bob", made), BREAKERS, NOW), BrokenGlass)


# Clocks (G11)


def test_g13_a_forges_clock_may_run_five_minutes_ahead() -> None:
    assert timedelta(minutes=5) == CLOCK_SKEW


def test_g11_a_look_at_the_moment_of_the_approval_was_before_it() -> None:
    asked = question(sides=(side(renewal=False),), preview=preview(looked_at=REVIEWED))
    ends = approval_ends(asked, Settings(), REVIEWED, minutes(12))
    assert ends == REVIEWED + timedelta(minutes=30)


# Decisions (G5)


def test_g5_what_is_signed_is_spelled_like_this() -> None:
    """Signatures that people made stay valid: neither the namespace nor a word of this may change."""
    assert SSHSIG_NAMESPACE == "reconciler-decision"
    spelled = {
        Verb.APPROVE: (PullSubject(7, "main", HEAD), {"pull_request": {"number": 7, "base": "main", "head": HEAD}}),
        Verb.REJECT: (CommitSubject(HELD), {"commit": {"commit": HELD}}),
        Verb.EMERGENCY: (PolicySubject("", PLAN_DIGEST), {"policy": {"old": "", "new": PLAN_DIGEST}}),
        Verb.HOLD: (UnitSubject("release/svc-a"), {"unit": {"unit": "release/svc-a"}}),
    }
    subject: Any
    for verb, (subject, written) in spelled.items():
        assert json.loads(decision(verb, subject).signed_bytes) == {
            "at": "2026-01-05T12:10:00Z",
            "digest": TICKET_DIGEST,
            "event": "01-preview",
            "exclude_return": False,
            "reason": "",
            "repository": "example/desired-state",
            "schema": 1,
            "subject": written,
            "verb": verb.value,
        }


def sized(extra: int) -> dict[str, Any]:
    """Fields of a decision of exactly the longest length, and so many bytes more."""
    room = LONGEST_DECISION + extra - len(decision(reason="").signed_bytes)
    return {"reason": "\N{GRINNING FACE}" * (room // 4) + "x" * (room % 4)}


def test_g5_the_longest_decision_is_one_and_a_longer_one_is_none() -> None:
    longest = decision(**sized(0))
    assert len(longest.signed_bytes) == LONGEST_DECISION
    assert parse_decision(longest.signed_bytes) == longest
    with pytest.raises(ValueError, match="longer than"):
        decision(**sized(1))


def read(**fields: Any) -> Decision:
    """Read a decision in which some fields are written otherwise."""
    return parse_decision(canonical_json({**json.loads(decision().signed_bytes), **fields}))


def ordered(**fields: Any) -> Decision:
    """The same of an order, which names no digest."""
    hold = decision(Verb.HOLD, UnitSubject("release/svc-a"), digest="", event="")
    return parse_decision(canonical_json({**json.loads(hold.signed_bytes), **fields}))


def test_g5_an_order_needs_no_digest_and_no_preview() -> None:
    assert (ordered().digest, ordered().event) == ("", "")
    assert ordered(digest=TICKET_DIGEST).digest == TICKET_DIGEST
    with pytest.raises(ValueError, match="digest"):
        ordered(digest="fedcba")


PULL = {"number": 7, "base": "main", "head": HEAD}
WRONG: dict[str, dict[str, Any]] = {
    "repository": {"repository": ["example/desired-state"]},
    "event": {"event": 5},
    "reason": {"reason": ["because"]},
    "digest": {"digest": [TICKET_DIGEST]},
    "exclude_return": {"exclude_return": 0},
    "number": {"subject": {"pull_request": {**PULL, "number": 7.5}}},
    "number in words": {"subject": {"pull_request": {**PULL, "number": "7"}}},
    "number yes": {"subject": {"pull_request": {**PULL, "number": True}}},
    "base": {"subject": {"pull_request": {**PULL, "base": ["main"]}}},
    "head": {"subject": {"pull_request": {**PULL, "head": 5}}},
    "policy": {"subject": {"policy": {"old": "", "new": "short"}}},
    "no policy": {"subject": {"policy": {"old": PLAN_DIGEST, "new": ""}}},
    "old policy": {"subject": {"policy": {"old": "short", "new": PLAN_DIGEST}}},
    "time": {"at": 5},
    "first hour": {"at": "0001-01-01T00:00:00+14:00"},
    "local time": {"at": "2026-01-05T12:10:00"},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_g5_a_field_of_the_wrong_type_is_no_decision(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="reading a decision"):
        read(**fields)


def test_g5_an_order_about_no_unit_is_none() -> None:
    for subject in ({"unit": ["release/svc-a"]}, {"unit": ""}):
        with pytest.raises(ValueError, match="reading a decision"):
            ordered(subject={"unit": subject})


def test_g5_what_is_no_subject_cannot_be_written() -> None:
    nothing: Any = object()
    with pytest.raises(ValueError, match="its subject is not one"):
        decision(subject=nothing)
