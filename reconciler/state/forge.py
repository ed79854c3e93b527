"""What forges say, in one neutral form, and what is written to them.

Knows no forge. A forge is input, not a judge: none of these values alone decides anything (gate.md, G13-G18).
All times are UTC and the forge's own clock.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.names import Revision


class PullRequestState(StrEnum):
    """Where a pull request stands on its forge."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What a review says. DISMISSED also stands for a deleted or retracted one."""

    APPROVE = "approve"
    REJECT = "reject"
    COMMENT = "comment"
    DISMISSED = "dismissed"


class StatusState(StrEnum):
    """A commit status, as GitHub and Gitea name them."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request. `base` is a branch name without refs/heads/; `author` and `merged_by` are forge logins."""

    number: int
    title: str
    body: str
    author: str
    base: str
    head_ref: str
    head: Revision
    state: PullRequestState
    created_at: datetime
    from_fork: bool = False
    author_can_write: bool = True
    merge_commit: Revision | None = None
    merged_by: str = ""
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    assignees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """One submitted review.

    `commit` and `base` are what it was given for; `signer` is the public key line that verifiably signed `decision`
    (canonical JSON of an approval.decision.Decision), empty for an unsigned one. `body` is untrusted text.
    """

    id: str
    author: str
    verdict: Verdict
    commit: Revision
    base: str
    body: str
    submitted_at: datetime
    signer: str = ""
    decision: str = ""
    author_is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment: a request, never authority. An edited one asks nothing."""

    id: str
    author: str
    body: str
    created_at: datetime
    edited: bool = False
    author_is_bot: bool = False


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What we say about a commit. `description` is at most 140 characters."""

    context: str
    state: StatusState
    description: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a branch from moving otherwise than by a merge that was let through. None: the forge does not tell.

    `unseen`: what of it cannot be seen with this token, in words.
    """

    branch: str
    exists: bool
    protected: bool = False
    required_statuses: tuple[str, ...] | None = None
    required_approvals: int | None = None
    we_may_push: bool | None = None
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What the forge itself asks for before a merge, in words. It is told to people, and grants and stops nothing here.

    `unseen`: what of it cannot be seen with this token.
    """

    asks: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """What our account may do on its forge; None: the forge does not tell. `writers`: who else may write."""

    login: str
    may_write: bool | None
    may_administer: bool | None
    writers: tuple[str, ...] | None = None
    excess: tuple[str, ...] | None = ()  # what the token may do that nothing here needs
