"""One pull request: opened -> previewed -> approved -> merged | closed | expired | superseded.

The state is derived each time from the forge, the audit branch and a look at the targets (level-triggered), so a lost
webhook or a crash costs a look, never a wrong answer. `decide` compares what is known with what is seen and says what
to write; it writes only what changed (G11). Knows no forge and no clock.
"""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.names import Digest, Revision


class State(StrEnum):
    """Where a pull request stands."""

    OPENED = "opened"
    PREVIEWED = "previewed"
    APPROVED = "approved"
    MERGED = "merged"
    CLOSED = "closed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Command(StrEnum):
    """What to write. Every command is safe to repeat."""

    LOOK = "look"  # make the plan again: nothing fresh is known
    POST_PREVIEW = "post_preview"  # first comment
    VOID_PREVIEW = "void_preview"  # another digest: approvals end, a new comment names the approvers
    RENEW_PREVIEW = "renew_preview"  # same digest, later look: only the time is edited
    SET_STATUSES = "set_statuses"
    END_TICKET = "end_ticket"


@dataclass(frozen=True, slots=True)
class Known:
    """What the audit branch says of it.

    `digest` is empty before the first preview; `inputs` stands for head and tip.
    """

    digest: Digest | None = None
    inputs: tuple[Revision, Revision] | None = None
    static: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look gave. `digest` is None where no look was made or nothing is managed."""

    digest: Digest | None
    inputs: tuple[Revision, Revision]
    static: bool = False
    closed: bool = False


def wants_look(known: Known, inputs: tuple[Revision, Revision], *, asked: bool, expired_and_needed: bool) -> bool:
    """Whether the targets have to be looked at: a moved input, a command, or a review or merge on an old look (G11).

    Never by a timer alone.
    """
    return known.inputs != inputs or asked or expired_and_needed


def decide(known: Known, seen: Seen) -> tuple[Command, ...]:
    """What to write after a look, in order."""
    if seen.closed:
        return () if known.ended or known.digest is None else (Command.END_TICKET,)
    if seen.digest is None:
        return (Command.SET_STATUSES,)
    if known.digest is None:
        return (Command.POST_PREVIEW, Command.SET_STATUSES)
    if known.digest != seen.digest or known.static != seen.static:
        return (Command.VOID_PREVIEW, Command.SET_STATUSES)
    return (Command.RENEW_PREVIEW, Command.SET_STATUSES)
