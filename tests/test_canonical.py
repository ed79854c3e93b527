"""Canonical JSON is RFC 8785, whichever way it is written: a digest must never depend on how fast it was made."""

from enum import IntEnum, StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.canonical import canonical_json

SAFE = 2**53 - 1


class Word(StrEnum):
    ONE = "one"


class Number(IntEnum):
    TWO = 2


TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(
    'ab"\\/\b\f\n\r\t\x00\x1f\x7f\x80é\ue000\U0001f600', max_size=8
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from([Word.ONE, Number.TWO, 1.0, -0.0, 1e21, 1e-7])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=20
)


@settings(max_examples=400)
@given(VALUES)
def test_it_is_what_the_reference_writes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


def test_keys_stand_in_the_order_of_utf_16() -> None:
    assert canonical_json({"\ue000": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize("number", [SAFE, SAFE + 1, -SAFE, -SAFE - 1, 10**30])
def test_integers_that_no_double_holds_keep_their_digits_as_text(number: int) -> None:
    written = str(number) if abs(number) <= SAFE else f'"{number}"'
    assert canonical_json([number]) == f"[{written}]".encode()


def test_tuples_are_arrays_and_keys_become_text() -> None:
    assert canonical_json({1: (1, "x"), Word.ONE: ()}) == b'{"1":[1,"x"],"one":[]}'


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", {"a": "\ud800"}, {"\ud800": 1}, b"x", {1.5}, object()]
)
def test_what_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json(value)
    with pytest.raises(ValueError, match=r"."):
        canonical_json({"in": [value]})
