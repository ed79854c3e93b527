"""For which base branch something was said, worked out of the changes of a pull request's base (G13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Retarget:
    """A change of the base branch."""

    at: datetime
    old: str


def base_at(now: str, changes: Sequence[Retarget], at: datetime) -> str:
    """The base branch at a time; `changes` oldest first. In the second of a change it is the old one or none: then it
    is for neither."""
    for change in changes:
        if at < change.at:
            return change.old
        if at == change.at:
            return ""
    return now
