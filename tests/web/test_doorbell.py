"""Many presses, few rings; on a clock whose pauses the test ends."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reconciler.web.doorbell import LONGEST, SHORTEST, Doorbell, after
from tests.web.clock import HeldClock


@dataclass
class House:
    """A doorbell on its thread. `rings` are those that were heard."""

    clock: HeldClock = field(default_factory=HeldClock)
    rings: list[None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doorbell = Doorbell(lambda: self.rings.append(None), self.clock)
        self.thread = threading.Thread(target=self.doorbell.serve)
        self.thread.start()

    def pause(self) -> timedelta:
        """The pause that has begun."""
        return self.clock.waits.get(timeout=30)

    def over(self) -> None:
        self.clock.end(stopping=False)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.doorbell.stop()
    made.clock.end(stopping=True)
    made.thread.join(30)
    assert not made.thread.is_alive()


def test_who_asks_first_is_heard_at_once_and_a_thousand_more_are_one_ring(house: House) -> None:
    house.doorbell.press()
    assert house.pause() == SHORTEST
    assert len(house.rings) == 1
    for _ in range(1000):
        house.doorbell.press()
    assert len(house.rings) == 1
    house.over()
    house.pause()
    assert len(house.rings) == 2


def test_a_storm_makes_the_pauses_longer_up_to_a_bound(house: House) -> None:
    house.doorbell.press()
    pauses = []
    for _ in range(7):
        pauses.append(house.pause())
        house.doorbell.press()
        house.over()
    assert pauses == sorted(pauses)
    assert pauses[0] == SHORTEST
    assert pauses[-2:] == [LONGEST, LONGEST]


def test_after_a_quiet_pause_the_next_one_is_short_again() -> None:
    assert after(LONGEST, asked=False) == SHORTEST
    assert SHORTEST < after(SHORTEST, asked=True) < LONGEST


def test_a_press_that_comes_when_the_pause_ends_is_not_lost(house: House) -> None:
    house.doorbell.press()
    house.pause()
    house.over()
    house.doorbell.press()
    house.pause()
    assert len(house.rings) == 2
