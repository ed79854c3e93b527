"""A comment asks only with a line that everybody sees as one; it never approves, and what it repeats does nothing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from reconciler import catalogue
from reconciler.errors import Refused
from reconciler.report.comment_commands import ANSWERS, LONGEST, Ask, Asked, answer, explain, parse, refusal
from reconciler.report.phrases import Locale
from reconciler.state.forge import Comment

from .markdown import dangers, skeleton
from .test_neutral import TEXT

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "comments.yaml").read_text("utf-8"))


def said(body: str, **flags: bool) -> Asked | None:
    return parse(Comment("c1", "dev_user", body, datetime(2026, 1, 1, tzinfo=UTC), **flags))


@pytest.mark.parametrize("case", CASES, ids=[repr(case["body"]) for case in CASES])
def test_a_comment_asks(case: dict[str, Any]) -> None:
    expected = Asked(Ask(case["asks"]), case.get("key", ""), case.get("unknown", "")) if "asks" in case else None
    assert said(case["body"], **case.get("flags", {})) == expected


def test_a_comment_longer_than_is_read_asks_nothing() -> None:
    assert said("/reconciler retry\n" + "x" * LONGEST) is None
    assert said("/reconciler retry\n" + "x" * (LONGEST - 100)) == Asked(Ask.RETRY)


@given(TEXT)
def test_no_text_makes_reading_a_comment_fail(text: str) -> None:
    asked = said(f"{text}\n/reconciler {text}")
    assert asked is None or asked.ask in Ask


@given(TEXT)
def test_t27_what_was_not_understood_is_repeated_as_code_only(text: str) -> None:
    shown = answer(Asked(Ask.HELP, unknown=f"/reconciler {text}"))
    assert not dangers(shown)
    assert skeleton(shown) == skeleton(answer(Asked(Ask.HELP, unknown="/reconciler x")))


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("ask", Ask)
def test_every_command_has_an_answer_in_every_language(ask: Ask, locale: Locale) -> None:
    assert ANSWERS[locale].asks[ask]
    shown = answer(Asked(ask, key="preview_expired" if ask is Ask.EXPLAIN else ""), locale)
    assert "{" not in shown
    assert not dangers(shown)
    assert (locale is Locale.ZH) == any("\u4e00" <= character <= "\u9fff" for character in shown)


def test_help_names_every_command_and_that_a_comment_never_approves() -> None:
    shown = answer(Asked(Ask.HELP))
    assert all(f"`/reconciler {ask}" in shown for ask in Ask)
    assert "never approves" in shown


@pytest.mark.parametrize("key", catalogue.errors())
def test_every_key_is_explained_with_its_code(key: str) -> None:
    shown = explain(key)
    assert shown.startswith(f"`{key}` ({catalogue.errors()[key].code}): ")
    assert len(shown.split(": ", 1)[1]) > 10


def test_a_refusal_names_key_code_and_what_to_do() -> None:
    error = Refused("retrying svc-a: @dev_user has no apply", key="permission_denied", hint="ask an operator")
    assert refusal(error) == (
        "Not done: `permission_denied` (36001): `retrying svc-a: @dev_user has no apply`. `ask an operator`\n"
    )
