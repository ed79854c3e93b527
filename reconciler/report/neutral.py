"""Untrusted text made harmless: what a repository, a forge or a target said may be read, and does nothing else.

Knows Markdown as GitHub, GitLab and Gitea read it (CommonMark and tables), HTML text and terminals. Does not know
what a text means. The rules it keeps:

- Text of others stands only in code spans, in fences whose every line begins with a character of ours, or in <code>
  with all but letters and digits as character references; there no forge makes a link, a mention, a heading or HTML.
- What cannot be seen, or could be taken for another character, is spelled out as \\u{...}: all but printable ASCII in
  names, all but ASCII and East Asian writing elsewhere. Two different texts never look the same.
- What is too long is cut with a mark that no text of others can hold, so that a reader and `is_cut` both see it.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

CUT = "\u2026(+"  # the ellipsis is neither ASCII nor wide, so text of others shows it as \u{2026}
NAME_CAP = 400  # characters; a namespace, a kind and a name of Kubernetes fit
TEXT_CAP = 1000  # characters of a message
LINE_CAP = 4000  # characters of one line of a diff
LONGEST_RUN = 3  # back-ticks; cmark takes no fence of more than 80, so long runs are spelled out and ours stay short
PREFIXES = " +-@"  # how a line inside a fence may begin: never with a quick action of GitLab, never with a fence

_RUN = re.compile(f"`{{{LONGEST_RUN + 1},}}")
_FAKE_ESCAPE = re.compile(r"\\(?=u\{)")
_LOST_SPACE = re.compile(r"^ | (?= )| $")  # a browser shows several spaces as one, and none at the ends
_WORD = re.compile(r"[^ ]+")
_QUOTES = frozenset("\u201c\u201d\u2018\u2019\u2014")  # what Chinese text is written with, though not wide
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")  # Hangul fillers: letters that show nothing


def name(text: str, *, cap: int = NAME_CAP) -> str:
    """A name as plain text: printable ASCII, all else spelled out, one line."""
    return _cut(_spell(text, _is_ascii), cap)


def plain(text: str, *, cap: int = TEXT_CAP) -> str:
    """A message as one line of plain text for terminals, statuses and lists: ASCII and East Asian text stay."""
    return _cut(_spell(text, _is_readable), cap)


def code_name(text: str, *, cap: int = NAME_CAP) -> str:
    """A name as a code span that may stand anywhere in Markdown, also in a cell of a table."""
    return _span(name(text, cap=cap))


def code(text: str, *, cap: int = TEXT_CAP) -> str:
    """A message as a code span that may stand anywhere in Markdown, also in a cell of a table."""
    return _span(plain(text, cap=cap))


def html_name(text: str, *, cap: int = NAME_CAP) -> str:
    """A name as an HTML code element, for our own <summary> lines, where Markdown's code spans do not hold."""
    shown = name(text, cap=cap) or "(empty)"
    return "<code>" + "".join(c if c.isascii() and c.isalnum() else f"&#{ord(c)};" for c in shown) + "</code>"


def fence(lines: Sequence[str], *, language: str = "diff", cap: int = LINE_CAP) -> str:
    """A fenced block. Each line begins with a character of ours (one of PREFIXES); the rest is made harmless here.

    In a word that mixes ASCII letters with others, the others are spelled out: an image name cannot hide a look-alike.
    """
    if wrong := [line for line in lines if line[:1] not in PREFIXES or not line]:
        raise AssertionError(f"a line in a fence begins with {wrong[0][:1]!r}, which is not ours")
    shown = [line[0] + _cut(_guarded(line[1:]), cap) for line in lines]
    ticks = "`" * max(3, 1 + _longest_run("\n".join(shown)))
    return "\n".join([ticks + language, *shown, ticks])


def is_cut(text: str) -> bool:
    """Whether anything in a rendered text was cut."""
    return CUT in text


def _cut(text: str, cap: int) -> str:
    return text if len(text) <= cap else f"{text[:cap]}{CUT}{len(text) - cap})"


def _guarded(text: str) -> str:
    return _WORD.sub(lambda word: _spell(word[0], _is_ascii if _is_mixed(word[0]) else _is_readable), text)


def _is_mixed(word: str) -> bool:
    return not word.isascii() and any(c.isascii() and c.isalnum() for c in word)


def _spell(text: str, keep: Callable[[str], bool]) -> str:
    text = _FAKE_ESCAPE.sub(lambda _: "\\u{5c}", text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if keep(c) else f"\\u{{{ord(c):x}}}" for c in text)
    return _RUN.sub(lambda run: r"\u{60}" * len(run[0]), text)


def _is_ascii(character: str) -> bool:
    return " " <= character <= "~"


def _is_readable(character: str) -> bool:
    return (
        _is_ascii(character)
        or character in _QUOTES
        or (
            unicodedata.east_asian_width(character) in "WF"
            and unicodedata.category(character) in {"Lo", "Lm", "Po", "Ps", "Pe", "Pd"}
            and character not in _BLANK_LETTERS
        )
    )


def _span(shown: str) -> str:
    # a pipe would end a cell, and forges disagree on how a back-slash before it is read
    shown = shown.replace("|", r"\u{7c}") or "(empty)"
    shown = _LOST_SPACE.sub(r"\\u{20}", shown)
    ticks = "`" * (1 + _longest_run(shown))
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
