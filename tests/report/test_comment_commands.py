"""A comment asks only with a line that everybody sees as one; it never approves, and what it repeats does nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from reconciler import catalogue
from reconciler.errors import Refused
from reconciler.report.comment_commands import (
    ANSWERS,
    LONGEST,
    MOST,
    WINDOW,
    Ask,
    Asked,
    answer,
    explain,
    heard,
    parse,
    refusal,
)
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


AT = datetime(2026, 1, 1, tzinfo=UTC)


def asking(number: int, author: str, seconds: float, body: str = "/reconciler help") -> Comment:
    return Comment(f"c{number}", author, body, AT + timedelta(seconds=seconds))


def known(login: str) -> str | None:
    """Two accounts of one person, a bot, and nobody."""
    return {"ann": "ann", "ann-at-home": "ann", "ben": "ben", "helper": None}.get(login, "")


def ids(comments: list[Comment]) -> tuple[list[str], list[str]]:
    found = list(heard(comments, known))
    return [one.comment.id for one in found if not one.too_many], [one.comment.id for one in found if one.too_many]


def test_who_asks_too_often_is_told_once_and_heard_again_later() -> None:
    flood = [asking(number, "ann", number) for number in range(40)]
    later = asking(99, "ann", 39 + WINDOW.total_seconds())
    assert ids([*flood, later]) == ([f"c{number}" for number in range(MOST)] + ["c99"], [f"c{MOST}"])


def test_a_flood_keeps_nobody_else_from_being_heard() -> None:
    flood = [asking(number, "ann", 0) for number in range(MOST + 20)]
    assert ids([*flood, asking(99, "ben", 1)])[0][-1] == "c99"


def test_accounts_of_one_person_and_those_of_nobody_count_together() -> None:
    own = [asking(number, ("ann", "ann-at-home")[number % 2], 0) for number in range(20)]
    nobody = [asking(100 + number, f"stranger-{number}", 0) for number in range(20)]
    done, told = ids([*own, *nobody])
    assert (len(done), told) == (2 * MOST, [f"c{MOST}", f"c{100 + MOST}"])


def test_what_asks_nothing_does_not_count_and_bots_are_not_heard() -> None:
    talk = [asking(number, "ann", 0, "looks fine") for number in range(20)]
    edited = [Comment(f"e{number}", "ann", "/reconciler hold", AT, edited=True) for number in range(20)]
    bots = [asking(200, "helper", 0), Comment("b", "other", "/reconciler hold", AT, author_is_bot=True)]
    assert ids([*talk, *edited, *bots, asking(99, "ann", 0)]) == (["c99"], [])


def test_a_slow_and_steady_person_is_always_heard() -> None:
    steady = [asking(number, "ann", number * WINDOW.total_seconds() / MOST) for number in range(50)]
    assert ids(steady) == ([comment.id for comment in steady], [])


def test_the_order_of_the_forges_list_does_not_matter() -> None:
    flood = [asking(number, "ann", number) for number in range(20)]
    assert ids(flood[::-1]) == ids(flood)
