"""A Finding: a problem of a file's bytes, before anybody knows under which path the file stands.

The same blob may stand under several paths and is read once; its findings are placed when the path is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from reconciler import catalogue
from reconciler.errors import Place, Problem

VALIDATION = "validation_error"
CONFLICT = "resource_conflict"
MOST = 200  # findings kept of one file; nobody reads more
MOST_HINTS = 100  # near misses looked for in one revision: each costs a look at every known name
MOST_KNOWN = 1_000  # names compared letter by letter; of more, those with the same first letter


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Line and column count from 1; 0 means the whole file."""

    line: int
    column: int
    message: str
    hint: str = ""
    key: str = VALIDATION

    def at(self, path: str) -> Problem:
        """The problem of the file at this path."""
        return Problem(Place(path, self.line, self.column), self.key, self.message, self.hint)

    def as_json(self) -> list[Any]:
        """A list that `from_json` reads."""
        return [self.line, self.column, self.message, self.hint, self.key]

    @classmethod
    def from_json(cls, value: Any) -> "Finding":
        """What `as_json` made. Raises ValueError on anything else."""
        match value:
            case [int(line), int(column), str(message), str(hint), str(key)] if key in catalogue.errors():
                return cls(line, column, message, hint, key)
            case _:
                raise ValueError("not a finding")


def near_miss(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?`, or nothing."""
    wanted = word[:128].lower()
    by_lower = {name[:128].lower(): name for name in known}
    names: Iterable[str] = by_lower
    if len(by_lower) > MOST_KNOWN:
        names = sorted(name for name in by_lower if name[:1] == wanted[:1])[:MOST_KNOWN]
    close = get_close_matches(wanted, names, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[close[0]]}"?' if close else ""


class Hints:
    """Near misses of one revision, as many as anybody reads: a thousand unknown names must not cost a million looks."""

    def __init__(self) -> None:
        self._left = MOST_HINTS

    def near(self, word: str, known: Iterable[str]) -> str:
        """As `near_miss`, and nothing once there were enough."""
        if not self._left:
            return ""
        self._left -= 1
        return near_miss(word, known)
