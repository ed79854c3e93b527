"""Every answer of an API server that is no yes, at every request of every scene; once, and until it is taken away.

A few by default; `pytest tests/faults/test_sweep.py --faults all` is every one of them (hours: choose with -k).
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import pytest

from tests.failpoints.scenes import SCENES
from tests.failpoints.theatre import Theatre
from tests.faults.refusing import Fault
from tests.faults.sweep import Sweep, refusing_world
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture

SWEPT = (
    *("release", "canary", "blue-green", "recreate", "replace", "autoscaled"),
    *("adoption", "left", "removal", "removed", "let-go"),
    *("way-back", "no-way-back", "reverted"),
)


class Blow(NamedTuple):
    """A scene, what it meets, whether that lasts, and around which of its requests; 0: each in turn."""

    scene: str
    fault: Fault
    lasts: bool
    number: int = 0

    def __str__(self) -> str:
        return f"{self.scene}-{self.fault}-{'lasts' if self.lasts else 'once'}-{self.number or 'each'}"


TEST = "test_f17_an_answer_that_is_no_yes_is_never_a_false_success_and_one_word_finishes"
ALL = {TEST: [Blow(name, fault, lasts=lasts) for name in SWEPT for fault in Fault for lasts in (False, True)]}
SOME = {
    TEST: [
        Blow("canary", Fault.DENIED, lasts=False, number=11),
        Blow("canary", Fault.AWAY, lasts=True, number=50),
    ]
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    with Theatre.opened(tmp_path_factory.mktemp("sweep"), refusing_world) as theatre:
        yield Sweep(theatre)


def test_f17_an_answer_that_is_no_yes_is_never_a_false_success_and_one_word_finishes(sweep: Sweep, spot: Blow) -> None:
    assert spot.scene in SCENES
    found = []
    for number in (spot.number,) if spot.number else count(1):
        try:
            found += [f"{number}: {one}" for one in sweep.struck(spot.scene, spot.fault, number, lasts=spot.lasts)]
        except LookupError:
            assert number > 1, "it met nothing"
            assert not spot.number
            break
    if found:
        pytest.fail("\n".join(found), pytrace=False)
