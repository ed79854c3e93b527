"""What is believed to stand on commits as statuses, as we read or set them, and for how long.

Knows no forge. Rules: whoever may push may set a status under our names too, and no listing tells of it; so what was
read is believed for LONGEST and read again before anything is left unsaid. A clock that was set back ends the belief.
What is not believed any more is not kept, and never more than MOST commits are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from reconciler.forges.keeping import LONGEST
from reconciler.names import Revision
from reconciler.ports import Clock

MOST = 2_000
S = TypeVar("S")


@dataclass(slots=True)
class Believed(Generic[S]):
    """What stands on each commit, by context, and when it was read."""

    clock: Clock
    _read: dict[Revision, tuple[datetime, dict[str, S]]] = field(default_factory=dict)

    def read(self, revision: Revision, standing: Mapping[str, S]) -> None:
        """All of them were read now."""
        now = self.clock.now()
        self._read = {one: kept for one, kept in self._read.items() if now - kept[0] < LONGEST and one != revision}
        self._read[revision] = (now, dict(standing))
        if len(self._read) > MOST:
            del self._read[next(iter(self._read))]

    def forget(self, revision: Revision) -> None:
        """What stands there is unknown: an answer was lost."""
        self._read.pop(revision, None)

    def standing(self, revision: Revision) -> dict[str, S] | None:
        """What was read a short while ago, to look at and to go on writing; None where that is too long ago."""
        at, standing = self._read.get(revision, (None, None))
        return standing if at is not None and timedelta() <= self.clock.now() - at < LONGEST else None
