"""One thing that happened, in the envelope of contracts/events.yaml.

Knows the envelope, the catalogue of domains and actions, and its JSON. Knows nothing of Git, of time or of what an
event leads to. The rule it keeps: an event that the catalogue does not name, or that lacks a field, cannot be made;
trying is a bug and raises AssertionError. Reading one that somebody else may have written raises ValueError instead.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from reconciler import catalogue
from reconciler.names import EventId

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base32, as in github.com/ulid/spec
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNTERS = 1 << 16  # events of one process in one millisecond that keep their order
RANDOM_BYTES = 8


class Domain(StrEnum):
    """Which part of the product an event belongs to."""

    RELEASE = "release"
    APPROVAL = "approval"
    ENVIRONMENT = "environment"
    CLUSTER = "cluster"
    COMPOSE = "compose"
    K8S = "k8s"
    NETWORK_ENTRY = "network_entry"
    PREVIEW = "preview"


class ActorType(StrEnum):
    """A person, or the reconciler itself."""

    USER = "user"
    SYSTEM = "system"


class Source(StrEnum):
    """The door through which it came (contracts: events.yaml, sources_in_the_git_shape)."""

    DEPLOYMENT_UI = "deployment_ui"
    AI_COMMAND_CENTER = "ai_command_center"
    APPROVAL_INBOX = "approval_inbox"
    SYSTEM_SCHEDULER = "system_scheduler"
    API_DIRECT = "api_direct"


class EventStatus(StrEnum):
    """How it stands with what the event tells."""

    SUCCESS = "success"
    FAILED = "failed"
    WARNING = "warning"
    RUNNING = "running"


class Severity(StrEnum):
    """How much a person should care."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Event:
    """The envelope. `detail` holds the domain's fields and machine-readable ones of ours; never a secret.

    `resource_type` is snake case (deployment_release, approval_ticket, ...); `occurred_at` is UTC.
    """

    event_id: EventId
    domain: Domain
    action: str
    resource_type: str
    resource_id: str
    actor_id: str
    actor_type: ActorType
    source: Source
    status: EventStatus
    severity: Severity
    occurred_at: datetime
    environment_id: str | None = None
    project_id: str | None = None
    team_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if flaw := _flaw(self):
            raise AssertionError(f"making event {self.domain}/{self.action}: {flaw}")
        # a copy through JSON: no later change of the caller's dict reaches a record, and only JSON can be in it
        object.__setattr__(self, "detail", json.loads(json.dumps(dict(self.detail), allow_nan=False)))

    def to_json(self) -> str:
        """The record as ASCII JSON, one field a line, ending in a newline; equal events give equal bytes."""
        record: dict[str, Any] = {name: getattr(self, name) for name in _ORDER}
        record["occurred_at"] = self.occurred_at.isoformat().replace("+00:00", "Z")
        return json.dumps(record, indent=1, allow_nan=False) + "\n"


_ORDER = (
    "event_id",
    "domain",
    "action",
    "resource_type",
    "resource_id",
    "environment_id",
    "project_id",
    "team_id",
    "actor_id",
    "actor_type",
    "source",
    "status",
    "severity",
    "occurred_at",
    "detail",
)
_MAY_BE_ABSENT = frozenset({"environment_id", "project_id", "team_id", "detail"})
_ENUMS = {
    "domain": Domain,
    "actor_type": ActorType,
    "source": Source,
    "status": EventStatus,
    "severity": Severity,
}


def from_json(text: str | bytes) -> Event:
    """Read what `to_json` wrote. Raises ValueError on anything else; unknown keys are allowed inside `detail` only."""
    try:
        return _read(json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant))
    except RecursionError as error:
        raise ValueError("reading an event: nested too deeply") from error
    except AssertionError as error:
        raise ValueError(str(error)) from error


