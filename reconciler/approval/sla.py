"""By when a waiting ticket wants an answer (contracts: governance.md).

Knows the settings' times and hours. Rule: the clock runs only in `sla.hours`, always where none are set, and always for
critical risk; a time zone that this machine does not know makes the clock run always, which is the earlier due time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reconciler.plan.change import Risk
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.specs.kinds.probes import Weekday, Window
from reconciler.specs.kinds.settings import Sla

DAY = timedelta(days=1)
LONGEST_LOOK = 4 * 366  # days of windows to look through before the clock is taken to run always
WEEKDAYS = tuple(Weekday)


def sla_due_at(created: datetime, risk: Risk, sla: Sla) -> datetime:
    """When a ticket of this risk, created then, is overdue; UTC."""
    left = sla.at(SettingsRisk(risk))
    always = created.astimezone(UTC) + left
    if sla.hours is None or risk is Risk.CRITICAL:
        return always
    try:
        zone = ZoneInfo(sla.hours.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a folder of zones
        return always
    for start, end in _windows(sla.hours, zone, created):
        begin = max(start, created)
        if begin + left <= end:
            return begin + left
        left -= max(end - begin, timedelta())
    return always


def _windows(window: Window, zone: ZoneInfo, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The windows from the day before `since` on, in UTC: local times, so a day may have 23 or 25 hours."""
    first = since.astimezone(zone).date() - DAY
    opens, closes = time.fromisoformat(window.start), time.fromisoformat(window.end)
    for index in range(LONGEST_LOOK):
        day = first + index * DAY
        if WEEKDAYS[day.weekday()] in window.days:
            until = day if closes > opens else day + DAY
            start = datetime.combine(day, opens, zone).astimezone(UTC)
            yield start, datetime.combine(until, closes, zone).astimezone(UTC)
