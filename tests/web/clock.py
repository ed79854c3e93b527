"""A clock whose pauses a test ends."""

import queue
from datetime import UTC, datetime, timedelta


class HeldClock:
    """`waits` tells each pause that begins; `end` ends it."""

    def __init__(self) -> None:
        self.waits: queue.Queue[timedelta] = queue.Queue()
        self._ends: queue.Queue[bool] = queue.Queue()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def wait(self, duration: timedelta) -> bool:
        self.waits.put(duration)
        return self._ends.get(timeout=30)

    def end(self, *, stopping: bool) -> None:
        """The pause is over, or the process stops."""
        self._ends.put(stopping)
