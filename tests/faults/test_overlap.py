"""Two reconcilers of which one is slow, at every request of a canary and a blue-green version.

A few by default; `pytest tests/faults/test_overlap.py --faults all` is every write, and every answer.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import count
from typing import NamedTuple

import pytest

from reconciler.kube import client
from tests.failpoints.theatre import Theatre
from tests.faults.near_git import near_git
from tests.faults.overlap import ACTS, WAIT, overlapped
from tests.faults.sweep import Sweep, refusing_world


class Between(NamedTuple):
    """In which scene the second one does what, while the first one's request or answer is on its way; 0: each."""

    scene: str
    act: str
    answered: bool
    number: int = 0

    def __str__(self) -> str:
        return f"{self.scene}-{self.act}-{'answer' if self.answered else 'write'}-{self.number or 'each'}"


TEST = "test_g25_of_two_reconcilers_the_slow_one_undoes_nothing_and_says_nothing_wrong"
BY_STEPS = ("way-back", "no-way-back", "reverted")
ALL = {
    TEST: [
        Between(scene, act, answered=answered)
        for scene in ("canary", "blue-green", "release", "replace", *BY_STEPS)
        for act in ACTS
        for answered in (False, True)
        if act != "newer" or scene in {"canary", "blue-green"}
        if act == "same" or scene not in BY_STEPS
    ]
}
SOME = {TEST: [Between("canary", "same", answered=False, number=4)]}  # the canary is made


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Sweep]:
    """Whoever is slow waits for an answer, however busy this machine is: one that gave up is another fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "READ_SECONDS", WAIT)
        patch.setattr(client, "ANSWER_SECONDS", WAIT)
        near = near_git() if request.config.getoption("--faults") == "all" else nullcontext()
        with near, Theatre.opened(tmp_path_factory.mktemp("overlap"), refusing_world) as theatre:
            yield Sweep(theatre)


def test_g25_of_two_reconcilers_the_slow_one_undoes_nothing_and_says_nothing_wrong(sweep: Sweep, spot: Between) -> None:
    found = []
    reads = spot.answered and spot.act != "back"  # before the first write there is nothing to turn back
    for number in (spot.number,) if spot.number else count(1):
        try:
            found += [
                f"{number}: {one}"
                for one in overlapped(sweep, spot.scene, spot.act, number, answered=spot.answered, reads=reads)
            ]
        except LookupError:
            assert number > 1, "nothing was on its way"
            assert not spot.number
            break
    if found:
        pytest.fail("\n".join(found), pytrace=False)
