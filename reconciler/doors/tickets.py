"""Approval tickets out of audit events: what the inbox, the pages and the command line list (contracts: governance.md).

The events are the only source, so every door shows the same tickets. Knows the detail that previews.py and gate.py
write.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.approval.roles import Scope
from reconciler.approval.tickets import ScopeType, Ticket, TicketAction, TicketEvent, TicketFacts, TicketScope, fold
from reconciler.doors.traffic import Stopped
from reconciler.machine.drifting import Drifts
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
DRIFT = "drift-"  # begins the name of what stands for a release's drift
STOPPED = "stopped-"  # and for a release whose traffic a way back stopped
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


def drifting(events: Iterable[Event], drifts: Drifts, sla: Sla | None = None) -> tuple[Ticket, ...]:
    """What stands beside the tickets until it is gone: one for each release that drifts. Nothing approves these."""
    last: dict[str, Event] = {}
    for event in events:
        raw = event.detail.get("entry")
        if isinstance(raw, dict) and raw.get("type") == "drifted":
            last[raw["unit"]] = event
    found = []
    for unit, event in sorted(last.items()):
        standing = drifts.standing(unit)
        if standing is not None:
            found.append(_drift(unit, event, standing.drifted.digest))
    return tuple(replace(ticket, required_role="") for ticket in fold(found, sla or Sla()).values())


def without_traffic(found: Iterable[Stopped], sla: Sla | None = None) -> tuple[Ticket, ...]:
    """What is looked at before all else: one for each release whose traffic is stopped. Nothing approves these."""
    told = (_standing(STOPPED, one.unit, one.event, Risk.CRITICAL, one.words, at=one.since) for one in found)
    return tuple(replace(ticket, required_role="", first=True) for ticket in fold(told, sla or Sla()).values())


def _drift(unit: str, event: Event, digest: str) -> TicketEvent:
    words = f"drift: {event.detail.get('summary', '')}"
    return _standing(DRIFT, unit, event, Risk(event.severity.value), words, digest, at=event.occurred_at)


def _standing(
    prefix: str, unit: str, event: Event, risk: Risk, words: str, digest: str = "", *, at: datetime
) -> TicketEvent:
    name = UnitRef.parse(unit).name
    scope = Scope(event.project_id or "", event.team_id or "", event.environment_id or "")
    one = TicketScope(ScopeType.RELEASE, name, scope, "k8s", risk)
    facts = TicketFacts((one,), event.actor_id, event.source.value, words, digest=digest)
    return TicketEvent(f"{prefix}{name}", TicketAction.CREATED, event.actor_id, at, facts=facts)


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
