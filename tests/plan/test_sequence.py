"""What waits for what, unit by unit: directly, so that names which mean two things and removals are all seen."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.errors import Refused
from reconciler.names import Digest, UnitRef
from reconciler.plan.ask import PlanAsk, Side
from reconciler.plan.change import Action, ActionKind
from reconciler.plan.guards import PruneLimits
from reconciler.plan.order import batches_of
from reconciler.plan.part import Part, Step
from reconciler.plan.sequence import in_batches
from reconciler.plan.units import Unit
from reconciler.specs.desired import Desired
from tests.plan.said import release


def part(unit: str, *steps: tuple[int, str]) -> Part:
    """A unit's steps; one by default."""
    return Part(
        steps=tuple(
            Step(phase, Action(id=name, kind=ActionKind.APPLY_OBJECT, unit=unit, target="cluster/one"))
            for phase, name in steps or ((0, unit),)
        )
    )


def needing(links: Mapping[str, str]) -> Desired:
    """Releases by name, each with the one it depends on."""
    return Desired(releases={name: release(name, dependsOn=[on] if on else []) for name, on in links.items()})


def batches(
    units: Mapping[str, Part] | list[str], *, removed: str = "", now: Any = None, before: Any = None
) -> list[list[str]]:
    """The actions of each batch, where the words of `removed` are the units that go."""
    given = units if isinstance(units, dict) else {name: part(name) for name in units}
    parts = {UnitRef.parse(name): one for name, one in given.items()}
    stay = {ref: Unit(ref, "dev", {}, Digest("0" * 64)) for ref in parts if str(ref) not in removed.split()}
    old = Side(needing(before or {}))
    ask = PlanAsk(
        environment="dev", units=tuple(parts), proposed=Side(needing(now or {}), stay),
        accepted=dict.fromkeys(parts, old), accepted_at={}, observed=None, bundles={}, known_uids={},
        limits=PruneLimits(), key=b"",
    )  # fmt: skip
    return [[action.id for action in batch] for batch in in_batches(ask, parts)]


LAYERS = ["policy/policy", "environment/a", "cluster/a", "release/a"]


def test_what_carries_others_is_made_first_and_removed_last() -> None:
    assert batches(LAYERS) == [[name] for name in LAYERS]
    assert batches(LAYERS, removed=" ".join(LAYERS)) == [[name] for name in LAYERS[::-1]]


@pytest.mark.parametrize("gone", LAYERS[1:])
@pytest.mark.parametrize("kept", LAYERS[1:])
def test_what_goes_and_what_stays_do_not_wait_for_each_other(gone: str, kept: str) -> None:
    gone = gone.replace("/a", "/b")
    assert batches([gone, kept], removed=gone) == [sorted([gone, kept])]


def test_phases_are_done_in_the_order_of_their_numbers_and_a_phase_in_that_of_its_actions() -> None:
    steps = part("release/a", (8, "z"), (8, "x"), (0, "c"), (8, "y"), (0, "b"))
    assert batches({"release/a": steps}) == [["b", "c"], ["x", "y", "z"]]


def test_a_release_waits_only_for_those_in_the_same_plan() -> None:
    assert batches(["release/a"], now={"a": "elsewhere"}) == [["release/a"]]


def test_a_release_that_stays_waits_for_what_it_needs_now_and_not_for_what_needed_it() -> None:
    units = ["release/a", "release/b"]
    assert batches(units, now={"a": "", "b": ""}, before={"a": "b", "b": ""}) == [units]
    assert batches(units, now={"a": "b", "b": ""}, before={"a": "b", "b": ""}) == [units[1:], units[:1]]


def test_a_release_that_goes_waits_for_what_needed_it() -> None:
    units = ["release/a", "release/b"]
    assert batches(units, removed="release/b", now={"a": ""}, before={"a": "b"}) == [[name] for name in units]
    assert batches(units, removed=" ".join(units), before={"a": "b"}) == [[name] for name in units]


def test_a_release_that_named_itself_can_still_go() -> None:
    assert batches(["release/a"], removed="release/a", before={"a": "a"}) == [["release/a"]]


@pytest.mark.parametrize("other", ["environment", "cluster"])
def test_what_a_release_needs_is_not_waited_for_by_others_of_its_name(other: str) -> None:
    named = f"{other}/a"
    assert batches([named, "release/b"], now={"a": "b", "b": ""}) == [[named], ["release/b"]]
    assert batches([named, "release/b"], removed="release/b", before={"a": "b"}) == [[named, "release/b"]]
    assert batches([named, "release/b"], removed=named, now={"b": ""}, before={"b": "a"}) == [[named, "release/b"]]


def test_what_is_no_node_is_not_waited_for_and_a_batch_is_in_order() -> None:
    names = [*"qwertzuiopasdfghjklyxcvbnm"]
    assert batches_of({name: ["elsewhere"] for name in names}) == (tuple(sorted(names)),)


def test_a_circle_is_refused() -> None:
    with pytest.raises(Refused, match="dependency cycle"):
        batches(["release/a", "release/b"], now={"a": "b", "b": "a"})
