"""How long it is believed that a commit's statuses stand as we read or set them.

Knows no forge. Rule: whoever may push may set a status under our names too, and no listing tells of it; so what was
read is believed for LONGEST and read again before anything is left unsaid. A clock that was set back ends the belief.
"""

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.forges.keeping import LONGEST
from reconciler.names import Revision
from reconciler.ports import Clock


@dataclass(slots=True)
class Believed:
    """When each commit's statuses were read."""

    clock: Clock
    _read: dict[Revision, datetime] = field(default_factory=dict)

    def read(self, revision: Revision) -> None:
        """All of them were read now."""
        now = self.clock.now()
        self._read = {one: at for one, at in self._read.items() if now - at < LONGEST}
        self._read[revision] = now

    def forget(self, revision: Revision) -> None:
        """What stands there is unknown: an answer was lost."""
        self._read.pop(revision, None)

    def stands(self, revision: Revision) -> bool:
        """Whether they were read a short while ago."""
        at = self._read.get(revision)
        return at is not None and self.clock.now() >= at and self.clock.now() - at < LONGEST
