"""When a forge may be asked again: what it says of its limits, and what we do where it says nothing.

Knows headers and the clock; no request and no connection. Rules (fault F11): while we were told to stay away nothing is
sent; a limit without a time is a minute, doubled each time; many writes in a row have a second between them.
GitHub: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api, GitLab names the same headers
without the X (https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/).
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from reconciler.errors import Unavailable
from reconciler.ports import Clock

LONGEST_WAIT = timedelta(hours=1)
FIRST_WAIT = timedelta(minutes=1)  # where a limit names no time; doubled each time
BURST = 20  # writes within MINUTE that need no pause
MINUTE = timedelta(minutes=1)
PAUSE = timedelta(seconds=1)
REMAINING = ("X-RateLimit-Remaining", "RateLimit-Remaining")
RESET = ("X-RateLimit-Reset", "RateLimit-Reset")  # seconds since 1970
_AWAY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})
_LIMITING = ("rate limit", "abuse detection")  # in the words of a 403 that is no question of rights


class Limits:
    """What one forge told one sender."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before: datetime | None = None
        self._in_a_row = 0
        self._writes: deque[datetime] = deque(maxlen=BURST)

    def check(self, what: str) -> None:
        """Raises Unavailable while the forge wants peace."""
        left = self._not_before - self._clock.now() if self._not_before is not None else timedelta()
        if left > timedelta():
            seconds = left.total_seconds()
            raise Unavailable(
                f"{what}: the forge asked for {seconds:.0f} s of peace", key="rate_limited", retry_after=left
            )

    def pace(self, what: str) -> None:
        """Before each write: after many in a minute, a pause. Raises Unavailable where we are asked to stop."""
        now = self._clock.now()
        if len(self._writes) == BURST and now - self._writes[0] < MINUTE and self._clock.wait(PAUSE):
            raise Unavailable(f"{what}: not sent, because the reconciler stops")
        self._writes.append(now)

    def answered(self, headers: Mapping[str, str]) -> None:
        """After an answer: the last request that was ours may be said with it."""
        self._in_a_row = 0
        if (wait := _until_reset(headers, self._clock.now())) is not None:
            self._not_before = self._clock.now() + wait

    def refused(self, status: int, headers: Mapping[str, str], words: str) -> timedelta | None:
        """After a refusal: how long to stay away, or None where it was no limit that refused."""
        wait = asked_wait(headers, self._clock.now())
        denied = status == HTTPStatus.FORBIDDEN
        if status not in _AWAY and not (denied and (wait is not None or _speaks_of_limits(words))):
            return None
        wait = wait or min(FIRST_WAIT * 2 ** min(self._in_a_row, 6), LONGEST_WAIT)
        self._in_a_row += 1
        self._not_before = self._clock.now() + wait
        return wait


def asked_wait(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long we were asked to stay away: Retry-After in seconds or as a date, or until the limit is filled again."""
    after = headers.get("Retry-After", "")
    if after.isascii() and after.isdigit():
        return min(timedelta(seconds=int(after[:6])), LONGEST_WAIT)
    if after:
        try:
            at = parsedate_to_datetime(after)
        except (ValueError, OverflowError):
            at = None
        if at is not None and at.tzinfo is not None:
            return _bounded(at - now)
    return _until_reset(headers, now)


def _until_reset(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    reset = next((headers[name] for name in RESET if name in headers), "")
    if not any(headers.get(name) == "0" for name in REMAINING) or not (reset.isascii() and reset.isdigit()):
        return None
    return _bounded(timedelta(seconds=int(reset[:12]) - int(now.timestamp())))


def _bounded(wait: timedelta) -> timedelta:
    return min(max(wait, timedelta(seconds=1)), LONGEST_WAIT)


def _speaks_of_limits(words: str) -> bool:
    return any(limiting in words.lower() for limiting in _LIMITING)
