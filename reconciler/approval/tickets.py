"""Tickets: one per pull request or held commit, folded from the events of the approval domain (governance.md).

Knows the contract's fields and states. Rule: the audit is the only source; folding the same events again gives the
same tickets, an event that does not fit the state of its ticket changes nothing, and time alone never approves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from reconciler.approval.denial import Denial
from reconciler.approval.roles import Scope
from reconciler.approval.sla import sla_due_at
from reconciler.plan.change import PRIORITIES, RISKS, Risk
from reconciler.specs.kinds.settings import Sla

REQUIRED_ROLE = "service:approve"  # contracts: governance.md, Ticket


class TicketStatus(StrEnum):
    """Where a ticket stands (events.yaml)."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ScopeType(StrEnum):
    """What a scope of a ticket is about; `policy` is added to the contract's list."""

    RELEASE = "release"
    INSTALL = "install"
    CLUSTER_IMPORT = "cluster_import"
    CERT_ROTATION = "cert_rotation"
    NETWORK_ENTRY = "network_entry"
    COMPOSE_APPLY = "compose_apply"
    K8S_APPLY = "k8s_apply"
    POLICY = "policy"


class TicketAction(StrEnum):
    """What happens to a ticket. The last two come from other domains: a changed digest, a superseded proposal."""

    CREATED = "ticket_created"
    ASSIGNED = "ticket_assigned"
    VIEWED = "ticket_viewed"
    APPROVED = "ticket_approved"
    REJECTED = "ticket_rejected"
    EXPIRED = "ticket_expired"
    SCOPE_MISMATCH = "ticket_scope_mismatch"
    COMMENTED = "ticket_commented"
    ESCALATED = "ticket_escalated"
    PERMISSION_DENIED = "permission_denied"
    VOIDED = "voided"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class TicketScope:
    """One thing that the ticket asks for."""

    scope_type: ScopeType
    scope_id: str
    scope: Scope
    runtime_type: str
    risk: Risk


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What a ticket says, as it is created and as it is shown again after its digest changed."""

    scopes: tuple[TicketScope, ...]
    requested_by: str
    source: str
    summary: str
    detail: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One event about a ticket. `facts` only with CREATED; `person` is who it is assigned to, with ASSIGNED."""

    ticket: str
    action: TicketAction
    actor: str
    at: datetime
    comment: str = ""
    person: str = ""
    expires_at: datetime | None = None
    facts: TicketFacts | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as its events left it. `events` are its actions, oldest first."""

    ticket: str
    facts: TicketFacts
    status: TicketStatus
    created_at: datetime
    updated_at: datetime
    sla_due_at: datetime
    expires_at: datetime | None = None
    assigned_to: str = ""
    approved_at: datetime | None = None
    approved_by: str = ""
    rejected_at: datetime | None = None
    rejected_by: str = ""
    escalated_at: datetime | None = None
    events: tuple[TicketEvent, ...] = ()
    required_role: str = REQUIRED_ROLE
    first: bool = False  # whatever else waits, this is looked at before it

    @property
    def leading(self) -> TicketScope:
        """The riskiest scope, which stands for the ticket where one has to."""
        return max(self.facts.scopes, key=lambda scope: RISKS.index(scope.risk))

    @property
    def risk_level(self) -> Risk:
        """The strictest risk of its scopes."""
        return self.leading.risk

    @property
    def priority(self) -> str:
        """p0 to p3, from its risk."""
        return PRIORITIES[self.risk_level]

    @property
    def runtime_type(self) -> str:
        """k8s, compose, or mixed."""
        found = {scope.runtime_type for scope in self.facts.scopes if scope.runtime_type}
        return found.pop() if len(found) == 1 else "mixed"

    @property
    def pending(self) -> bool:
        """Whether it waits for people."""
        return self.status is TicketStatus.PENDING


def overdue(ticket: Ticket, now: datetime) -> bool:
    """Pending, and past the time by which it wanted an answer."""
    return ticket.pending and now > ticket.sla_due_at


def escalation_due(ticket: Ticket, now: datetime) -> bool:
    """Overdue, and nobody was told since it was asked."""
    return overdue(ticket, now) and ticket.escalated_at is None


def operable(ticket: Ticket | None) -> Denial | None:
    """Whether a ticket still takes decisions. A ticket that may not be seen is given as None: it does not exist."""
    if ticket is None:
        return Denial("approval_ticket_not_found", "there is no such ticket")
    if ticket.status is TicketStatus.EXPIRED:
        return Denial("approval_ticket_expired", f"{ticket.ticket} ended; ask for a new preview")
    if ticket.status in {TicketStatus.REJECTED, TicketStatus.CANCELLED}:
        return Denial("approval_ticket_not_approved", f"{ticket.ticket} is {ticket.status}")
    return None


def fold(events: Iterable[TicketEvent], sla: Sla) -> Mapping[str, Ticket]:
    """All tickets by name, from their events in the audit's order."""
    tickets: dict[str, Ticket] = {}
    for event in events:
        ticket = _after(tickets.get(event.ticket), event, sla)
        if ticket is not None:
            tickets[event.ticket] = ticket
    return MappingProxyType(tickets)


