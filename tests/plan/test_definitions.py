"""A definition that moved from templates/ to crds/ outlives its release: deleting it deletes everything of its kind."""

from dataclasses import replace

import pytest

from reconciler.names import UnitRef
from reconciler.plan.change import Operation
from reconciler.plan.make import Side
from reconciler.specs.chart import ONCE
from reconciler.specs.rendering import Unrendered
from tests.plan.world import WEB, Files, operations, plan, seen

PATH = "apps/web/crd.yaml"
SUBJECT = "CustomResourceDefinition.apiextensions.k8s.io widgets.example.com"
PLAIN = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: []}
"""
IN_CRDS = PLAIN.replace("{name", f"{{annotations: {dict(ONCE)}, name")


def removed(accepted: Side, live: Side, wanted: Side, unit: UnitRef = WEB) -> Operation:
    """What becomes of the definition, where `live` stands and another version was accepted after it."""
    return operations(plan(wanted, accepted, units=[unit], observed=seen(wanted, live)))[SUBJECT]


@pytest.fixture
def versions(files: Files) -> tuple[Side, Side, Side, Side]:
    """In templates/, then in crds/, then in neither; and without the release."""
    first, then = (files.but({PATH: text}).side for text in (PLAIN, IN_CRDS))
    gone = files.but({"web.yaml": None}).side
    return first, then, files.side, gone


def test_it_stays_when_the_release_goes_and_when_the_chart_drops_it(versions: tuple[Side, Side, Side, Side]) -> None:
    first, then, dropped, gone = versions
    assert removed(then, first, gone) is Operation.FORGET
    assert removed(then, first, dropped) is Operation.FORGET


def test_one_of_templates_goes_with_its_release_as_any_other(versions: tuple[Side, Side, Side, Side]) -> None:
    first, _, dropped, gone = versions
    assert removed(first, first, gone) is Operation.DELETE
    assert removed(first, first, dropped) is Operation.DELETE


def test_where_nobody_can_say_where_it_lay_it_stays(versions: tuple[Side, Side, Side, Side]) -> None:
    first, _, _, gone = versions
    why = Unrendered("validation_error", "the tool is missing")
    source = replace(first.desired.sources["web"], objects=(), unrendered=why)
    unknown = Side(replace(first.desired, sources={"web": source}), first.units)
    assert removed(unknown, first, gone) is Operation.FORGET
