"""What a host wrote, made safe to show (threats T14, T17, T32)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ssh.text import masked, one_line, printable, secrets_of


@given(st.binary())
def test_t32_nothing_that_moves_a_cursor_or_reorders_is_left(content: bytes) -> None:
    text = printable(content)
    assert not [one for one in text if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") and one not in "\n\t"]
    assert not set(text) & set("\u202a\u202e\u2066\u2069\u200b\ufeff\u061c")
    assert "\n" not in one_line(content)
    assert len(one_line(content)) <= 303


@given(st.text(st.characters(whitelist_categories=("L", "N", "P", "Zs"))))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert printable(text.encode()) == text


def test_windows_line_ends_become_ours_and_a_bare_return_is_shown() -> None:
    assert printable(b"a\r\nb\rc") == "a\nb\\u000dc"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OPS_AUTH_PASS": "abcd1234"}, ("abcd1234",)),
        ({"OPS_JOIN_TOKEN": "tok.en", "OPS_CERTIFICATE_KEY": "0123456789"}, ("0123456789", "tok.en")),
        ({"OPS_TASK_ID": "task-1", "OPS_HEALTH_PORT": "6443"}, ()),
        ({"OPS_AUTH_PASS": "abc"}, ()),
    ],
)
def test_t17_secrets_are_told_by_their_names(variables: dict[str, str], expected: tuple[str, ...]) -> None:
    assert secrets_of(variables.items()) == expected


def test_t17_a_secret_is_masked_also_where_it_was_escaped() -> None:
    secret = "ab\x1bcd"
    assert masked(printable(f"x {secret} y".encode()), [secret]) == "x *** y"
