"""One time for the whole small world; waiting is instant. Each process may be wrong about it by its own skew."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@dataclass(slots=True)
class WorldTime:
    """What the forge's clock says."""

    at: datetime = START

    def pass_by(self, duration: timedelta) -> None:
        """Time passes for everybody."""
        self.at += duration


@dataclass(slots=True)
class ModelClock:
    """ports.Clock of one process."""

    time: WorldTime
    skew: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        """UTC, as this machine believes."""
        return self.time.at + self.skew

    def wait(self, duration: timedelta) -> bool:
        """Time passes at once, for everybody."""
        self.time.pass_by(duration)
        return False
