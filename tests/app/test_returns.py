"""Which units go back together, and after whom: by what their old versions depend on."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest

from reconciler.app.returns import in_turns
from reconciler.machine.entry import Accepted
from reconciler.names import Revision
from reconciler.plan.ask import Side
from reconciler.specs.desired import Desired
from tests.app.test_going_back import accepted
from tests.plan.said import release

# releases with the commit that each goes back to and what it depends on there; the parts that go back, in order
TURNS: Mapping[str, tuple[Mapping[str, tuple[int, Sequence[str]]], list[str]]] = {
    "of one commit": ({"a": (1, ["b"]), "b": (1, []), "c": (1, [])}, ["a b c"]),
    "of several, by name": ({"b": (1, []), "c": (2, []), "a": (3, [])}, ["a", "b", "c"]),
    "what a later name says": ({"a": (1, ["b"]), "b": (2, [])}, ["b", "a"]),
    "what an earlier name says": ({"a": (2, []), "b": (1, ["a"])}, ["a", "b"]),
    "beside what waits for nothing": ({"a": (1, ["b"]), "b": (2, []), "c": (1, [])}, ["c", "b", "a"]),
    "a chain through two commits": ({"a": (1, ["b"]), "b": (2, ["c"]), "c": (1, [])}, ["c", "b", "a"]),
    "what waits with what waits": ({"a": (1, ["b"]), "b": (1, ["c"]), "c": (2, [])}, ["c", "a b"]),
    "of what does not go back": ({"a": (1, ["elsewhere"]), "b": (2, [])}, ["a", "b"]),
    "in a circle that never stood": ({"a": (1, ["b"]), "b": (2, ["a"]), "c": (2, ["b"])}, ["a", "b c"]),
}


@pytest.mark.parametrize(("given", "turns"), TURNS.values(), ids=TURNS)
def test_what_a_release_depends_on_goes_back_before_it(
    given: Mapping[str, tuple[int, Sequence[str]]], turns: list[str]
) -> None:
    def at(revision: Revision) -> Side:
        here = {name: on for name, (number, on) in given.items() if number == int(revision, 16)}
        return Side(Desired(releases={name: release(name, dependsOn=[*on]) for name, on in here.items()}))

    units = [accepted(number, f"release/{name}") for name, (number, _) in given.items()]
    for order in permutations(units):
        found: list[tuple[Accepted, ...]] = [*in_turns(order, at)]
        assert [" ".join(one.unit.removeprefix("release/") for one in part) for part in found] == turns
        assert all(len({one.revision for one in part}) == 1 for part in found)


def test_only_releases_depend_on_something() -> None:
    sides = {1: Side(Desired(releases={"a": release("a", dependsOn=["b"])})), 2: Side(Desired())}
    units = [accepted(1, "cluster/a"), accepted(2, "release/b"), accepted(2, "release/gone")]
    found = in_turns(units, lambda revision: sides[int(revision, 16)])
    assert [[one.unit for one in part] for part in found] == [["cluster/a"], ["release/b", "release/gone"]]
