"""What the judge answers: a verdict with everything that led to it, in words.

Knows no rule. Rule: whoever reads a judgement sees why, what was not counted and for which reason, and who can move it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from reconciler.approval.denial import Denial
from reconciler.approval.roles import Scope


class Verdict(StrEnum):
    """How a plan stands before the gate."""

    APPROVED = "approved"
    ADDRESSES_ACCEPTED = "addresses_accepted"  # a static plan: its addresses may be looked at, nothing applied (G4)
    PENDING = "pending"
    REJECTED = "rejected"
    ENDED = "ended"


class Why(StrEnum):
    """Why a review or decision was not counted."""

    TOO_EARLY = "too early"
    FROM_THE_FUTURE = "from the future"
    AFTER_MERGE = "after the merge"
    BEFORE_HELD = "before it was held"
    WRONG_BASE = "other base"
    WRONG_HEAD = "other head"
    OTHER_DECISION = "about something else"
    UNREADABLE = "unreadable decision"
    UNSIGNED = "unsigned"
    UNQUOTED = "digest not quoted"
    UNKNOWN_PERSON = "unknown person"
    OTHER_PERSON = "signed by somebody else"
    BOT = "bot"
    AI = "AI"
    SELF = "own change"
    CONTRIBUTOR = "own commit"
    NO_ROLE = "no role"
    NO_EMERGENCY = "no emergency"
    SUPERSEDED = "superseded"
    ENDED = "ended"


WHY_KEYS: Mapping[Why, str] = MappingProxyType(
    {
        Why.TOO_EARLY: "approval_required",
        Why.FROM_THE_FUTURE: "approval_required",
        Why.AFTER_MERGE: "approval_required",
        Why.BEFORE_HELD: "approval_required",
        Why.WRONG_BASE: "approval_ticket_scope_mismatch",
        Why.WRONG_HEAD: "approval_ticket_scope_mismatch",
        Why.OTHER_DECISION: "approval_ticket_scope_mismatch",
        Why.UNREADABLE: "validation_error",
        Why.UNSIGNED: "approval_permission_denied",
        Why.UNQUOTED: "approval_required",
        Why.UNKNOWN_PERSON: "approval_permission_denied",
        Why.OTHER_PERSON: "approval_permission_denied",
        Why.BOT: "approval_permission_denied",
        Why.AI: "approval_permission_denied",
        Why.SELF: "approval_permission_denied",
        Why.CONTRIBUTOR: "approval_permission_denied",
        Why.NO_ROLE: "approval_permission_denied",
        Why.NO_EMERGENCY: "approval_required",
        Why.SUPERSEDED: "approval_required",
        Why.ENDED: "preview_expired",
    }
)


class Way(StrEnum):
    """How an approval was given."""

    REVIEW = "review"
    SIGNED = "signed"
    MERGE = "merge"  # alone: the merge is the approval (G15)


class Unasked(StrEnum):
    """Why nobody has to approve, in words."""

    STANDING = "approved in advance by the policy (standing approval)"
    EMERGENCY = "somebody broke the glass"
    RESTORES = "it does nothing but accept what a granted return put back"


@dataclass(frozen=True, slots=True)
class Counted:
    """An approval that counts, on these scopes, until `ends` (exclusive)."""

    id: str
    person: str
    way: Way
    at: datetime
    ends: datetime
    scopes: frozenset[Scope]
    own: bool = False  # self-approved (G15)
    root: bool = False
    exclude_return: bool = False


@dataclass(frozen=True, slots=True)
class Ignored:
    """A review or decision that does not count, and why, in words for the person who gave it."""

    id: str
    person: str  # the User's name, else the account
    why: Why
    words: str

    @property
    def key(self) -> str:
        """The catalogue key of the reason."""
        return WHY_KEYS[self.why]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejection by somebody who has the role. It blocks until that person approves or it is dismissed."""

    id: str
    person: str
    comment: str  # untrusted text
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope that still needs approvals, and who may give them."""

    scope: Scope
    missing: int
    may_approve: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How one plan stands. `until`: when an approval ends or, while it waits, its preview; exclusive.

    `by_merging`: who could approve by merging (G15). `way`: why it is approved without anybody's approval.
    `grants_return`: whether the approval covers one return (G21).
    """

    environment: str
    verdict: Verdict
    key: str  # of the catalogue; empty where approved
    reasons: tuple[str, ...]
    required: int
    approvals: tuple[Counted, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    blocks: tuple[Denial, ...] = ()
    open_scopes: tuple[OpenScope, ...] = ()
    by_merging: tuple[str, ...] = ()
    way: Unasked | None = None
    emergency: str = ""  # who broke the glass (G23)
    until: datetime | None = None

    @property
    def approved(self) -> bool:
        """Whether it may be applied, while its preview is fresh."""
        return self.verdict is Verdict.APPROVED

    @property
    def standing(self) -> bool:
        """Whether the policy approved it in advance (G15)."""
        return self.way is Unasked.STANDING

    @property
    def self_approved(self) -> bool:
        """Whether an approval was the person's own (G15)."""
        return any(counted.own for counted in self.approvals)

    @property
    def grants_return(self) -> bool:
        """Whether one return is covered: approved by people, and excluded by none of them (G21)."""
        return self.approved and not self.emergency and not any(counted.exclude_return for counted in self.approvals)


def whole(judgements: Mapping[str, Judgement]) -> Verdict:
    """The verdict of a ticket: rejected or ended where one plan is, approved where all are."""
    verdicts = {judgement.verdict for judgement in judgements.values()}
    order = (Verdict.REJECTED, Verdict.ENDED, Verdict.PENDING, Verdict.ADDRESSES_ACCEPTED, Verdict.APPROVED)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.PENDING)
