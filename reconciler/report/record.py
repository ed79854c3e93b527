"""Events as an audit commit, and back: a readable subject, trailers to search by, and the events as JSON in the tree.

Knows the form of a commit message and where a record lies; knows no Git. The JSON is the record and the message only
points at it: text of others is escaped and cut in the message, so no name can write a trailer, close an issue or call
somebody. `event_of` is strict: a file that is not where its event belongs is not a record.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.names import SHORT, EventId
from reconciler.report.neutral import name, plain
from reconciler.state.event import Domain, Event, from_json, time_of

SUBJECT = 72  # characters; what `git log --oneline` and every forge show whole
TRAILER_CAP = 200
BODY_CAP = 500
_CALLS = str.maketrans({"@": r"\u{40}", "#": r"\u{23}", "!": r"\u{21}"})  # forges act on these in commit messages
# What an event of a release may be about beside the release: that is what it is called, and it is no release's id.
_OTHERS = frozenset({"commit", "plan"})
_TO = frozenset({"applied", "applying", "adopted"})
_PATH = re.compile(r"events/\d{4}/\d{2}/\d{2}/([0-9A-Z]{26})\.json")


@dataclass(frozen=True, slots=True)
class AuditCommit:
    """One append to the audit branch: its message, and the text of each file that it adds by path."""

    message: str
    files: Mapping[str, str]


def commit_of(events: Sequence[Event]) -> AuditCommit:
    """One event, or one batch in the order in which it happened. The first gives the subject."""
    if not events:
        raise AssertionError("an audit commit records at least one event")
    files = {path_of(event.event_id): event.to_json() for event in events}
    if len(files) != len(events):
        raise AssertionError("an audit commit records an event twice")
    more = f" (+{len(events) - 1} more)" if len(events) > 1 else ""
    paragraphs = [
        _shorten(subject_of(events[0]), SUBJECT - len(more)) + more,
        *_said(events),
        "[skip ci]",
        "\n".join(_trailers(events)),
    ]
    return AuditCommit("\n\n".join(paragraphs) + "\n", MappingProxyType(files))


def path_of(identity: EventId) -> str:
    """Where an event's JSON lies in the tree; it follows from the id alone."""
    return f"events/{time_of(identity):%Y/%m/%d}/{identity}.json"


def event_of(path: str, text: str | bytes) -> Event:
    """The event in a file of the audit branch. Raises ValueError where the file is not its record."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"reading an event: {path!r} is no place of a record")
    event = from_json(text)
    if path_of(event.event_id) != path:
        raise ValueError(f"reading an event: {event.event_id} does not belong at {path!r}")
    return event


def action_word(event: Event) -> str:
    """The action as users call it: `approved` of a ticket, `install_failed` of an environment."""
    return event.action.removeprefix("ticket_") if event.domain is Domain.APPROVAL else event.action


def subject_of(event: Event) -> str:
    """`release svc-a: applied v2.0.1 to env-k8s-prod`, not yet cut."""
    words = [action_word(event).replace("_", " ")]
    if version := detail_text(event, "version"):
        words.append(version)
    if event.environment_id and event.environment_id != event.resource_id:
        words.append(f"{'to' if event.action in _TO else 'in'} {event.environment_id}")
    what, which = event.domain.replace("_", " "), event.resource_id
    if event.resource_type in _OTHERS:
        what, which = event.resource_type, which[:SHORT] if event.resource_type == "commit" else which
    return _inert(name(f"{what} {which}: {' '.join(words)}"))


def release_of(event: Event) -> str:
    """The release that an event is about, or an empty string."""
    scope = detail_text(event, "scope_id") if detail_text(event, "scope_type") == Domain.RELEASE else ""
    named = event.domain is Domain.RELEASE and event.resource_type not in _OTHERS
    return detail_text(event, "release_id") or scope or (event.resource_id if named else "")


def ticket_of(event: Event) -> str:
    """The approval ticket that an event belongs to, or an empty string."""
    own = event.resource_id if event.resource_type == "approval_ticket" else ""
    return detail_text(event, "approval_ticket") or detail_text(event, "ticket") or own


def detail_text(event: Event, key: str) -> str:
    """A field of the detail where it is text, else an empty string."""
    value: Any = event.detail.get(key, "")
    return value if isinstance(value, str) else ""


_TRAILERS: Mapping[str, Callable[[Event], str]] = MappingProxyType(
    {
        "Action": lambda event: f"{event.domain}/{event.action}",
        "Actor": lambda event: event.actor_id,
        "Release-Id": release_of,
        "Approval-Ticket": ticket_of,
        "Preview-Ref": lambda event: detail_text(event, "preview_ref"),
        "Source": lambda event: event.source,
    }
)


def _trailers(events: Sequence[Event]) -> Iterator[str]:
    """Each trailer once for each value that it has in the batch, in order."""
    for trailer, value_of in _TRAILERS.items():
        for value in dict.fromkeys(_inert(name(value_of(event), cap=TRAILER_CAP)) for event in events):
            if value.strip():
                yield f"{trailer}: {value.strip()}"


def _said(events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        key, summary = detail_text(event, "error_key"), detail_text(event, "summary")
        if key or summary:
            yield "> " + _inert(plain(": ".join(text for text in (key, summary) if text), cap=BODY_CAP))


def _inert(text: str) -> str:
    return text.translate(_CALLS)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "\u2026"
