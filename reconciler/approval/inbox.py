"""The approval inbox: which tickets a person sees, in which order (governance.md, C-13, C-14).

Knows tickets, a person and the policy in force. Rule: a scope that a person may not read does not exist for them, in
lists, counts and searches alike; a ticket with no readable scope does not exist either.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.approval.roles import Permission, Scope, covers
from reconciler.approval.tickets import ScopeType, Ticket, TicketStatus, overdue
from reconciler.plan.change import Risk

EXPIRING = timedelta(minutes=15)
LONGEST_PAGE = 500


class View(StrEnum):
    """Whose tickets."""

    MINE = "mine"
    PENDING = "pending"
    ALL = "all"


class Due(StrEnum):
    """Until when an answer is wanted; what is overdue is due, too."""

    IN_15_MINUTES = "15m"
    IN_AN_HOUR = "1h"
    TODAY = "today"  # until midnight, UTC


class SortBy(StrEnum):
    """The orders of the inbox."""

    PRIORITY = "priority"
    EXPIRES_AT = "expires_at"
    SLA_DUE_AT = "sla_due_at"
    CREATED_AT = "created_at"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, under the policy in force."""

    person: Person
    policy: Policy

    def may(self, permission: Permission, scope: Scope) -> bool:
        """Whether the viewer has a permission on a scope."""
        return permission in self.policy.permissions(self.person, scope)

    def belongs_to(self, scope: Scope) -> bool:
        """Whether a binding of theirs names this project or team."""
        bindings = (binding.scope for binding in self.policy.bindings_of(self.person))
        return any(binding.project is not None and covers(binding, scope) for binding in bindings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked of the inbox. Empty filters let everything through; `page` counts from 1."""

    view: View = View.MINE
    statuses: frozenset[TicketStatus] = frozenset()
    scope_types: frozenset[ScopeType] = frozenset()
    project: str = ""
    team: str = ""
    environment: str = ""
    runtime_type: str = ""
    risk_level: Risk | None = None
    priority: str = ""
    assigned_to: str = ""
    requested_by: str = ""
    due: Due | None = None
    text: str = ""
    sort: SortBy | None = None
    descending: bool = False
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of what the viewer may see."""

    pending: int
    overdue: int
    expiring: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer. `total` counts all pages."""

    tickets: tuple[Ticket, ...]
    total: int
    page: int
    stats: Stats


def seen_by(viewer: Viewer, ticket: Ticket) -> Ticket | None:
    """The ticket with the scopes that the viewer may read; None where it does not exist for them."""
    scopes = tuple(scope for scope in ticket.facts.scopes if viewer.may(Permission.RELEASE_READ, scope.scope))
    return replace(ticket, facts=replace(ticket.facts, scopes=scopes)) if scopes else None


def inbox(tickets: Iterable[Ticket], viewer: Viewer, ask: Ask, now: datetime) -> Page:
    """The answer to one question of one viewer."""
    visible = [seen for ticket in tickets if (seen := seen_by(viewer, ticket)) is not None]
    wanted = [ticket for ticket in visible if VIEWS[ask.view](viewer, ticket) and _passes(ticket, ask, now)]
    ordered = _ordered(wanted, ask)
    size = min(max(ask.page_size, 1), LONGEST_PAGE)
    page = max(ask.page, 1)
    shown = ordered[(page - 1) * size : page * size]
    return Page(tuple(shown), len(ordered), page, _stats(visible, now))


def _mine(viewer: Viewer, ticket: Ticket) -> bool:
    if viewer.person.name in {ticket.assigned_to, ticket.facts.requested_by}:
        return True
    scopes = [scope.scope for scope in ticket.facts.scopes]
    return ticket.pending and any(
        viewer.may(Permission.SERVICE_APPROVE, scope) or viewer.belongs_to(scope) for scope in scopes
    )


VIEWS: Mapping[View, Callable[[Viewer, Ticket], bool]] = MappingProxyType(
    {View.MINE: _mine, View.PENDING: lambda _, ticket: ticket.pending, View.ALL: lambda _viewer, _ticket: True}
)


def _passes(ticket: Ticket, ask: Ask, now: datetime) -> bool:
    exact = (
        (ask.runtime_type, ticket.runtime_type),
        (ask.priority, ticket.priority),
        (ask.assigned_to, ticket.assigned_to),
        (ask.requested_by, ticket.facts.requested_by),
        (ask.risk_level, ticket.risk_level),
    )
    return (
        all(not wanted or wanted == actual for wanted, actual in exact)
        and (not ask.statuses or ticket.status in ask.statuses)
        and _has_scope(ticket, ask)
        and (ask.due is None or _due(ticket, ask.due, now))
        and ask.text.casefold() in f"{ticket.ticket}\n{ticket.facts.summary}".casefold()
    )


def _has_scope(ticket: Ticket, ask: Ask) -> bool:
    """One and the same scope has to match all that is asked of scopes."""
    return any(
        (not ask.scope_types or one.scope_type in ask.scope_types)
        and ask.project in {"", one.scope.project}
        and ask.team in {"", one.scope.team}
        and ask.environment in {"", one.scope.environment}
        for one in ticket.facts.scopes
    )


def _due(ticket: Ticket, due: Due, now: datetime) -> bool:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    until = {
        Due.IN_15_MINUTES: now + timedelta(minutes=15),
        Due.IN_AN_HOUR: now + timedelta(hours=1),
        Due.TODAY: midnight,
    }[due]
    return ticket.pending and ticket.sla_due_at <= until


def _expiry(ticket: Ticket) -> tuple[bool, datetime]:
    return (ticket.expires_at is None, ticket.expires_at or ticket.created_at)


ORDERS: Mapping[SortBy, Callable[[Ticket], tuple[object, ...]]] = MappingProxyType(
    {
        SortBy.PRIORITY: lambda ticket: (ticket.priority,),
        SortBy.EXPIRES_AT: _expiry,
        SortBy.SLA_DUE_AT: lambda ticket: (ticket.sla_due_at,),
        SortBy.CREATED_AT: lambda ticket: (ticket.created_at,),
    }
)


def _ordered(tickets: Sequence[Ticket], ask: Ask) -> list[Ticket]:
    """What is to be looked at first, pending, p0 before p3, earliest expiry, oldest; what is asked for goes before all
    of it."""
    default = sorted(
        tickets,
        key=lambda one: (not one.first, not one.pending, one.priority, *_expiry(one), one.created_at, one.ticket),
    )
    if ask.sort is None:
        return default
    return sorted(default, key=ORDERS[ask.sort], reverse=ask.descending)


def _stats(tickets: Sequence[Ticket], now: datetime) -> Stats:
    pending = [ticket for ticket in tickets if ticket.pending]
    ends = [ticket.expires_at for ticket in pending if ticket.expires_at is not None]
    return Stats(
        pending=len(pending),
        overdue=sum(overdue(ticket, now) for ticket in pending),
        expiring=sum(now < end <= now + EXPIRING for end in ends),
    )
