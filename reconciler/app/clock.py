"""The only place that reads the time or waits. Everything else is given the time, or ports.Clock."""

import threading
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock. `stop` wakes every waiter."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)  # noqa: TID251  this is the clock

    def wait(self, duration: timedelta) -> bool:
        """Wait, or return early with True when the process is asked to stop."""
        return self._stopped.wait(max(0.0, duration.total_seconds()))

    def stop(self) -> None:
        """Ask everybody to stop at the next safe point."""
        self._stopped.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopped.is_set()
