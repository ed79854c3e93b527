"""What a process that lives long keeps of each change that is over: its records, and nothing that could be made again.

Counted in objects of ours, because megabytes say what the allocator does. A number that rises here is memory that
everybody pays for every change, for ever: raise it only with a reason.
"""

import gc
from collections import Counter
from dataclasses import dataclass

import pytest

from reconciler.app import desire
from reconciler.forges.embedded.ledger import Ledger
from tests.story.stage import Stage

WARM = 3  # changes that fill what has a bound
SIDES = 2  # kept by each person and the reconciler, so that three changes fill them and not seventeen
DERIVED = ("reconciler.specs.", "reconciler.plan.")
RECORDS = 90  # of one change, folded: thirteen records of the forge and a dozen events, with what is in them


@dataclass(frozen=True, slots=True)
class Kept:
    """By class of ours how many more are alive after one change more, and readers of the log that nobody has."""

    more: Counter[str]
    readers: int


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desire, "KEPT_SIDES", SIDES)
        stage = Stage.build(tmp_path_factory.mktemp("keeping") / "world")
        try:
            stage.accept_first()
            for number in range(WARM):
                carry_out(stage, f"v3.{number}.0")
            before, readers = alive(), alive_readers()
            gc.disable()  # in a process that lives long it comes by late
            carry_out(stage, "v4.0.0")
            more_readers = alive_readers() - readers
            return Kept(alive() - before, more_readers)
        finally:
            gc.enable()
            stage.world.close()


def carry_out(stage: Stage, tag: str) -> None:
    pull = stage.propose(tag=tag)
    stage.approve(pull)
    stage.merge(pull)
    assert stage.image() == tag


def alive() -> Counter[str]:
    """Objects of ours that something refers to, by class."""
    gc.collect()
    names = (f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return Counter(name for name in names if name.startswith("reconciler."))


def alive_readers() -> int:
    """Also those that wait for the collector."""
    return sum(isinstance(one, Ledger) for one in gc.get_objects())


def test_a_change_that_is_over_leaves_its_records(kept: Kept) -> None:
    assert kept.more["reconciler.state.event.Event"] > 0
    assert kept.more.total() <= RECORDS, kept.more


def test_a_change_that_is_over_leaves_nothing_that_could_be_made_again(kept: Kept) -> None:
    """Else whole desired states, and plans with what they were made of, stand for ever."""
    assert {name: count for name, count in kept.more.items() if name.startswith(DERIVED)} == {}


def test_people_who_come_and_go_leave_no_copy_of_the_log_behind(kept: Kept) -> None:
    assert kept.readers == 0
