"""A registry that said nothing is asked again for a cause, or after a time that grows, also over a restart."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from reconciler.app.asking_again import FIRST, MOST, AskingAgain

PLACE = ("dep-appr-1", "prod")
START = datetime(2026, 1, 1, tzinfo=UTC)


def test_it_is_asked_ever_more_seldom_and_at_least_every_hour() -> None:
    again = AskingAgain()
    asked = [m for m in range(8 * 60) if again.due(PLACE, "", START, START + timedelta(minutes=m))]
    assert asked[:6] == [1, 2, 4, 8, 16, 32]
    assert {later - sooner for sooner, later in pairwise(asked[6:])} == {60}


@pytest.mark.parametrize("age", [timedelta(), timedelta(minutes=20), timedelta(days=9), -timedelta(days=9)])
def test_a_restart_asks_nothing_and_waits_as_long(age: timedelta) -> None:
    now, wait = START + age, min(max(age, FIRST), MOST)
    again = AskingAgain()
    found = [again.due(PLACE, "", START, now + step) for step in (timedelta(), wait - timedelta(seconds=1), wait)]
    assert found == [False, False, True]


def test_a_cause_is_asked_for_at_once_and_once() -> None:
    again = AskingAgain()
    assert [again.due(PLACE, cause, START, START) for cause in ("", "review", "review", "tip")] == [
        False,
        True,
        False,
        True,
    ]


def test_a_clock_that_was_ahead_makes_nobody_wait_longer() -> None:
    again = AskingAgain()
    again.due(PLACE, "", START, START + timedelta(days=9))
    assert again.due(PLACE, "", START, START)


def test_each_part_of_what_is_held_waits_for_itself() -> None:
    again = AskingAgain()
    again.due(PLACE, "", START, START)
    assert not again.due(("dep-appr-1", "staging"), "", START, START + FIRST)
    assert again.due(PLACE, "", START, START + FIRST)
