"""Words about an object lose its secret values, in every quoting, and keep the rest (tests/leaks has more)."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from reconciler.plan.hide import hidden_of, hidden_value
from reconciler.secret import MASK

NESTED = [f"hunter2{'-and-more' * count}" for count in range(6)]
ABOUT = {
    "kind": "Pod",
    "spec": {
        "image": "web:v1",
        "args": ["--level", "verbose", "--token", {"of": NESTED}],
        "pin_password": "abcd",
        "code_password": 8675309,
        "more": ["--token", True, "--token", None],
        "old_password": "abc",
    },
}


def test_only_what_is_secret_and_long_enough_to_tell_is_taken_out_the_longest_first() -> None:
    words = f"web:v1 verbose {' '.join(NESTED)} abcd abc 8675309 True None"
    assert hidden_of(words, ABOUT) == f"web:v1 verbose {' '.join([MASK] * 7)} abc {MASK} True None"


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_of_a_secret_every_value_is_taken_out_and_its_name_is_not(field: str) -> None:
    about = {"kind": "Secret", "metadata": {"name": "login"}, field: {"user": "first-value"}}
    assert hidden_of("login: user: first-value", about) == f"login: user: {MASK}"


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


@pytest.mark.parametrize("quoted", [str, in_json, lambda text: in_json(in_json(text))])
def test_a_value_is_taken_out_whole_however_it_is_quoted(quoted: Callable[[str], str]) -> None:
    value = '"\\ odd \\"'
    assert hidden_of(f"<{quoted(value)}>", {"spec": {"password": value}}) == f"<{MASK}>"


def test_a_list_of_secrets_on_a_screen_shows_how_many() -> None:
    assert hidden_value({"tokens": ["a", "b"], "tags": ["v1"]}) == {"tokens": [MASK, MASK], "tags": ["v1"]}


VALUE = "xK9/mQ2@vLp7"


def held(value: str, *, data: bool) -> dict[str, object]:
    where = {"data": {"it": base64.b64encode(value.encode()).decode()}} if data else {"stringData": {"it": value}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **where}


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        f"logging in with {VALUE} now",
        f"logging in with {base64.b64encode(VALUE.encode()).decode()} now",
        f"said: '{VALUE}'",
    ],
)
def test_a_value_that_ends_with_a_line_break_is_hidden_without_it(text: str, *, data: bool) -> None:
    assert VALUE not in hidden_of(text, held(f"{VALUE}\n", data=data))
    assert base64.b64encode(VALUE.encode()).decode() not in hidden_of(text, held(f"{VALUE}\n", data=data))


def test_a_value_that_a_url_holds_is_hidden() -> None:
    text = f"connecting to db://app:{quote(VALUE, safe='')}@db/app, then GET /login?key={quote(VALUE, safe='')} 200"
    assert quote(VALUE, safe="") not in hidden_of(text, held(VALUE, data=True))


def test_a_value_within_a_file_that_a_secret_holds_is_hidden() -> None:
    """`.env` and YAML files in Secrets: a program prints the value, not its line."""
    text = f"DB_HOST=db\nDB_PASS={VALUE}\n"
    assert VALUE not in hidden_of(f"logging in with {VALUE} now", held(text, data=True))
