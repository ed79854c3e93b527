"""Which permissions an act needs (G2, G16), what a scope is, and what a bot never has."""

import pytest

from reconciler.approval.persons import Person
from reconciler.approval.roles import ADMIN, EVERYWHERE, Permission, Scope, covers, needed_to_apply, needed_to_approve
from reconciler.names import POLICY
from reconciler.specs.kinds.role_binding import BindingScope
from tests.approval.builders import ALPHA, BINDINGS, bind, plan, policy, unit

K8S, COMPOSE, RELEASE = Permission.K8S_APPLY, Permission.COMPOSE_APPLY, Permission.RELEASE_APPLY
ENVIRONMENT = "environment/prod"


@pytest.mark.parametrize(
    ("units", "runtimes", "needed"),
    [
        ([ENVIRONMENT], ["k8s"], {K8S}),
        ([ENVIRONMENT], ["compose"], {COMPOSE}),
        ([ENVIRONMENT], ["k8s", "compose"], {K8S, COMPOSE}),
        ([ENVIRONMENT], ["hybrid"], {K8S, COMPOSE}),
        ([ENVIRONMENT], ["k8s", "hybrid"], {K8S, COMPOSE}),
        ([ENVIRONMENT], [], {K8S, COMPOSE}),
        (["cluster/one"], ["compose"], {K8S}),
        (["release/svc-a"], ["k8s"], {RELEASE}),
        (["policy/policy"], [], {RELEASE}),
        (["release/svc-a", ENVIRONMENT], ["compose"], {RELEASE, COMPOSE}),
        ([], ["k8s"], {RELEASE}),
    ],
)
def test_g16_proposing_needs_the_right_to_apply_each_unit(
    units: list[str], runtimes: list[str], needed: set[Permission]
) -> None:
    assert needed_to_apply(plan(units=tuple(unit(name) for name in units)), frozenset(runtimes)) == needed


@pytest.mark.parametrize(
    ("name", "policy_only", "needed"),
    [
        ("policy/policy", True, ADMIN),
        ("policy/policy", False, ADMIN),
        ("release/svc-a", True, ADMIN),
        ("release/svc-a", False, {Permission.SERVICE_APPROVE, Permission.RELEASE_APPROVE}),
        (ENVIRONMENT, False, {Permission.SERVICE_APPROVE}),
        ("cluster/one", False, {Permission.SERVICE_APPROVE}),
    ],
)
def test_g2_approving_whatever_looks_like_policy_needs_everything(
    name: str, needed: set[Permission], *, policy_only: bool
) -> None:
    made = plan(units=(unit(name),), policy_only=policy_only, environment=POLICY if policy_only else "prod")
    assert needed_to_approve(made) == needed


def test_g2_the_scope_of_the_policy_has_no_names_so_that_only_unscoped_bindings_cover_it() -> None:
    assert Scope("", "", "") == EVERYWHERE
    assert str(EVERYWHERE) == "the whole repository"
    assert str(ALPHA) == "prod (project proj-alpha, team team-app)"
    scoped = [BindingScope(project="p"), BindingScope(project="p", team="t"), BindingScope(environment="e")]
    assert [covers(binding, EVERYWHERE) for binding in (BindingScope(), *scoped)] == [True, False, False, False]


@pytest.mark.parametrize("person", [Person("robot", bot=True), Person("robot"), Person("oracle", bot=True, ai=True)])
def test_g14_a_bot_has_no_right_to_approve_whoever_says_that_it_is_one(person: Person) -> None:
    """`bot` may stand in the policy in force or, where an earlier one is asked, with the person only."""
    bound = policy(bindings=[*BINDINGS, bind("admin", "robot", "oracle")])
    allowed = ADMIN - {Permission.RELEASE_APPROVE, Permission.SERVICE_APPROVE, Permission.EMERGENCY}
    assert bound.permissions(person, ALPHA) == allowed