def _read(record: object) -> Event:
    if not isinstance(record, dict):
        raise ValueError("reading an event: not an object")
    if unknown := sorted(record.keys() - set(_ORDER)):
        raise ValueError(f"reading an event: unknown field {unknown[0]!r}")
    if missing := sorted(set(_ORDER) - record.keys() - _MAY_BE_ABSENT):
        raise ValueError(f"reading an event: field {missing[0]!r} is missing")
    for name, kind in _ENUMS.items():
        record[name] = kind(record[name])
    if not isinstance(record["occurred_at"], str):
        raise ValueError("reading an event: occurred_at is not text")
    record["occurred_at"] = datetime.fromisoformat(record["occurred_at"])
    return Event(**record)


def event_id(at: datetime, *, counter: int, randomness: bytes) -> EventId:
    """A new id: 48 bits of milliseconds, 16 of the caller's running counter, 64 of randomness, as a ULID is written.

    Text order is time order; within a millisecond it is the order of the counter, which may wrap.
    """
    if at.tzinfo is None or len(randomness) != RANDOM_BYTES:
        raise AssertionError("an event id needs an aware time and 8 random bytes")
    stamp = (at - _EPOCH) // _MILLISECOND
    if not 0 <= stamp < 1 << 48:
        raise AssertionError(f"an event id cannot hold the time {at.isoformat()}")
    number = (stamp << 80) | ((counter % COUNTERS) << 64) | int.from_bytes(randomness, "big")
    return EventId("".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)))


def time_of(identity: EventId) -> datetime:
    """When an id was made, to the millisecond. Raises ValueError on text that is no id."""
    if not _ID.fullmatch(identity):
        raise ValueError(f"{identity!r} is not an event id")
    number = 0
    for digit in identity[:10]:
        number = number << 5 | _ALPHABET.index(digit)
    try:
        return _EPOCH + number * _MILLISECOND
    except OverflowError as error:
        raise ValueError(f"{identity!r} is later than any time") from error


def _flaw(event: Event) -> str:
    """What is wrong with an event's fields, or an empty string."""
    actions = catalogue.event_actions()
    optional = (event.environment_id, event.project_id, event.team_id)
    flaws = (
        (not (isinstance(event.event_id, str) and _ID.fullmatch(event.event_id)), "event_id is not an event id"),
        *((not isinstance(getattr(event, name), kind), f"{name} is unknown") for name, kind in _ENUMS.items()),
        (not isinstance(event.action, str), "action is not text"),
        (str(event.action) not in actions.get(event.domain, ()), f"{event.domain} has no action {event.action!r}"),
        (
            not (isinstance(event.resource_type, str) and _NAME.fullmatch(event.resource_type)),
            "resource_type is no name",
        ),
        (not _text(event.resource_id), "resource_id is missing"),
        (not _text(event.actor_id), "actor_id is missing"),
        (not all(value is None or _text(value) for value in optional), "a reference is neither text nor null"),
        (not _is_utc(event.occurred_at), "occurred_at is not UTC"),
    )
    return next((words for wrong, words in flaws if wrong), "") or _detail_flaw(event.detail)


def _detail_flaw(detail: object) -> str:
    if not isinstance(detail, Mapping):
        return "detail is not an object"
    key = detail.get("error_key", "")
    if key != "" and not (isinstance(key, str) and key in catalogue.errors()):
        return f"error_key {key!r} is not in the catalogue"
    return _not_json(dict(detail), "detail")


def _not_json(value: object, where: str) -> str:
    """Where a value is not JSON: a secret, a date, a key that is no text; json.dumps would quietly bend some."""
    match value:
        case None | bool() | int() | str():
            return ""
        case float():
            return "" if value - value == 0 else f"{where} is not a finite number"
        case dict():
            if wrong := [key for key in value if not isinstance(key, str)]:
                return f"{where} has the key {type(wrong[0]).__name__}"
            return next((flaw for key, item in value.items() if (flaw := _not_json(item, f"{where}.{key}"))), "")
        case list() | tuple():
            return next((flaw for item in value if (flaw := _not_json(item, f"{where}[]"))), "")
        case _:
            return f"{where} is a {type(value).__name__}, which is not JSON"


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_utc(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() == timedelta(0)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("reading an event: a key stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"reading an event: {name} is not JSON")
