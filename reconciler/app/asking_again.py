"""When a registry is asked again for a held commit that it said nothing of.

Rule: at once where somebody or something gives a cause (a review, a decision, a tip that moved); else after a time that
grows with the age of the preview that waits, up to an hour. So it grows on over a restart, which itself is no cause.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

FIRST: Final = timedelta(minutes=1)
MOST: Final = timedelta(hours=1)
Place = tuple[str, str]  # ticket and environment


@dataclass(slots=True)
class AskingAgain:
    """What was last asked for which cause, and when it is asked again. One for the process."""

    _next: dict[Place, tuple[Hashable, datetime]] = field(default_factory=dict)

    def due(self, place: Place, cause: Hashable, looked_at: datetime | None, now: datetime) -> bool:
        """Whether it is asked again now. `looked_at`: of when the preview is that waits."""
        known = self._next.get(place)
        if known is not None and known[0] == cause and timedelta() < known[1] - now <= MOST:
            return False
        age = now - looked_at if looked_at is not None else FIRST
        self._next[place] = (cause, now + min(max(age, FIRST), MOST))
        return known is not None
