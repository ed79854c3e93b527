"""A clock that can be moved. It waits for real, so that detached processes get their time."""

from datetime import datetime, timedelta

from reconciler.app.clock import SystemClock


class MovableClock(SystemClock):
    """The machine's clock plus an offset."""

    def __init__(self) -> None:
        super().__init__()
        self._offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self._offset

    def advance(self, duration: timedelta) -> None:
        self._offset += duration

    def return_to(self, at: datetime) -> None:
        """It is as late as it was then."""
        self.advance(at - self.now())
