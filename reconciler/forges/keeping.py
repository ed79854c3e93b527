"""What was read about open pull requests, kept while the forge's own listing says that nothing happened to them.

Knows no forge. Rules: a thing is kept only where the listing that was read before it had shown the same stamp for a
while (a stamp counts seconds, so what happens within one would not show); it is read anew after five minutes, for what
no stamp tells; and asking for one pull request by itself forgets it, because whoever does that decides something.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from reconciler.ports import Clock

LONGEST = timedelta(minutes=5)
SETTLED = timedelta(seconds=2)
T = TypeVar("T")


@dataclass(slots=True)
class Kept:
    """Answers by pull request and by what was asked."""

    clock: Clock
    _listed: dict[int, tuple[Hashable, datetime]] = field(default_factory=dict)  # the stamp, and since when it stands
    _answers: dict[tuple[int, str], tuple[Hashable, datetime, Any]] = field(default_factory=dict)

    def listed(self, stamps: Mapping[int, Hashable]) -> None:
        """The newest listing of everything that is open: what is not in it is forgotten."""
        now = self.clock.now()
        before = self._listed
        self._listed = {
            number: before[number] if number in before and before[number][0] == stamp else (stamp, now)
            for number, stamp in stamps.items()
        }
        self._answers = {key: kept for key, kept in self._answers.items() if key[0] in stamps}

    def forget(self, number: int) -> None:
        """From now on everything about it is read anew, until a listing shows it again."""
        self._listed.pop(number, None)
        self._answers = {key: kept for key, kept in self._answers.items() if key[0] != number}

    def get(self, number: int, what: str, read: Callable[[], T]) -> T:
        """What is kept, or what `read` says now."""
        now = self.clock.now()
        stamp, since = self._listed.get(number, (None, now))
        kept = self._answers.get((number, what))
        if kept is not None and stamp is not None and kept[0] == stamp and timedelta() <= now - kept[1] < LONGEST:
            found: T = kept[2]
            return found
        found = read()
        if stamp is not None and now - since >= SETTLED:
            self._answers[number, what] = (stamp, now, found)
        return found
