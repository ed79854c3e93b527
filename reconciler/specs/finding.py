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
    by_lower = {name[:128].lower(): name for name in known}
    close = get_close_matches(word[:128].lower(), by_lower, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[close[0]]}"?' if close else ""