def _after(ticket: Ticket | None, event: TicketEvent, sla: Sla) -> Ticket | None:
    if event.action is TicketAction.CREATED:
        return _created(ticket, event, sla)
    if ticket is None:
        return None
    changed = TRANSITIONS[event.action](ticket, event)
    return replace(changed, updated_at=event.at, events=(*ticket.events, event)) if changed is not None else ticket


def _created(ticket: Ticket | None, event: TicketEvent, sla: Sla) -> Ticket | None:
    """A new ticket, or the same one asked again: its clocks begin again, who it is assigned to stays."""
    if event.facts is None or not event.facts.scopes:
        return ticket
    fresh = Ticket(
        event.ticket,
        event.facts,
        TicketStatus.PENDING,
        created_at=ticket.created_at if ticket else event.at,
        updated_at=event.at,
        sla_due_at=event.at,
        expires_at=event.expires_at,
        assigned_to=ticket.assigned_to if ticket else "",
        events=(*(ticket.events if ticket else ()), event),
    )
    return replace(fresh, sla_due_at=sla_due_at(event.at, fresh.risk_level, sla))


Transition = Callable[[Ticket, TicketEvent], Ticket | None]
OPEN = frozenset({TicketStatus.PENDING, TicketStatus.APPROVED})


def _assigned(ticket: Ticket, event: TicketEvent) -> Ticket | None:
    return replace(ticket, assigned_to=event.person) if ticket.status in OPEN else None


def _approved(ticket: Ticket, event: TicketEvent) -> Ticket | None:
    if not ticket.pending:
        return None
    ends = event.expires_at or ticket.expires_at
    return replace(ticket, status=TicketStatus.APPROVED, approved_at=event.at, approved_by=event.actor, expires_at=ends)


def _rejected(ticket: Ticket, event: TicketEvent) -> Ticket | None:
    if ticket.status not in OPEN:
        return None
    rejected = replace(ticket, status=TicketStatus.REJECTED, rejected_at=event.at, rejected_by=event.actor)
    return replace(rejected, approved_at=None, approved_by="")


def _expired(ticket: Ticket, _: TicketEvent) -> Ticket | None:
    return _over(ticket, TicketStatus.EXPIRED)


def _superseded(ticket: Ticket, _: TicketEvent) -> Ticket | None:
    return _over(ticket, TicketStatus.CANCELLED)


def _over(ticket: Ticket, status: TicketStatus) -> Ticket | None:
    return replace(ticket, status=status) if ticket.status in OPEN else None


def _voided(ticket: Ticket, _: TicketEvent) -> Ticket | None:
    if ticket.status is TicketStatus.CANCELLED:
        return None
    fresh = replace(ticket, status=TicketStatus.PENDING, approved_at=None, approved_by="")
    return replace(fresh, rejected_at=None, rejected_by="")


def _noted(ticket: Ticket, _: TicketEvent) -> Ticket | None:
    return ticket


def _escalated(ticket: Ticket, event: TicketEvent) -> Ticket | None:
    return replace(ticket, escalated_at=event.at)


TRANSITIONS: Mapping[TicketAction, Transition] = MappingProxyType(
    {
        TicketAction.ASSIGNED: _assigned,
        TicketAction.VIEWED: _noted,
        TicketAction.APPROVED: _approved,
        TicketAction.REJECTED: _rejected,
        TicketAction.EXPIRED: _expired,
        TicketAction.SCOPE_MISMATCH: _noted,
        TicketAction.COMMENTED: _noted,
        TicketAction.ESCALATED: _escalated,
        TicketAction.PERMISSION_DENIED: _noted,
        TicketAction.VOIDED: _voided,
        TicketAction.SUPERSEDED: _superseded,
    }
)
