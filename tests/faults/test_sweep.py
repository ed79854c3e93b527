"""Every answer of an API server that is no yes, at every request of every scene; once, and until it is taken away.

A few by default; `pytest tests/faults/test_sweep.py --faults all` is every one of them (hours: choose with -k), but of
ways back by steps (`-k "way-back or reverted"`) what choice.py says; `--faults every` is every one of those, too.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import count
from typing import NamedTuple

import pytest

from tests.failpoints.scenes import SCENES
from tests.failpoints.theatre import Theatre
from tests.faults.choice import Among, everything, in_turn
from tests.faults.near_git import near_git
from tests.faults.refusing import Fault
from tests.faults.sweep import Sweep, refusing_world
from tests.faults.ways import BY_STEPS

SWEPT = (
    *("release", "canary", "blue-green", "recreate", "replace", "autoscaled"),
    *("adoption", "left", "removal", "removed", "let-go"),
    *sorted(BY_STEPS),
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
def sweep(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Sweep]:
    near = near_git() if request.config.getoption("--faults") == "all" else nullcontext()
    with near, Theatre.opened(tmp_path_factory.mktemp("sweep"), refusing_world) as theatre:
        yield Sweep(theatre)


def test_f17_an_answer_that_is_no_yes_is_never_a_false_success_and_one_word_finishes(
    sweep: Sweep, spot: Blow, request: pytest.FixtureRequest
) -> None:
    assert spot.scene in SCENES
    found = []
    for among in _among(spot, every=request.config.getoption("--faults") == "every"):
        for number in (spot.number,) if spot.number else filter(among.due, count(1)):
            try:
                struck = sweep.struck(spot.scene, spot.fault, number, lasts=spot.lasts, counts=among.counts)
                found += [f"{number}: {one}" for one in struck]
            except LookupError:
                assert number > 1, "it met nothing"
                assert not spot.number
                break
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def _among(spot: Blow, *, every: bool) -> Iterator[Among]:
    if every or spot.number or spot.scene not in BY_STEPS:
        return everything(spot.fault)
    return in_turn(spot.fault, SWEPT.index(spot.scene) + spot.lasts)
