"""Approval tickets out of audit events: what the inbox, the pages and the command line list (contracts: governance.md).

The events are the only source, so every door shows the same tickets. Knows the detail that previews.py and gate.py
write.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.approval.roles import Scope
from reconciler.approval.tickets import ScopeType, Ticket, TicketAction, TicketEvent, TicketFacts, TicketScope, fold
from reconciler.machine.entry import ENTRY, Ended, Over, Previewed
from reconciler.names import POLICY, UnitKind, UnitRef
from reconciler.plan.change import Risk
from reconciler.specs.kinds.settings import Sla
from reconciler.state.event import Domain, Event

SCOPE_TYPES: Mapping[UnitKind, ScopeType] = {
    UnitKind.RELEASE: ScopeType.RELEASE,
    UnitKind.ENVIRONMENT: ScopeType.INSTALL,
    UnitKind.CLUSTER: ScopeType.CLUSTER_IMPORT,
    UnitKind.POLICY: ScopeType.POLICY,
}
KNOWN = frozenset(action.value for action in TicketAction)


def tickets_of(events: Iterable[Event], sla: Sla | None = None) -> tuple[Ticket, ...]:
    """Every ticket, in the order in which they were created."""
    return tuple(fold(_told(events), sla or Sla()).values())


def _told(events: Iterable[Event]) -> Iterator[TicketEvent]:
    """One ticket event for each event about a ticket; a preview is what creates one or voids its approvals."""
    created: set[str] = set()
    for event in events:
        raw = event.detail.get("entry")
        entry = ENTRY.validate_python(raw) if isinstance(raw, dict) else None
        if isinstance(entry, Previewed):
            action = TicketAction.VOIDED if entry.ticket in created else TicketAction.CREATED
            if action is TicketAction.VOIDED:
                yield TicketEvent(entry.ticket, action, event.actor_id, event.occurred_at)
            created.add(entry.ticket)
            yield _created(event, entry)
        elif isinstance(entry, Ended):
            over = TicketAction.EXPIRED if entry.how in {"expired", "rejected"} else TicketAction.SUPERSEDED
            yield TicketEvent(entry.ticket, over, event.actor_id, event.occurred_at, comment=entry.how)
        elif isinstance(entry, Over):
            yield TicketEvent(
                entry.ticket, TicketAction.COMMENTED, event.actor_id, event.occurred_at, comment=entry.why
            )
        elif event.domain is Domain.APPROVAL and event.action in KNOWN and event.action != "ticket_created":
            yield TicketEvent(
                str(event.detail.get("ticket") or event.resource_id),
                TicketAction(event.action),
                event.actor_id,
                event.occurred_at,
                comment=str(event.detail.get("comment", "")),
                person=str(event.detail.get("assigned_to", "")),
                expires_at=_time(event.detail.get("expires_at")),
            )


def _created(event: Event, entry: Previewed) -> TicketEvent:
    scopes = tuple(
        TicketScope(
            SCOPE_TYPES[ref.kind],
            ref.name,
            Scope(plan.project, plan.team, plan.environment if plan.environment != POLICY else ""),
            "" if ref.kind is UnitKind.POLICY else "k8s",
            Risk(plan.risk),
        )
        for plan in entry.plans
        for ref in map(UnitRef.parse, plan.units)
    )
    words = ", ".join(f"{plan.environment} ({len(plan.units)} units, {plan.risk.value})" for plan in entry.plans)
    facts = TicketFacts(scopes, entry.requested_by, event.source.value, words, digest=entry.digest)
    return TicketEvent(entry.ticket, TicketAction.CREATED, entry.requested_by, event.occurred_at, facts=facts)


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
