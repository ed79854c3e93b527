"""What a plan is called on a ticket: its scopes with their contract names (governance.md).

Knows units and what changed about them. Rule: each unit is one scope; the name says what a person would call it.
"""

from collections.abc import Iterable

from reconciler.approval.question import Question
from reconciler.approval.roles import EVERYWHERE, Scope
from reconciler.approval.tickets import ScopeType, TicketScope
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import ActionKind, Plan, UnitPlan

_INSTALLING = frozenset({ActionKind.DELIVER_BUNDLE, ActionKind.RUN_HOOK, ActionKind.RECORD_INSTALL})


def scope_type(plan: Plan, unit: UnitPlan, runtime: str) -> ScopeType:
    """What a ticket calls this unit's part of a plan."""
    match UnitRef.parse(unit.unit).kind:
        case UnitKind.RELEASE:
            return ScopeType.RELEASE
        case UnitKind.POLICY:
            return ScopeType.POLICY
        case UnitKind.CLUSTER:
            return _cluster(unit)
        case UnitKind.ENVIRONMENT:
            actions = (action for batch in plan.batches for action in batch if action.unit == unit.unit)
            if unit.added or any(action.kind in _INSTALLING for action in actions):
                return ScopeType.INSTALL
            return ScopeType.COMPOSE_APPLY if runtime == "compose" else ScopeType.K8S_APPLY


def _cluster(unit: UnitPlan) -> ScopeType:
    if unit.added:
        return ScopeType.CLUSTER_IMPORT
    paths = [change.path.removeprefix("spec.") for change in unit.specs]
    if any(path.startswith("networkEntry") for path in paths):
        return ScopeType.NETWORK_ENTRY
    if any(path.startswith("certificates") for path in paths):
        return ScopeType.CERT_ROTATION
    return ScopeType.K8S_APPLY


def ticket_scopes(questions: Iterable[Question]) -> tuple[TicketScope, ...]:
    """The scopes of a ticket: every unit of every plan, where its own environment stands."""
    return tuple(
        TicketScope(
            scope_type(question.plan, unit, runtime),
            UnitRef.parse(unit.unit).name,
            EVERYWHERE
            if question.plan.policy_only
            else Scope(question.plan.project, question.plan.team, question.plan.environment),
            {"hybrid": "mixed"}.get(runtime, runtime),
            question.plan.risk,
        )
        for question in questions
        for runtime in [_runtime(question)]
        for unit in question.plan.units
    )


def _runtime(question: Question) -> str:
    found = tuple(question.runtimes)
    return str(found[0]) if len(found) == 1 else "mixed" if found else ""
