"""Events as a timeline: the same rows for the same question, whichever door asks (contracts: acceptance.md, C-05).

Knows events only, in any order; orders them by id, which is by time. A release's timeline holds its own events and what
happened to the previews and tickets that it went through; that is why the filter needs all events and not one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.names import EventId, ticket_name
from reconciler.report.neutral import name, plain
from reconciler.report.record import action_word, detail_text, release_of, ticket_of
from reconciler.state.event import Domain, Event, EventStatus, Source

COLUMNS = ("time", "action", "actor", "source", "ticket", "where", "text")
TEXT_CAP = 300
_ANOTHER_WAY = frozenset({"returning", "retry"})  # records that begin the same rollout, or its way back, anew
_OF_A_TICKET = frozenset({Domain.APPROVAL, Domain.PREVIEW})


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a person reads it. Every text is raw; `cells` makes it harmless."""

    event_id: EventId
    at: datetime
    domain: Domain
    action: str
    subject: str
    actor: str
    source: Source
    status: EventStatus
    ticket: str
    release: str
    environment: str
    text: str

    def cells(self) -> tuple[str, ...]:
        """Plain text by COLUMNS, for a table or a line; nothing in it acts on a terminal."""
        where = " ".join(text for text in (self.environment, self.subject) if text)
        return (
            f"{self.at:%Y-%m-%d %H:%M:%SZ}",
            name(self.action),
            name(self.actor),
            name(self.source),
            name(self.ticket),
            name(where),
            plain(self.text, cap=TEXT_CAP),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON fields for machines; nothing is cut or escaped."""
        return {
            "event_id": self.event_id,
            "time": self.at.isoformat().replace("+00:00", "Z"),
            "domain": self.domain.value,
            "action": self.action,
            "subject": self.subject,
            "actor": self.actor,
            "source": self.source.value,
            "status": self.status.value,
            "ticket": self.ticket,
            "release": self.release,
            "environment": self.environment,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows are wanted; all that are given have to hold. `ticket` is a name, or a pull request's number."""

    release: str = ""
    environment: str = ""
    ticket: str | int = ""


def timeline(events: Iterable[Event], question: Question = Question()) -> tuple[Row, ...]:
    """The rows that answer a question, oldest first; an event that is given twice stands once."""
    known: Mapping[EventId, Event] = {event.event_id: event for event in events}
    ordered = _each_step_once([known[identity] for identity in sorted(known)])
    ticket = ticket_name(question.ticket) if isinstance(question.ticket, int) else question.ticket
    if ticket:
        ordered = [event for event in ordered if ticket_of(event) == ticket]
    if question.environment:
        ordered = _of(ordered, [event for event in ordered if event.environment_id == question.environment])
    if question.release:
        ordered = _of(ordered, [event for event in ordered if release_of(event) == question.release])
    return tuple(_row(event) for event in ordered)


def _each_step_once(events: Sequence[Event]) -> list[Event]:
    """Of each step of a way back the last that is told of it: that it is done, or was begun and nothing more."""
    told: set[tuple[Any, ...]] = set()
    kept: list[Event] = []
    for event in reversed(events):
        entry = event.detail.get("entry")
        fields = entry if isinstance(entry, dict) else {}
        place = (fields.get("environment"), fields.get("generation"))
        step = (*place, fields.get("unit"), fields.get("number"))
        if fields.get("type") in _ANOTHER_WAY:
            told = {one for one in told if one[:2] != place}
        if fields.get("type") != "back_step" or step not in told:
            kept.append(event)
        if fields.get("type") == "back_step":
            told.add(step)
    return kept[::-1]


def _of(events: Sequence[Event], direct: Sequence[Event]) -> list[Event]:
    """The events that are meant, and those of the tickets and previews that they went through."""
    meant = {event.event_id for event in direct}
    tickets = {ticket_of(event) for event in direct} - {""}
    return [
        event
        for event in events
        if event.event_id in meant or (event.domain in _OF_A_TICKET and ticket_of(event) in tickets)
    ]


def _row(event: Event) -> Row:
    return Row(
        event_id=event.event_id,
        at=event.occurred_at,
        domain=event.domain,
        action=action_word(event),
        subject=event.resource_id,
        actor=event.actor_id,
        source=event.source,
        status=event.status,
        ticket=ticket_of(event),
        release=release_of(event),
        environment=event.environment_id or "",
        text=_text(event),
    )


def _text(event: Event) -> str:
    """What is worth saying beside the columns: the error's key, the version, then summary or comment."""
    said = (detail_text(event, key) for key in ("error_key", "version", "step_name", "summary", "comment"))
    return ": ".join(text for text in said if text)
