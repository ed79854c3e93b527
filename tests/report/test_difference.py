"""Field changes as lines: short for a reader, and never the same for two values that differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.change import FieldChange
from reconciler.plan.diff import same
from reconciler.report import difference
from reconciler.report.difference import lines_of
from reconciler.report.neutral import fence

from .test_event import JSON
from .test_neutral import TEXT

LEAVES = st.none() | st.booleans() | st.integers() | TEXT | JSON


def of(before: Any, after: Any, path: str = "a.b") -> list[str]:
    return lines_of([FieldChange(path=path, before=before, after=after)])


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("v1", "v2", ["- a.b: v1", "+ a.b: v2"]),
        (1, "1", ["- a.b: 1", '+ a.b: "1"']),
        (True, "true", ["- a.b: true", '+ a.b: "true"']),
        ("2.0.1", "", ['- a.b: 2.0.1', '+ a.b: ""']),
        (None, 3, ["+ a.b: 3"]),
        (3, None, ["- a.b: 3"]),
        (None, {"b": [1, {"c": "x"}], "a": {}}, [
            "+ a.b:", "+   a: {}", "+   b:", "+     [0]: 1", "+     [1]:", "+       c: x"
        ]),
        ("x\ny\n", "x\nz\n", ["  a.b:", "    x", "-   y", "+   z"]),
        ("x\n", "x", ["  a.b:", "    x", "-   "]),
        (None, "x\ny", ["+ a.b: |", "+   x", "+   y"]),
        (f"<secret {'a' * 32}>", f"<secret {'b' * 32}>", ["- a.b: <secret aaaaaaaa>", "+ a.b: <secret bbbbbbbb>"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_change_reads_as(before: Any, after: Any, lines: list[str]) -> None:
    assert of(before, after) == lines


def test_a_whole_object_has_no_path_of_its_own() -> None:
    assert of(None, {"spec": {"replicas": 2}}, path="") == ["+ spec:", "+   replicas: 2"]


def test_only_the_changed_place_of_a_long_text_is_shown_with_its_line() -> None:
    before = "\n".join(str(n) for n in range(1000))
    shown = of(before, before.replace("\n500\n", "\nfive hundred\n"))
    assert shown[1] == "@   line 498"
    assert "-   500" in shown
    assert len(shown) == 10


def test_a_difference_far_inside_a_long_line_is_shown() -> None:
    before = "x" * 100_000
    old, new = of(before + "a", before + "b")
    assert old == "- a.b: [99960 the same] " + "x" * 40 + "a"
    assert new.endswith("x" * 40 + "b")


def test_a_text_too_large_to_compare_is_shown_as_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference, "COMPARED", 3)
    assert of("a\nb", "a\nc") == ["  a.b:", "-   a", "-   b", "+   a", "+   c"]


@given(LEAVES, LEAVES)
def test_t28_two_values_that_differ_never_look_the_same(before: Any, after: Any) -> None:
    if same(before, after):
        return
    shown = of(before, after)
    removed = [line[1:] for line in fence(shown).splitlines() if line.startswith("-")]
    added = [line[1:] for line in fence(shown).splitlines() if line.startswith("+")]
    assert removed != added
