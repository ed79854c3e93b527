"""Our own clock jumped ahead and back: people are still heard, and nothing from the wrong time counts."""

from datetime import timedelta
from enum import StrEnum
from itertools import product

from reconciler.forges.embedded.fold import RECONCILER
from tests.faults.release import check, next_version
from tests.faults.test_machine import settle, wrong_clock
from tests.forges.embedded.test_fold import APPROVED, OPENED, START, STATUS, entry, folded
from tests.story.stage import Stage

AHEAD = timedelta(days=3650)


class Moment(StrEnum):
    """When it was previewed and approved."""

    BEFORE = "before our clock jumped"
    MEANWHILE = "while it was ahead"


Spot = tuple[Moment, timedelta]
NAME = "test_f30_what_was_previewed_or_approved_ahead_of_time_is_applied_after_it"
ALL = {NAME: [*product(Moment, [timedelta(minutes=31), timedelta(days=1), timedelta(days=2), AHEAD])]}
SOME = {NAME: [(Moment.MEANWHILE, AHEAD)]}


def test_f30_after_our_clock_jumped_ahead_people_can_still_approve() -> None:
    """What they say would be given the time of our last record, ten years on, and not count before then (G13)."""
    lines = [
        entry(1, "ana", 1, OPENED, START),
        entry(2, RECONCILER, 0, STATUS, START + AHEAD),
        entry(3, "zoe", 1, APPROVED, START + timedelta(minutes=5)),
    ]
    review = folded(lines, START + timedelta(minutes=6)).threads[1].reviews["3"]
    assert review.submitted_at <= START + timedelta(minutes=6)


def test_f30_what_was_previewed_or_approved_ahead_of_time_is_applied_after_it(behind: Stage, spot: Spot) -> None:
    moment, skew = spot
    if moment is Moment.BEFORE:
        pull, tag = next_version(behind)
    with wrong_clock(behind, skew):
        if moment is Moment.MEANWHILE:
            pull, tag = next_version(behind)
        settle(behind)
    settle(behind)
    looked_at = behind.preview(pull).looked_at
    assert looked_at is not None
    assert looked_at <= behind.clock.now()
    behind.approve(pull)
    assert behind.statuses(behind.pull(pull).head)["reconciler/approval"][0] == "success"
    merged = behind.merge(pull)
    settle(behind)
    check(behind, pull, tag, merged)
