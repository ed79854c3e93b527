"""What is left to others, over JSON: what a dry run is asked with, and what it would change all the same."""

from typing import Any

import pytest

from reconciler.kube import marks
from reconciler.kube.handing_over import as_it_stands, moved
from reconciler.specs.ways import Way

LEVEL: Way = ("data", "level")
SIZE: Way = ("data", "size")
SENT = {"kind": "ConfigMap", "data": {"level": "warn"}}


def live(manager: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:data": {"f:level": {}}}
    entry = {"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return {"metadata": {"managedFields": [entry]}, "data": {"level": "info", "size": "1"}}


@pytest.mark.parametrize(
    ("manager", "asked"),
    [(marks.FIELD_MANAGER, {"kind": "ConfigMap", "data": {"level": "info"}}), ("somebody", {"kind": "ConfigMap"})],
)
def test_a_dry_run_is_asked_with_what_we_hold_as_it_stands(manager: str, asked: dict[str, Any]) -> None:
    assert as_it_stands(SENT, (LEVEL, SIZE), live(manager)) == asked


def test_what_an_answer_would_change_all_the_same_is_named() -> None:
    """Such as by a webhook."""
    before = live("somebody")
    assert moved((LEVEL, SIZE), before, before) == ""
    assert moved((LEVEL, SIZE), before, {"data": {"level": "info"}}) == "data.size"
    assert moved((LEVEL, SIZE), before, {**before, "data": {"level": "x", "size": "1"}}) == "data.level"
