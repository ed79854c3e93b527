"""What is asked of a forge over HTTP and what it answered, as values: each forge's builders and readers know these.

Rule: an answer is read strictly. A field that is missing or of another type than the forge's documents say is no
answer, and nothing is decided on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reconciler.errors import Rejected

MALFORMED = "endpoint_invalid"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `what` says in words what is being done to which object; `path` begins below the API's root.

    `full`: how many entries a full page of a list has, where it was asked for; 0 where it is no list.
    """

    what: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    full: int = 0

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that it may be sent twice."""
        return self.method == "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its parsed JSON, where the next page is, and how many entries all pages have, where said.

    `unchanged`: the forge said that it is what it answered the last time. `size`: bytes, as it came.
    """

    what: str
    content: Any
    next_page: str = ""
    total: int | None = None
    unchanged: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A JSON object that is read field by field. `what` stands in every complaint."""

    what: str
    content: Mapping[str, Any]

    @classmethod
    def of(cls, what: str, content: Any) -> "Reading":
        """Raises Rejected where it is no object."""
        if not isinstance(content, dict):
            raise Rejected(f"{what}: the answer is no object", key=MALFORMED)
        return cls(what, content)

    def text(self, name: str) -> str:
        """A text that has to be there."""
        found: str = self._typed(name, str)
        try:
            found.encode()
        except UnicodeEncodeError:  # half a character: nothing could ever be written down of it
            raise self._malformed(name) from None
        return found

    def number(self, name: str) -> int:
        """A whole number that has to be there."""
        found: int = self._typed(name, int)
        if isinstance(found, bool):
            raise self._malformed(name)
        return found

    def flag(self, name: str) -> bool:
        """Yes or no, that has to be there."""
        found: bool = self._typed(name, bool)
        return found

    def maybe(self, name: str) -> str:
        """A text that may be missing or null; then empty."""
        return self.text(name) if self.content.get(name) is not None else ""

    def part(self, name: str) -> "Reading":
        """An object inside."""
        return Reading(self.what, self._typed(name, dict))

    def maybe_part(self, name: str) -> "Reading | None":
        """An object inside, or None where it is missing or null."""
        return self.part(name) if self.content.get(name) is not None else None

    def parts(self, name: str) -> tuple["Reading", ...]:
        """A list of objects; none where it is missing or null."""
        if self.content.get(name) is None:
            return ()
        return tuple(Reading.of(self.what, item) for item in self._typed(name, list))

    def time(self, name: str) -> datetime:
        """A time with its zone, in UTC."""
        try:
            found = datetime.fromisoformat(self.text(name))
            if found.tzinfo is None:
                raise self._malformed(name)
            return found.astimezone(UTC)
        except (ValueError, OverflowError) as error:  # at the ends of the calendar no other zone has that time
            raise self._malformed(name) from error

    def maybe_time(self, name: str) -> datetime | None:
        """A time, or None where it is missing or null."""
        return self.time(name) if self.content.get(name) is not None else None

    def _typed(self, name: str, kind: type[Any]) -> Any:
        value = self.content.get(name)
        if not isinstance(value, kind):
            raise self._malformed(name)
        return value

    def _malformed(self, name: str) -> Rejected:
        return Rejected(f"{self.what}: field {name!r} of the answer is missing or malformed", key=MALFORMED)


def readings(answer: Answer) -> tuple[Reading, ...]:
    """The objects of a list; an empty one may be written as null. Raises Rejected where it is none."""
    if answer.content is None:
        return ()
    if not isinstance(answer.content, list):
        raise Rejected(f"{answer.what}: the answer is no list", key=MALFORMED)
    return tuple(Reading.of(answer.what, item) for item in answer.content)
