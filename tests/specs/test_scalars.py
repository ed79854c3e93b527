"""A plain scalar has one meaning in every YAML, or it is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.specs.scalars import Unclear, typed

_CORE: tuple[tuple[str, Callable[[str], Any]], ...] = (  # https://yaml.org/spec/1.2.2/#1032-tag-resolution
    (r"null|Null|NULL|~|", lambda _: None),
    (r"(true|True|TRUE)|(false|False|FALSE)", lambda text: text.lower() == "true"),
    (r"[-+]?[0-9]+", int),
    (r"0o[0-7]+", lambda text: int(text[2:], 8)),
    (r"0x[0-9a-fA-F]+", lambda text: int(text[2:], 16)),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?(\.inf|\.Inf|\.INF)", lambda text: float(text.replace(".", ""))),
    (r"\.nan|\.NaN|\.NAN", lambda text: float(text.replace(".", ""))),
)
UNCLEAR = """
    y Y n N yes No NO on OFF Off 22:22 1:30:00 010 -017 0o17 0x1F 0b11 1_000 1_0.5 1e3 1.5E+3 .5 5. 0_1 .inf -.INF .NaN
    2001-01-01 2001-1-1 2001-12-14t21:59:43.10-05:00 = 9223372036854775808 00:11:22:33:44:55 0777 1.0e+3 08
"""
PLAIN_TEXT = "no-op v1.2.3 1.2.3 10.0.0.1:22 yesterday 30s 7d https://a:1 - e3 1.30.1-x on-demand 12-5 +x .x"


def yaml_1_2(text: str) -> Any:
    for pattern, value in _CORE:
        if re.fullmatch(pattern, text, re.ASCII):
            return value(text)
    return text


def yaml_1_1(text: str) -> Any:
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return loader.construct_object(yaml.ScalarNode(tag, text), deep=True)


@pytest.mark.parametrize("text", UNCLEAR.split())
def test_a_value_that_readers_disagree_about_is_refused(text: str) -> None:
    assert isinstance(typed(text), Unclear)


@pytest.mark.parametrize("text", PLAIN_TEXT.split())
def test_ordinary_text_needs_no_quotes(text: str) -> None:
    assert typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("true", True), ("False", False), ("0", 0), ("-12", -12), ("+5", 5), ("3.14", 3.14)],
)
def test_what_all_readers_agree_about_has_a_type(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@given(st.text(alphabet="0123456789_.:+-eExXoObBaAfFyYnNtTrRuUlLsSiI~=Z ", max_size=12).map(str.strip))
@example("0.1_")
@example("1__0")
@example("190:20:30.15")
@example("0b0_1")
@example("0.")
@example("00.5")
def test_a_value_that_is_accepted_means_the_same_in_both_versions_of_yaml(text: str) -> None:
    value = typed(text)
    if isinstance(value, Unclear):
        return
    for reading in (yaml_1_1, yaml_1_2):
        try:
            other = reading(text)
        except ValueError as error:
            raise AssertionError(f"{text!r} is accepted, and {reading.__name__} fails: {error}") from None
        assert other == value, (text, reading.__name__)
        assert type(other) is type(value), (text, reading.__name__)


@pytest.mark.parametrize("digits", [20, 5_000, 200_000])
def test_a_huge_number_costs_nothing_and_is_refused(digits: int) -> None:
    assert isinstance(typed("9" * digits), Unclear)
