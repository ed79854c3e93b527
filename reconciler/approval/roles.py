"""Scopes and roles: what a binding covers, and which permissions an act needs.

Knows the permission names of governance.md and the units of a plan; knows nobody by name. Rule: a binding covers a
scope only where every field it names matches, so only unscoped bindings cover the scope of the policy (EVERYWHERE).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.names import UnitKind
from reconciler.plan.change import Plan
from reconciler.specs.kinds import BUILT_IN_ROLES, Permission, Role
from reconciler.specs.kinds.environment import RuntimeType
from reconciler.specs.kinds.role_binding import BindingScope

__all__ = ["ADMIN", "APPROVING", "BUILT_IN_ROLES", "EVERYWHERE", "Permission", "Scope", "needed_to_apply"]


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Project, team and environment of a unit. An empty field is matched only by a binding that does not name it."""

    project: str
    team: str
    environment: str

    def __str__(self) -> str:
        if self == EVERYWHERE:
            return "the whole repository"
        return f"{self.environment} (project {self.project or '-'}, team {self.team or '-'})"


EVERYWHERE = Scope("", "", "")  # where policy plans stand

ADMIN = frozenset(Permission)
APPROVING = frozenset({Permission.RELEASE_APPROVE, Permission.SERVICE_APPROVE, Permission.EMERGENCY})  # never a bot's

_BY_RUNTIME: Mapping[str, frozenset[Permission]] = MappingProxyType(
    {
        RuntimeType.K8S: frozenset({Permission.K8S_APPLY}),
        RuntimeType.COMPOSE: frozenset({Permission.COMPOSE_APPLY}),
    }
)
_BOTH_RUNTIMES = frozenset({Permission.K8S_APPLY, Permission.COMPOSE_APPLY})
_BY_UNIT: Mapping[UnitKind, frozenset[Permission]] = MappingProxyType(
    {
        UnitKind.RELEASE: frozenset({Permission.RELEASE_APPLY}),
        UnitKind.CLUSTER: frozenset({Permission.K8S_APPLY}),
        UnitKind.POLICY: frozenset({Permission.RELEASE_APPLY}),
    }
)


def covers(binding: BindingScope, scope: Scope) -> bool:
    """Whether every field that the binding names matches the scope."""
    pairs = (
        (binding.project, scope.project),
        (binding.team, scope.team),
        (binding.environment, scope.environment),
    )
    return all(wanted is None or wanted == actual for wanted, actual in pairs)


def role_permissions(custom: Mapping[str, Role]) -> Mapping[str, frozenset[Permission]]:
    """Permissions by role name. A Role that calls itself operator, approver or admin redefines nothing."""
    written = {name: frozenset(role.permissions) for name, role in custom.items()}
    return MappingProxyType({**written, **BUILT_IN_ROLES})


def needed_to_apply(plan: Plan, runtimes: frozenset[str]) -> frozenset[Permission]:
    """What the author of a plan, and whoever retries or holds it, needs on each scope (G16, G22, G23).

    `runtimes`: the runtime types of the environment on every side; one that is unknown or hybrid needs both.
    """
    install = frozenset().union(*(_BY_RUNTIME.get(name, _BOTH_RUNTIMES) for name in runtimes)) or _BOTH_RUNTIMES
    kinds = {ref.kind for ref in plan.unit_refs}
    needed = (install if kind is UnitKind.ENVIRONMENT else _BY_UNIT[kind] for kind in kinds)
    return frozenset().union(*needed) or _BY_UNIT[UnitKind.RELEASE]


def needed_to_approve(plan: Plan) -> frozenset[Permission]:
    """What an approver needs on a scope: the ticket's role, for releases theirs too, for the policy everything (G2)."""
    kinds = {ref.kind for ref in plan.unit_refs}
    if plan.policy_only or UnitKind.POLICY in kinds:
        return ADMIN
    if UnitKind.RELEASE in kinds:
        return frozenset({Permission.SERVICE_APPROVE, Permission.RELEASE_APPROVE})
    return frozenset({Permission.SERVICE_APPROVE})
