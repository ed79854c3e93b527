"""A signed decision: the bytes that a person signs, and whether it is about what is asked (contracts: G5).

Knows neither keys nor signatures: git/signatures.py makes and checks them, under SSHSIG_NAMESPACE. Rule: one decision
has exactly one spelling (RFC 8785); what does not read back to the same bytes is no decision, and one about another
repository, subject, digest, verb or event counts for nothing.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.canonical import canonical_json
from reconciler.names import Digest, EventId, Revision

SSHSIG_NAMESPACE = "reconciler-decision"
SCHEMA = 1
LONGEST_REASON = 4096  # characters
LONGEST_DECISION = 16_384  # bytes

_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z")


class Verb(StrEnum):
    """What is decided."""

    APPROVE = "approve"
    REJECT = "reject"
    EMERGENCY = "emergency"
    HOLD = "hold"
    RESUME = "resume"
    RETRY = "retry"
    ROLLBACK = "rollback"
    TRUST = "trust"


@dataclass(frozen=True, slots=True)
class PullSubject:
    """A pull request, with the base branch and the head that were looked at."""

    number: int
    base: str
    head: Revision


@dataclass(frozen=True, slots=True)
class CommitSubject:
    """A commit: a held one (G18), or the one that is trusted (G2)."""

    commit: Revision


@dataclass(frozen=True, slots=True)
class PolicySubject:
    """A change of policy: the digest in force (empty: none yet) and the proposed one."""

    old: str
    new: Digest


@dataclass(frozen=True, slots=True)
class UnitSubject:
    """A release or an environment that is held, resumed, retried or rolled back: "release/svc-a"."""

    unit: str


Subject = PullSubject | CommitSubject | PolicySubject | UnitSubject

_SUBJECTS: Mapping[str, tuple[type[Any], frozenset[str]]] = MappingProxyType(
    {
        "pull_request": (PullSubject, frozenset({"number", "base", "head"})),
        "commit": (CommitSubject, frozenset({"commit"})),
        "policy": (PolicySubject, frozenset({"old", "new"})),
        "unit": (UnitSubject, frozenset({"unit"})),
    }
)
_JUDGED = frozenset({Verb.APPROVE, Verb.REJECT, Verb.EMERGENCY})  # these name a digest and a preview
_ABOUT: Mapping[Verb, tuple[type[Any], ...]] = MappingProxyType(
    dict.fromkeys(_JUDGED, (PullSubject, CommitSubject, PolicySubject))
    | dict.fromkeys((Verb.HOLD, Verb.RESUME, Verb.RETRY, Verb.ROLLBACK), (UnitSubject,))
    | {Verb.TRUST: (CommitSubject,)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided. `event` is the audit event of the preview that they saw; `at` their own clock, UTC.

    `exclude_return`: this approval grants no return (G21).
    """

    repository: str
    subject: Subject
    verb: Verb
    digest: str
    event: str
    reason: str
    at: datetime
    exclude_return: bool = False

    def __post_init__(self) -> None:
        wrong = _wrong(self)
        if not wrong and len(self.signed_bytes) > LONGEST_DECISION:
            wrong = f"it is longer than {LONGEST_DECISION} bytes"
        if wrong:
            raise ValueError(f"writing a decision to {self.verb}: {wrong}")

    @property
    def signed_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical_json(_written(self))


@dataclass(frozen=True, slots=True)
class Posting:
    """A preview as people saw it: its audit event and the ticket's digest that it showed."""

    event: EventId
    digest: Digest


def parse_decision(data: bytes) -> Decision:
    """Read what was signed. Raises ValueError on anything but the one spelling of a valid decision."""
    if len(data) > LONGEST_DECISION:
        raise ValueError(f"reading a decision: {len(data)} bytes, more than {LONGEST_DECISION}")
    try:
        decision = _decision(json.loads(data))
        written = decision.signed_bytes
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"reading a decision: not the form of one: {str(error)[:200]}") from error
    if written != data:
        raise ValueError("reading a decision: not its canonical bytes")
    return decision


def mismatch(
    decision: Decision, *, repository: str, subjects: Collection[Subject], verb: Verb, postings: Collection[Posting]
) -> str:
    """What a decision is about instead, in words; empty where it is about exactly this (G5)."""
    if decision.repository != repository:
        return f"it is for the repository {decision.repository!r}"
    if decision.subject not in subjects:
        return f"it is about another subject: {_spoken(decision.subject)}"
    if decision.verb is not verb:
        return f"it says {decision.verb}, not {verb}"
    if not any(decision.digest == posting.digest and decision.event == posting.event for posting in postings):
        return "it is about another digest or another preview"
    return ""


def _spoken(subject: Subject) -> str:
    match subject:
        case PullSubject(number, base, head):
            return f"pull request {number} into {base!r} at {head[:12]}"
        case CommitSubject(commit):
            return f"commit {commit[:12]}"
        case PolicySubject(old, new):
            return f"policy {old[:12] or 'none'} to {new[:12]}"
        case UnitSubject(unit):
            return unit


def _written(decision: Decision) -> dict[str, Any]:
    name = next(name for name, (kind, _) in _SUBJECTS.items() if isinstance(decision.subject, kind))
    fields = {key: getattr(decision.subject, key) for key in _SUBJECTS[name][1]}
    return {
        "at": decision.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "digest": decision.digest,
        "event": decision.event,
        "exclude_return": decision.exclude_return,
        "reason": decision.reason,
        "repository": decision.repository,
        "schema": SCHEMA,
        "subject": {name: fields},
        "verb": str(decision.verb),
    }


def _decision(read: dict[str, Any]) -> Decision:
    ((name, fields),) = read["subject"].items()
    kind, _ = _SUBJECTS[name]
    if not _TIME.fullmatch(read["at"]):  # which refuses what is no string
        raise ValueError("a time that is not in UTC")
    return Decision(
        repository=read["repository"],
        subject=kind(**fields),
        verb=Verb(read["verb"]),
        digest=read["digest"],
        event=read["event"],
        reason=read["reason"],
        at=datetime.fromisoformat(read["at"]),
        exclude_return=read["exclude_return"],
    )


def _wrong(decision: Decision) -> str:
    """What makes it no decision; types too, because it may come from outside."""
    texts = (decision.repository, decision.digest, decision.event, decision.reason)
    if not all(isinstance(text, str) for text in texts) or not isinstance(decision.exclude_return, bool):
        return "a field has the wrong type"
    if not decision.repository or len(decision.reason) > LONGEST_REASON:
        return "it names no repository, or its reason is too long"
    if not isinstance(decision.subject, _ABOUT[decision.verb]) or not _sound(decision.subject):
        return "its subject is not one that this verb decides"
    if decision.verb in _JUDGED and not (_DIGEST.fullmatch(decision.digest) and decision.event):
        return "it names no whole digest or no preview"
    if decision.digest and not _DIGEST.fullmatch(decision.digest):
        return "its digest is not 64 hexadecimal digits"
    if decision.at.tzinfo is None:
        return "its time has no zone"
    return ""


def _sound(subject: Subject) -> bool:
    match subject:
        case PullSubject(number, base, head):
            whole = isinstance(number, int) and not isinstance(number, bool) and number > 0
            return whole and isinstance(base, str) and bool(base) and _is(_REVISION, head)
        case CommitSubject(commit):
            return _is(_REVISION, commit)
        case PolicySubject(old, new):
            return (old == "" or _is(_DIGEST, old)) and _is(_DIGEST, new)
        case UnitSubject(unit):
            return isinstance(unit, str) and bool(unit)


def _is(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None
