"""G16, G3, G14: scopes, roles and bindings: where somebody may propose and approve."""

from typing import Any

import pytest

from reconciler.approval.roles import Scope
from reconciler.specs.kinds import Permission, Role
from tests.approval.builders import (
    BINDINGS,
    always,
    ask,
    bind,
    commit,
    merged,
    minutes,
    plan,
    review,
    side,
    unit,
)

STAGING = Scope("proj-beta", "team-beta", "shared")
BETA = [
    *BINDINGS,
    bind("approver", "dave", "stranger", project="proj-beta"),
    bind("operator", "alice", project="proj-beta"),
]


def test_g16_each_scope_needs_its_own_approvers() -> None:
    """G3: another environment on the same target asks its own people, too."""
    fields: dict[str, Any] = {"sides": (side(), side(scope=STAGING, tier="dev"))}
    policies = always(bindings=BETA)
    one = ask(policies, reviews=(review(),), **fields)
    assert not one.approved
    assert [(open_one.scope, open_one.may_approve) for open_one in one.open_scopes] == [
        (STAGING, ("admin", "dave", "stranger"))
    ]
    assert not ask(policies, reviews=(review("stranger"),), **fields).approved
    assert ask(policies, reviews=(review(), review("stranger")), **fields).approved
    assert ask(policies, reviews=(review("dave"),), **fields).approved  # one person with both roles


def test_g15_who_merges_alone_in_one_scope_stands_for_nobody_in_another() -> None:
    """Unsigned commits of high risk need two approvers, but where the own merge may be the approval."""
    fields: dict[str, Any] = {
        "sides": (side(self_approval=True), side(scope=STAGING, tier="dev")),
        "commits": (commit(signing_key="", pusher=""),),
        "pull": merged(at=minutes(15), by="alice-login"),
    }
    policies = always(bindings=BETA, allow_self_approval=True)
    one = ask(policies, reviews=(review("stranger"),), **fields)
    assert not one.approved
    assert [(open_one.scope, open_one.missing) for open_one in one.open_scopes] == [(STAGING, 1)]
    assert (one.required, one.reasons[0]) == (2, f"1 of 2 approvals missing for {STAGING}")
    both = ask(policies, reviews=(review("stranger", at=minutes(9)), review("dave")), **fields)
    assert both.approved
    assert both.until == minutes(9 + 24 * 60)


def test_g12_the_ticket_ends_with_the_first_scope_that_loses_its_approval() -> None:
    fields: dict[str, Any] = {"sides": (side(), side(scope=STAGING, tier="dev"))}
    reviews = (review(at=minutes(12)), review("stranger", at=minutes(5)))
    judgement = ask(always(bindings=BETA), reviews=reviews, **fields)
    assert judgement.until == minutes(5 + 24 * 60)


def test_g3_scopes_that_the_plan_names_count_without_a_side() -> None:
    shared = plan(scopes=(("proj-beta", "team-beta", "shared"),))
    assert not ask(always(bindings=BETA), plan=shared, reviews=(review(),)).approved
    assert ask(always(bindings=BETA), plan=shared, reviews=(review("dave"),)).approved


def test_g3_the_project_that_it_was_accepted_in_still_counts() -> None:
    before = side(scope=Scope("proj-beta", "team-beta", "prod"))
    judgement = ask(always(bindings=BETA), sides=(side(), before), reviews=(review(),))
    assert not judgement.approved


def test_g16_the_author_needs_apply_on_every_scope() -> None:
    fields: dict[str, Any] = {"sides": (side(), side(scope=STAGING))}
    without = [one for one in BETA if one.scope.project != "proj-beta" or one.role != "operator"]
    judgement = ask(always(bindings=without), reviews=(review("dave"),), **fields)
    assert judgement.key == "permission_denied"
    assert "proj-beta" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("one", "runtime", "permission"),
    [
        ("release/svc-a", "k8s", Permission.RELEASE_APPLY),
        ("cluster/prod", "k8s", Permission.K8S_APPLY),
        ("environment/prod", "k8s", Permission.K8S_APPLY),
        ("environment/prod", "compose", Permission.COMPOSE_APPLY),
    ],
)
def test_g16_what_the_author_needs_depends_on_the_unit(one: str, runtime: str, permission: Permission) -> None:
    def judged(allowed: frozenset[Permission]) -> bool:
        roles = {"special": Role(permissions=tuple(allowed))}
        policies = always(bindings=[*BINDINGS[1:], bind("special", "alice")], roles=roles)
        return ask(
            policies, plan=plan(units=(unit(one),)), sides=(side(runtime=runtime),), reviews=(review(),)
        ).approved

    assert judged(frozenset({permission}))
    assert not judged(frozenset(Permission) - {permission})


@pytest.mark.parametrize("runtime", ["hybrid", "quantum"])
def test_g16_an_install_of_both_or_unknown_runtimes_needs_both(runtime: str) -> None:
    roles = {"half": Role(permissions=(Permission.K8S_APPLY, Permission.RELEASE_APPLY))}
    policies = always(bindings=[*BINDINGS[1:], bind("half", "alice")], roles=roles)
    install = plan(units=(unit("environment/prod"),))
    assert not ask(policies, plan=install, sides=(side(runtime=runtime),), reviews=(review(),)).approved
    assert ask(plan=install, sides=(side(runtime=runtime),), reviews=(review(),)).approved


@pytest.mark.parametrize(
    ("allowed", "release", "cluster"),
    [
        ({Permission.SERVICE_APPROVE, Permission.RELEASE_APPROVE}, True, True),
        ({Permission.SERVICE_APPROVE}, False, True),
        ({Permission.RELEASE_APPROVE}, False, False),
    ],
)
def test_g14_a_custom_role_approves_what_its_permissions_cover(
    allowed: set[Permission], *, release: bool, cluster: bool
) -> None:
    roles = {"special": Role(permissions=tuple(allowed))}
    policies = always(bindings=[BINDINGS[0], bind("special", "bob")], roles=roles)
    assert ask(policies, reviews=(review(),)).approved is release
    assert ask(policies, plan=plan(units=(unit("cluster/prod"),)), reviews=(review(),)).approved is cluster


def test_g14_a_role_that_calls_itself_operator_gains_nothing() -> None:
    roles = {"operator": Role(permissions=tuple(Permission))}
    assert not ask(always(bindings=[BINDINGS[0]], roles=roles), reviews=(review(),)).approved


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ({}, True),
        ({"project": "proj-alpha"}, True),
        ({"project": "proj-alpha", "team": "team-app"}, True),
        ({"environment": "prod"}, True),
        ({"project": "proj-alpha", "environment": "prod"}, True),
        ({"project": "proj-beta"}, False),
        ({"project": "proj-alpha", "team": "team-other"}, False),
        ({"project": "proj-beta", "environment": "prod"}, False),
        ({"environment": "staging"}, False),
    ],
)
def test_g14_a_binding_covers_only_its_scope(scope: dict[str, str], *, covers: bool) -> None:
    policies = always(bindings=[BINDINGS[0], bind("approver", "bob", **scope)])
    assert ask(policies, reviews=(review(),)).approved is covers
