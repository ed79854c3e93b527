"""Which fields a change is made of (G9): every leaf that differs, in an order a reader can follow, and no other."""

from typing import Any

import pytest

from reconciler.plan.diff import diff, same

Fields = list[tuple[str, Any, Any]]

ONE = {"name": "one", "image": "v1"}
TWO = {"name": "two", "image": "v1"}
CASES: dict[str, tuple[Any, Any, Fields]] = {
    "equal": ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, []),
    "a leaf": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, [("a.b", 1, 3)]),
    "old keys first, each once": (
        {"z": 1, "b": 1},
        {"a": 2, "b": 2, "z": 2},
        [("z", 1, 2), ("b", 1, 2), ("a", None, 2)],
    ),
    "a key that is gone": ({"a": 1}, {}, [("a", 1, None)]),
    "another kind of value": ({"a": {"b": 1}}, {"a": [1]}, [("a", {"b": 1}, [1])]),
    "a list becomes a mapping": ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
    "a list becomes a word": ({"a": [1]}, {"a": "x"}, [("a", [1], "x")]),
    "a word becomes a list": ({"a": "x"}, {"a": [1]}, [("a", "x", [1])]),
    "a mapping becomes a word": ({"a": {"b": 1}}, {"a": "x"}, [("a", {"b": 1}, "x")]),
    "a word becomes a mapping": ({"a": "x"}, {"a": {"b": 1}}, [("a", "x", {"b": 1})]),
    "keys that are no words": ({1: "a"}, {1: "b"}, [("1", "a", "b")]),
    "items by position": ([1, 2], [1, 3], [("[1]", 2, 3)]),
    "items more": ([1], [1, 2, 3], [("[1]", None, 2), ("[2]", None, 3)]),
    "items fewer": ([1, 2], [1], [("[1]", 2, None)]),
    "tuples are lists": ((1, 2), [1, 2], []),
    "a container in front": ([ONE], [TWO, ONE], [("[name=two]", None, TWO)]),
    "containers in another order": ([ONE, TWO], [TWO, ONE], []),
    "a container that is gone": ([ONE, TWO], [TWO], [("[name=one]", ONE, None)]),
    "containers that differ": (
        {"c": [ONE, TWO]},
        {"c": [{**TWO, "image": "v2"}, ONE]},
        [("c[name=two].image", "v1", "v2")],
    ),
    "names twice before": ([ONE, {**ONE, "image": "v2"}], [ONE], [("[1]", {**ONE, "image": "v2"}, None)]),
    "names twice after": ([ONE], [ONE, {**ONE, "image": "v2"}], [("[1]", None, {**ONE, "image": "v2"})]),
    "one item without a name": ([ONE, {"x": 1}], [{"x": 1}, ONE], [
        ("[0].name", "one", None), ("[0].image", "v1", None), ("[0].x", None, 1),
        ("[1].x", 1, None), ("[1].name", None, "one"), ("[1].image", None, "v1"),
    ]),
    "a name that is no word": ([{"name": 1}], [{"name": 2}], [("[0].name", 1, 2)]),
    "yes is not one": ({"a": 1}, {"a": True}, [("a", 1, True)]),
    "nothing is not absent from a list": ([None], [], []),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES.keys())
def test_g9_a_change_is_every_leaf_that_differs_and_no_other(before: Any, after: Any, expected: Fields) -> None:
    assert [(change.path, change.before, change.after) for change in diff(before, after)] == expected


def test_a_path_begins_where_the_caller_says() -> None:
    assert [change.path for change in diff({"a": 1}, {"a": 2}, "spec")] == ["spec.a"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        (True, True, True),
        ("a", "b", False),
        (None, False, False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({}, [], False),
        ([], {}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], (1, 2), True),
        ([1, 2], [1], False),
        ([1], [1, 2], False),
        ([1, 2], [1, 3], False),
        ([1], [True], False),
        ([[True]], [[1]], False),
        ([], "", False),
        ("", [], False),
    ],
)
def test_g9_equal_is_equal_as_json(one: Any, other: Any, *, equal: bool) -> None:
    assert same(one, other) is equal
