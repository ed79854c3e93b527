"""Our own clock jumped ahead and back: people are still heard."""

from datetime import timedelta

import pytest

from reconciler.forges.embedded.fold import RECONCILER
from tests.forges.embedded.test_fold import APPROVED, OPENED, START, STATUS, entry, folded

AHEAD = timedelta(days=3650)


@pytest.mark.xfail(strict=True, reason="a record of ours from far ahead makes every later record as late as itself")
def test_f30_after_our_clock_jumped_ahead_people_can_still_approve() -> None:
    """What they say is given the time of our last record, ten years on, and does not count before then (G13)."""
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, RECONCILER, 0, STATUS, START + AHEAD),
        entry(3, "zoe", 1, APPROVED, START + timedelta(minutes=5)),
    ]
    review = folded(lines, START + timedelta(minutes=6)).threads[1].reviews["3"]
    assert review.submitted_at <= START + timedelta(minutes=6)
