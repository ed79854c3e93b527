"""Text of others does nothing on a forge or a terminal, hides nothing, and is never cut without a mark."""

import re
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.report.neutral import CUT, LINE_CAP, LONGEST_RUN, code, code_name, fence, html_name, is_cut, name, plain

from .markdown import code_of, dangers, skeleton

NAUGHTY: list[str] = yaml.safe_load((Path(__file__).parent / "cases" / "naughty.yaml").read_text(encoding="utf-8"))
SHARP = st.sampled_from([*"`|\\<>[]()!@#~*_-=&$:/\n\r\t {}u", "```", "@a", "#1", "](x", "\u202e", "\u200b", "中"])
TEXT = st.sampled_from(NAUGHTY) | st.text() | st.lists(SHARP).map("".join)
SPANS = {"code": code, "code_name": code_name}


def visible(text: str) -> str:
    """Undo the spelling: what a careful reader takes the text to be."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize("span", SPANS)
@given(TEXT)
def test_t27_a_span_is_one_piece_of_code_wherever_it_stands(span: str, text: str) -> None:
    shown = SPANS[span](text)
    harmless = SPANS[span]("x")
    for frame in ("{}", "- {}", "before {} after", "> {}", "| a | b |\n|---|---|\n| {} | end |", "# {}", "{0} and {0}"):
        page, benign = frame.format(shown), frame.format(harmless)
        assert skeleton(page) == skeleton(benign)
        assert not dangers(page)
        assert all(content.strip() for content in code_of(page))


@given(TEXT)
def test_a_span_shows_the_whole_text(text: str) -> None:
    if not text or len(text) > 100:
        return
    for content in code_of(f"| {code(text)} |\n|---|") + code_of(code_name(text)):
        assert visible(content) == text


@given(TEXT, TEXT)
def test_t28_two_different_texts_never_look_the_same(one: str, other: str) -> None:
    if one != other and max(len(one), len(other)) < 100:
        assert name(one) != name(other)
        assert plain(one) != plain(other)


@given(TEXT)
@example("\x7f\x9b\u2028\u202e\ue000\ud800")
def test_t28_t32_no_character_is_hidden_or_acts_on_a_terminal(text: str) -> None:
    assert name(text).replace(CUT, "").isascii()
    assert name(text).isprintable()
    for character in plain(text).replace(CUT, ""):
        assert character == " " or unicodedata.category(character)[0] in "LNPS"


@given(st.lists(TEXT, min_size=1, max_size=6), st.sampled_from(" +-@"))
def test_t27_a_fence_holds_whatever_its_lines_say(lines: list[str], prefix: str) -> None:
    block = fence([prefix + line for line in lines])
    page = f"before\n\n{block}\n\nafter"
    assert skeleton(page) == skeleton(f"before\n\n{fence(['+x'])}\n\nafter")
    (content,) = code_of(page)
    assert content.count("\n") == len(lines)
    assert all(line.startswith(prefix) for line in content.splitlines())


@pytest.mark.parametrize("ticks", [3, 4, 79, 80, 81, 500])
def test_t27_back_ticks_neither_close_a_fence_nor_make_one_longer_than_cmark_reads(ticks: int) -> None:
    block = fence([" " + "`" * ticks, "+ # approved"])
    assert skeleton(block) == skeleton(fence(["+x"]))
    longest = re.findall("`+", "\n".join([block, code("a" + "`" * ticks), code_name("`" * ticks)]))
    assert max(map(len, longest)) <= LONGEST_RUN + 1


@pytest.mark.parametrize("blank", ["\u115f", "\u1160", "\u3164", "\uffa0", "\u3000", "\u2800", "\u00a0", "\u034f"])
def test_t28_letters_that_show_nothing_are_spelled_out(blank: str) -> None:
    assert plain(f"\u4e2d{blank}\u4e2d") == f"\u4e2d\\u{{{ord(blank):x}}}\u4e2d"


def test_t28_spaces_that_a_browser_drops_are_spelled_out() -> None:
    assert code(" a  b ") == r"`\u{20}a\u{20} b\u{20}`"
    assert code_name("a b") == "`a b`"


def test_a_line_that_does_not_begin_with_a_character_of_ours_is_a_bug() -> None:
    for line in ("/close", "", "```"):
        with pytest.raises(AssertionError):
            fence(["+ ok", line])


def test_t28_a_look_alike_inside_a_word_is_spelled_out_and_chinese_words_stay() -> None:
    assert fence(["+ image: reg.example／nginx:v1"]) == "```diff\n+ image: reg.example\\u{ff0f}nginx:v1\n```"
    assert fence(["+ title: 生产环境 重启"]) == "```diff\n+ title: 生产环境 重启\n```"
    assert name("svc-\u0430") == "svc-\\u{430}"
    assert plain("回滚到 v2.0.1，谢谢") == "回滚到 v2.0.1，谢谢"


@given(TEXT)
def test_t27_a_name_in_html_is_text_whatever_reads_it(text: str) -> None:
    shown = html_name(text)
    assert re.fullmatch(r"<code>(?:[A-Za-z0-9]|&#\d+;)+</code>", shown) or not text
    page = f"<details>\n<summary>{shown}</summary>\n\nbody\n\n</details>"
    assert not dangers(page)
    assert skeleton(page) == skeleton(f"<details>\n<summary>{html_name('x')}</summary>\n\nbody\n\n</details>")


def test_what_is_cut_says_so_and_by_how_much() -> None:
    assert code("x" * 12, cap=10) == "`" + "x" * 10 + "…(+2)`"
    assert is_cut(fence(["+" + "x" * (LINE_CAP + 1)]))
    assert not is_cut(fence(["+" + "x" * LINE_CAP]))
    assert not is_cut(code("…(+99)"))


def test_a_long_line_is_made_harmless_in_one_pass() -> None:
    for long in ("a" * 300_000, "`" * 300_000, "\\u{" * 100_000, "a\u4e2d" * 150_000, "a " * 150_000):
        assert is_cut(fence(["+" + long]))
