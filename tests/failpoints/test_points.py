"""The table of points against the code: whatever writes through a port can be killed before and after it."""

import importlib
from typing import Any

import pytest

from tests.failpoints.conftest import Playbill
from tests.failpoints.points import PLACES, READS, STEPS, Kill, Point, Side, port_methods
from tests.failpoints.scenes import SCENES


def test_every_port_method_that_writes_has_a_point() -> None:
    assert port_methods() - READS == set(Point) - STEPS


def test_what_is_named_as_a_read_is_a_method_of_a_port() -> None:
    assert port_methods() >= READS


@pytest.mark.parametrize("point", Point)
def test_every_point_is_a_method_that_exists(point: Point) -> None:
    module, _, path = PLACES[point].owner.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    assert callable(found)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("point", Point)
def test_a_kill_reads_back_as_it_is_written(point: Point, side: Side) -> None:
    kill = Kill(side, point, 7)
    assert Kill.parse(str(kill)) == kill


@pytest.mark.parametrize("name", ["preview", "release"])
def test_a_scene_reaches_exactly_the_points_that_it_names(playbill: Playbill, name: str) -> None:
    _, reached, _ = playbill.played(SCENES[name])
    parsed = {Point.STEP_CACHE}  # depends on what this process has read before
    assert set(reached) | parsed == SCENES[name].reaches | parsed
