"""Which pins of a release count first: those of what runs, also after a return."""

from types import SimpleNamespace
from typing import cast

import pytest

from reconciler.app.standing import Standing
from reconciler.machine.entry import Accepted
from reconciler.machine.states import UnitState
from reconciler.names import Digest, Revision, UnitRef
from reconciler.plan.change import ImagePin
from reconciler.plan.make import Side

UNIT, IMAGE = "release/app", "registry.example.com/app:v1"
NEWER, OLDER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def accepted(digest: str, **more: bool) -> Accepted:
    pins = (ImagePin(image=IMAGE, digest=digest),)
    return Accepted(unit=UNIT, artifact=Digest("a" * 64), revision=Revision("b" * 40), pins=pins, **more)


def stands(state: UnitState) -> str | None:
    side = cast(Side, SimpleNamespace(desired=SimpleNamespace(sources={}, releases={})))
    return Standing({UNIT: state}, lambda _: side, side, ()).of(UnitRef.parse(UNIT), frozenset({IMAGE})).get(IMAGE)


@pytest.mark.parametrize(
    ("outcome", "digest"), [("", NEWER), ("applied", NEWER), ("failed", NEWER), ("rolled_back", OLDER)]
)
def test_what_went_back_runs_what_it_went_back_to(outcome: str, digest: str) -> None:
    assert stands(UnitState(accepted(NEWER), "prod", 2, outcome, accepted(OLDER))) == digest


def test_of_what_is_suspended_nothing_was_done() -> None:
    assert stands(UnitState(accepted(NEWER, suspended=True), "prod", 2, "no_change", accepted(OLDER))) == OLDER
