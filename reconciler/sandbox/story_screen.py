"""What the story prints, and what it has seen so far.

Knows a console, who types what, and how a pull request's comment reads when its folded parts are open. Knows nothing of
the product. The rule: an expectation that does not hold ends the story, so nothing is told that was not seen.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.rule import Rule
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from reconciler.ports import Clock

WIDTH = 100  # columns: what a README and a projector show without breaking lines
INDENT = 3
COLORS = {"success": "green", "applied": "green", "failure": "red", "error": "red", "pending": "yellow"}
PAGE = {"markdown.code": "cyan", "markdown.h3": "bold underline", "markdown.h4": "bold"}  # on any background

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)
_FOLD = re.compile(r"</?details>\n?")
_TAG = re.compile(r"<[^<>]*>")


class Broken(Exception):
    """The story cannot go on: something was not as it has to be."""


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: in which step, what was expected, what was seen on the far side."""

    step: int
    expected: str
    seen: str
    held: bool


@dataclass(slots=True)
class Screen:
    """Prints, waits for readers, and keeps the checks."""

    console: Console
    clock: Clock
    pace: timedelta = timedelta()
    checks: list[Check] = field(default_factory=list)
    step: int = 0

    @property
    def width(self) -> int:
        """The terminal's, not too wide to read; in a pipe always the same."""
        return min(self.console.width, WIDTH) if self.console.is_terminal else WIDTH

    def begin(self, step: int, title: str) -> None:
        """A numbered step; readers get their pause before it."""
        if self.step:
            self.clock.wait(self.pace)
        self.step = step
        self.console.print()
        self.show(Rule(Text(f"{step}. {title}", "bold"), align="left", style="cyan"), indent=0)

    def say(self, text: str) -> None:
        """A sentence to the newcomer."""
        self.show(Text(text))

    def pause(self) -> None:
        """An empty line between two parts of a step."""
        self.console.print()

    def types(self, person: str, command: str) -> None:
        """A command that a person would type."""
        self.show(Text.assemble((f"{person} $ ", "bold magenta"), (command, "bold")))

    def answers(self, *lines: str) -> None:
        """What came back, as it came."""
        for line in lines:
            self.show(Text(line, "dim"), indent=INDENT + 2)

    def status(self, context: str, state: str, words: str) -> None:
        """One commit status."""
        line = Text.assemble((f"{state:8}", COLORS.get(state, "")), f"{context:34}", (words, "dim"))
        self.show(line, indent=INDENT + 2)

    def comment(self, body: str) -> None:
        """A comment of a pull request as a person reads it, folded parts open."""
        with self.console.use_theme(Theme(PAGE)):
            self.show(Markdown(unfolded(body), code_theme="ansi_light"), indent=INDENT + 2)

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A small table."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(Text(cell, COLORS.get(cell, "")) for cell in row))
        self.show(table, indent=INDENT + 2)

    def expect(self, expected: str, seen: object, *, holds: bool) -> None:
        """Say what was seen. Raises Broken where it is not as expected."""
        self.checks.append(Check(self.step, expected, str(seen), holds))
        mark = ("ok  ", "bold green") if holds else ("NOT ", "bold red")
        self.show(Text.assemble(mark, f"{expected}: ", (str(seen), "bold")))
        if not holds:
            raise Broken(f"expected {expected}; seen: {seen}")

    def show(self, what: RenderableType, *, indent: int = INDENT) -> None:
        """Anything, indented."""
        room = self.console.options.update(width=self.width - indent)
        shown: list[Segment] = []
        blank = True
        for line in self.console.render_lines(what, room, pad=False):
            kept = _without_end(line)
            if kept or not blank:  # one empty line is as good as three
                shown += [Segment(" " * indent), *kept, Segment.line()] if kept else [Segment.line()]
            blank = not kept
        self.console.print(Segments(shown), end="", crop=False)


def _without_end(line: list[Segment]) -> list[Segment]:
    """A line without the spaces at its end."""
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept


def unfolded(body: str) -> str:
    """Our own comment as Markdown without HTML: markers away, folded parts open, references resolved."""
    text = _COMMENT.sub("", body).replace("<br>", " ")
    text = _SUMMARY.sub(lambda found: f"**{html.unescape(_TAG.sub('', found[1]))}**", text)
    return _FOLD.sub("", text)
