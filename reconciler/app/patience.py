"""Who asked us to stay away, and until when (fault F11). One memory for the process; threads may share it.

A far side that says when to come back is asked no sooner, however often a look is rung for; everything else goes on.
What it may ask for is limited, so that no answer puts us to sleep; a clock that was set back ends every wait.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.errors import SOON, Unavailable
from reconciler.ports import Clock

LONGEST = timedelta(minutes=10)


@dataclass(slots=True)
class Patience:
    """By what is looked at: the moment before which it is left in peace."""

    clock: Clock
    _until: dict[str, datetime] = field(default_factory=dict)

    def note(self, what: str, error: Unavailable) -> None:
        """Remember what an answer asked for; one that only failed is looked at again with the next look."""
        if error.key == "rate_limited" or error.retry_after > SOON:
            self._until[what] = self.clock.now() + min(error.retry_after, LONGEST)

    def check(self, what: str) -> None:
        """Raises Unavailable while it wants peace."""
        until = self._until.get(what)
        left = until - self.clock.now() if until is not None else timedelta()
        if not timedelta() < left <= LONGEST:
            self._until.pop(what, None)
            return
        message = f"looking at {what}: we were asked to wait until {until:%H:%M:%S} UTC"
        raise Unavailable(message, key="rate_limited", retry_after=left)
