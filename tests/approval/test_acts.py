"""G2, G21, G22, G23: what people may do beside approving, and breaking the glass."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.approval.acts import (
    RETRIES_PER_APPROVAL,
    Act,
    Return,
    ReturnGrant,
    hold,
    hold_ends,
    resume,
    retry,
    return_covered,
    return_grant,
    return_now,
    trust,
)
from reconciler.approval.decision import CommitSubject, Decision, Verb
from reconciler.approval.denial import Denial
from reconciler.approval.emergency import BrokenGlass, emergency, looked_at_by_another, small_enough
from reconciler.approval.persons import Person
from reconciler.approval.policy import may
from reconciler.approval.question import OpenEmergency
from reconciler.approval.roles import Permission
from reconciler.names import Digest
from reconciler.plan.change import Change, Check, FieldChange, Operation, Severity
from reconciler.specs.kinds import Settings
from reconciler.state.forge import PullRequestState
from reconciler.state.forge import Verdict as Said
from tests.approval.builders import (
    ALPHA,
    BINDINGS,
    HEAD,
    NOW,
    PLAN_DIGEST,
    always,
    ask,
    bind,
    decision,
    key,
    minutes,
    plan,
    policy,
    preview,
    pull,
    question,
    review,
    signed,
    unit,
)

POLICY = policy()
OLD = Digest("2" * 64)


def act(name: str = "alice", **fields: Any) -> Act:
    return Act.on(question(**fields), POLICY.persons.by_name.get(name))


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("alice", True),
        ("bob", True),
        ("admin", True),
        ("carol", False),
        ("stranger", False),
        ("robot", False),
        ("oracle", False),
        ("nobody", False),
    ],
)
def test_g23_hold_and_resume_need_a_person_with_apply(name: str, *, allowed: bool) -> None:
    for asked in (hold, resume):
        denial = asked(act(name), POLICY)
        assert (denial is None) is allowed
        assert denial is None or denial.key == "permission_denied"


def test_g23_an_act_needs_apply_on_every_scope_and_on_what_the_plan_touches() -> None:
    elsewhere = plan(scopes=(("proj-beta", "team", "shared"),))
    assert hold(act(plan=elsewhere), POLICY) is not None
    assert hold(act("admin", plan=elsewhere), POLICY) is None


def test_g23_an_act_of_unknown_place_or_need_is_denied() -> None:
    person = POLICY.persons.by_name["admin"]
    assert hold(Act(person, (), frozenset({Permission.RELEASE_APPLY})), POLICY) is not None
    assert hold(Act(person, (ALPHA,), frozenset()), POLICY) is not None


def test_g23_a_hold_ends_after_a_day() -> None:
    assert hold_ends(NOW) == NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    ("used", "planned", "key"),
    [
        (0, PLAN_DIGEST, None),
        (RETRIES_PER_APPROVAL - 1, PLAN_DIGEST, None),
        (RETRIES_PER_APPROVAL, PLAN_DIGEST, "approval_required"),
        (0, OLD, "preview_mismatch"),
    ],
)
def test_g22_three_retries_of_the_same_digest(used: int, planned: Digest, key: str | None) -> None:
    denial = retry(act(), POLICY, approved=PLAN_DIGEST, planned=planned, used=used)
    assert (denial.key if denial else None) == key
    assert RETRIES_PER_APPROVAL == 3


@pytest.mark.parametrize("name", ["carol", "oracle", "robot", "nobody"])
def test_g22_retrying_needs_a_person_with_apply(name: str) -> None:
    denial = retry(act(name), POLICY, approved=PLAN_DIGEST, planned=PLAN_DIGEST, used=0)
    assert denial is not None
    assert denial.key == "permission_denied"


def test_g2_only_a_root_signer_says_what_is_trusted() -> None:
    assert trust(key("root"), POLICY) is None
    for other in (key("admin"), "", "nonsense"):
        denial = trust(other, POLICY)
        assert denial is not None
        assert denial.key == "approval_permission_denied"


def test_may_asks_for_one_permission() -> None:
    bob, oracle = POLICY.persons.by_name["bob"], POLICY.persons.by_name["oracle"]
    assert may(bob, Permission.RELEASE_APPROVE, ALPHA, POLICY)
    assert not may(bob, Permission.EMERGENCY, ALPHA, POLICY)
    assert not may(oracle, Permission.RELEASE_APPROVE, ALPHA, POLICY)
    assert may(oracle, Permission.RELEASE_READ, ALPHA, POLICY)
    assert not may(None, Permission.RELEASE_READ, ALPHA, POLICY)
    assert not may(Person("removed"), Permission.RELEASE_READ, ALPHA, POLICY)
    assert not may(Person("bob", bot=True), Permission.RELEASE_APPROVE, ALPHA, POLICY)


GRANT = ReturnGrant("release/svc-a", OLD, NOW + timedelta(days=7))
BACK = Return("release/svc-a", OLD, ())


def change(**fields: Any) -> Change:
    given = {"unit": "release/svc-a", "operation": Operation.UPDATE, "subject": "Deployment svc-a/web", "where": "prod"}
    return Change(**{**given, **fields})


def test_g21_an_approval_grants_one_return_for_the_settings_time() -> None:
    approved = ask(reviews=(review(),))
    assert return_grant(approved, "release/svc-a", OLD, NOW, Settings()) == GRANT


def test_g21_nothing_is_granted_without_approval_without_a_past_or_without_time() -> None:
    approved, excluded = ask(reviews=(review(),)), ask(reviews=(review(body="exclude-return"),))
    assert return_grant(ask(), "release/svc-a", OLD, NOW, Settings()) is None
    assert return_grant(excluded, "release/svc-a", OLD, NOW, Settings()) is None
    assert return_grant(approved, "release/svc-a", None, NOW, Settings()) is None
    assert return_grant(approved, "release/svc-a", OLD, NOW, Settings(rollback_grant=timedelta())) is None


def covered(grant: ReturnGrant | None = GRANT, back: Return = BACK, **fields: Any) -> str | None:
    given = {"now": NOW, "used": False, "accepted_since": False, **fields}
    denial = return_covered(grant, back, given.pop("now"), **given)
    return denial.key if denial else None


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({}, None),
        ({"grant": None}, "approval_required"),
        ({"back": Return("release/svc-b", OLD, ())}, "approval_required"),
        ({"used": True}, "approval_required"),
        ({"accepted_since": True}, "approval_required"),
        ({"now": GRANT.ends - timedelta(microseconds=1)}, None),
        ({"now": GRANT.ends}, "approval_required"),
        ({"back": Return("release/svc-a", PLAN_DIGEST, ())}, "preview_mismatch"),
        ({"back": Return("release/svc-a", OLD, (change(),))}, None),
        ({"back": Return("release/svc-a", OLD, (change(), change(reversible=False)))}, "approval_required"),
        ({"back": Return("release/svc-a", OLD, (change(operation=Operation.DELETE),))}, None),
        *(
            (
                {"back": Return("release/svc-a", OLD, (change(operation=Operation.DELETE, subject=f"{kind} x"),))},
                "approval_required",
            )
            for kind in ("PersistentVolumeClaim", "Namespace", "CustomResourceDefinition.apiextensions.k8s.io")
        ),
    ],
)
def test_g21_the_grant_covers_one_return_to_what_was_replaced(fields: dict[str, Any], key: str | None) -> None:
    assert covered(**fields) == key


def test_g21_going_back_now_needs_a_person_with_apply_and_a_reason() -> None:
    assert return_now(act(), POLICY, "it burns") is None
    assert return_now(act(), POLICY, "  ") is not None
    for name in ("carol", "oracle", "nobody"):
        assert return_now(act(name), POLICY, "it burns") is not None


SCALE = FieldChange(path="spec.replicas", before=2, after=0)
SCALED = plan(
    units=(unit(specs=(FieldChange(path="spec.capacity.replicas", before=2, after=0),)),),
    changes=(change(fields=(SCALE,)), change(operation=Operation.UNCHANGED)),
)
BREAKERS = always(bindings=[*BINDINGS, bind("admin", "bob", "robot", "oracle", project="proj-alpha")])


def glass(made: Decision | None = None, by: str = "bob", policies: Any = BREAKERS, **fields: Any) -> Any:
    asked = question(**{"plan": SCALED, **fields})
    made = made or decision(Verb.EMERGENCY, reason="it burns")
    return emergency(asked, signed(by, made), policies, NOW)


def test_g23_one_person_may_break_the_glass_to_scale() -> None:
    assert glass() == BrokenGlass("bob", "it burns", minutes(10))


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"made": decision(Verb.EMERGENCY, reason=" ")}, "validation_error"),
        ({"made": decision(Verb.APPROVE, reason="it burns")}, "approval_ticket_scope_mismatch"),
        ({"made": decision(Verb.EMERGENCY, reason="x", digest=OLD)}, "approval_ticket_scope_mismatch"),
        ({"made": decision(Verb.EMERGENCY, CommitSubject(HEAD), reason="x")}, "approval_ticket_scope_mismatch"),
        ({"by": "carol"}, "approval_permission_denied"),
        ({"by": "robot"}, "approval_permission_denied"),
        ({"by": "oracle"}, "approval_permission_denied"),
        ({"by": "mallory"}, "approval_permission_denied"),
        ({"policies": always()}, "approval_permission_denied"),
        ({"preview": preview(looked_at=NOW - timedelta(hours=1))}, "preview_expired"),
        ({"preview": preview(looked_at=None)}, "preview_required"),
        ({"reviews": (review("carol", Said.REJECT),)}, "approval_ticket_not_approved"),
        ({"pull": pull(state=PullRequestState.CLOSED)}, "preview_expired"),
        ({"pull": pull(author="stranger-login")}, "permission_denied"),
        ({"preview": preview(truncated=True)}, "preview_required"),
        ({"plan": plan()}, "approval_required"),
    ],
)
def test_g23_an_emergency_is_refused(fields: dict[str, Any], key: str) -> None:
    answer = glass(**fields)
    assert isinstance(answer, Denial)
    assert answer.key == key


def test_g23_an_emergency_needs_the_permission_on_every_scope() -> None:
    shared = SCALED.model_copy(update={"scopes": (("proj-beta", "team", "shared"),)})
    assert isinstance(glass(plan=shared), Denial)


def test_g23_another_open_emergency_does_not_hold_an_emergency() -> None:
    assert isinstance(glass(emergencies=(OpenEmergency("dep-appr-5", "carol"),)), BrokenGlass)


def with_changes(*changes: Change, **fields: Any) -> Any:
    return plan(**{"units": (unit(),), "changes": changes, **fields})


FAILED = Check(severity=Severity.ERROR, key="preflight_failed", message="no")
SUSPEND = FieldChange(path="spec.suspend", before=False, after=True)


@pytest.mark.parametrize(
    ("one", "small"),
    [
        (SCALED, True),
        (with_changes(change(fields=(FieldChange(path="spec.minReplicas", before=1, after=3),))), True),
        (with_changes(units=(unit(specs=(SUSPEND,)),)), True),
        (with_changes(), False),
        (with_changes(change()), False),
        (with_changes(change(fields=(SCALE, FieldChange(path="spec.template.x", before=1, after=2)))), False),
        (with_changes(change(fields=(FieldChange(path="spec.replicasX", before=1, after=2),))), False),
        (with_changes(change(fields=(SCALE,)), change(fields=(SCALE,), operation=Operation.CREATE)), False),
        (with_changes(change(fields=(SCALE,), operation=Operation.DELETE)), False),
        (with_changes(change(fields=(SCALE,)), units=(unit("cluster/c"),)), False),
        (with_changes(change(fields=(SCALE,)), units=(unit(added=True),)), False),
        (with_changes(change(fields=(SCALE,)), units=(unit(removed=True),)), False),
        (with_changes(change(fields=(SCALE,)), units=(unit(specs=(FieldChange(path="spec.images.x"),)),)), False),
        (with_changes(change(fields=(SCALE,)), static=True), False),
    ],
)
def test_g23_an_emergency_scales_or_suspends_and_nothing_else(one: Any, *, small: bool) -> None:
    assert (small_enough(one) is None) is small


def test_g23_a_failed_check_blocks_an_emergency_too() -> None:
    assert isinstance(glass(plan=SCALED.model_copy(update={"checks": (FAILED,)})), Denial)


@pytest.mark.parametrize(
    ("given", "looked"),
    [
        ({}, False),
        ({"reviews": (review("bob"),)}, False),
        ({"reviews": (review("carol"),)}, True),
        ({"reviews": (review("stranger"),)}, False),
        ({"decisions": (signed("carol"),)}, True),
        ({"decisions": (signed("root"),)}, True),
        ({"decisions": (signed("root", decision(digest=OLD)),)}, False),
        ({"decisions": (signed("root", decision(Verb.EMERGENCY, reason="x")),)}, False),
    ],
)
def test_g23_until_a_second_person_or_a_root_signer_looked_the_emergency_is_open(
    given: dict[str, Any], *, looked: bool
) -> None:
    asked = question(plan=SCALED, **given)
    assert looked_at_by_another(asked, OpenEmergency("dep-appr-7", "bob"), BREAKERS, NOW) is looked
