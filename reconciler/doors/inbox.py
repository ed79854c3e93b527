"""The approval inbox for doors: one person's tickets under the policy in force, as plain values.

The rule of C-13 holds here as everywhere: a scope that a person may not read does not exist for them. A root signer,
whom reconciler.toml names, reads everything: before the first policy there is nobody else.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.approval.inbox import Ask, Due, SortBy, View, Viewer, inbox
from reconciler.approval.persons import Person
from reconciler.approval.policy import Policy
from reconciler.approval.roles import Permission, Scope
from reconciler.approval.tickets import ScopeType, Ticket, TicketStatus, overdue
from reconciler.doors.reading import Json, Reading
from reconciler.doors.tickets import DRIFT, STOPPED, drifting, tickets_of, without_traffic
from reconciler.names import SHORT
from reconciler.plan.change import Risk


@dataclass(frozen=True, slots=True)
class RootViewer(Viewer):
    """A root signer."""

    def may(self, permission: Permission, scope: Scope) -> bool:  # noqa: ARG002  everything, everywhere
        """Everything."""
        return True

    def belongs_to(self, scope: Scope) -> bool:  # noqa: ARG002  everything, everywhere
        """Everywhere."""
        return True


def viewer(reading: Reading, login: str, key: Path | None) -> Viewer:
    """Who asks. Raises Refused where the policy in force knows nobody of this login."""
    policy: Policy = reading.policy()
    if reading.is_root(key) and (not login or policy.persons.by_login(login) is None):
        return RootViewer(Person("root"), policy)
    return Viewer(reading.person(login), policy)


def ask(filters: Json) -> Ask:
    """A question out of what was typed; empty filters let everything through."""
    return Ask(
        view=View(filters["view"]),
        statuses=frozenset(map(TicketStatus, filters["status"])),
        scope_types=frozenset(map(ScopeType, filters["scope_type"])),
        project=filters["project"],
        team=filters["team"],
        environment=filters["environment"],
        runtime_type=filters["runtime_type"],
        risk_level=Risk(filters["risk"]) if filters["risk"] else None,
        priority=filters["priority"],
        assigned_to=filters["assigned_to"],
        requested_by=filters["requested_by"],
        due=Due(filters["due"]) if filters["due"] else None,
        text=filters["text"],
        sort=SortBy(filters["sort"]) if filters["sort"] else None,
        descending=filters["descending"],
        page=filters["page"],
        page_size=filters["page_size"],
    )


def page(reading: Reading, who: Viewer, question: Ask) -> Json:
    """One page of the inbox with its counts."""
    now = reading.clock.now()
    sla = who.policy.settings.sla
    first = without_traffic(reading.stopped().values(), sla)
    listed = (*first, *tickets_of(reading.events, sla), *drifting(reading.events, reading.ledger.drifts, sla))
    found = inbox(listed, who, question, now)
    return {
        "tickets": [ticket_json(reading, one, now) for one in found.tickets],
        "total": found.total,
        "page": found.page,
        "stats": {
            "pending": found.stats.pending,
            "overdue": found.stats.overdue,
            "expiring": found.stats.expiring,
        },
    }


def ticket_json(reading: Reading, ticket: Ticket, now: datetime) -> Json:
    """A ticket by the fields of governance.md, with its REF and its actions."""
    leading = ticket.leading
    digest = ticket.facts.digest
    stands = ticket.ticket.startswith((DRIFT, STOPPED))
    preview = reading.ledger.previews.get(ticket.ticket)
    return {
        "ticket": ticket.ticket,
        "ref": ticket.ticket if stands else f"{ticket.ticket}@{digest[:SHORT]}",
        "digest": digest,
        "pull_request": preview.previewed.pull_request if preview is not None else None,
        "held": ticket.ticket in reading.ledger.waiting,
        "status": ticket.status.value,
        "scope_type": leading.scope_type.value,
        "scope_id": leading.scope_id,
        "project": leading.scope.project,
        "team": leading.scope.team,
        "environment": leading.scope.environment,
        "scopes": [
            {
                "scope_type": one.scope_type.value,
                "scope_id": one.scope_id,
                "project": one.scope.project,
                "team": one.scope.team,
                "environment": one.scope.environment,
                "runtime_type": one.runtime_type,
                "risk_level": one.risk.value,
            }
            for one in ticket.facts.scopes
        ],
        "runtime_type": ticket.runtime_type,
        "risk_level": ticket.risk_level.value,
        "priority": ticket.priority,
        "required_role": ticket.required_role,
        "requested_by": ticket.facts.requested_by,
        "assigned_to": ticket.assigned_to,
        "source": ticket.facts.source,
        "summary": ticket.facts.summary,
        "next": f"reconciler explain-drift {leading.scope_id}" if stands else "",
        "sla_due_at": _time(ticket.sla_due_at),
        "overdue": overdue(ticket, now),
        "expires_at": _time(ticket.expires_at),
        "approved_at": _time(ticket.approved_at),
        "approved_by": ticket.approved_by,
        "rejected_at": _time(ticket.rejected_at),
        "rejected_by": ticket.rejected_by,
        "created_at": _time(ticket.created_at),
        "updated_at": _time(ticket.updated_at),
        "actions": [
            {"action": one.action.value, "actor": one.actor, "at": _time(one.at), "comment": one.comment}
            for one in ticket.events
        ],
    }


def _time(moment: datetime | None) -> Any:
    return moment.isoformat() if moment is not None else None
