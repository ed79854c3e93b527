"""Values onto the screen: tables for people, JSON and YAML for programs, progress where somebody watches.

Knows rich and nothing of what is shown. The rules: what others wrote passes report.neutral before a terminal sees it
and is whole and ASCII in JSON; colours and progress only on a terminal; a table folds and never loses a character.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.cli.choices import Output

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 110  # columns where the output is no terminal and nobody says otherwise
LONGEST_LINE = 4_000  # characters of one line of a comment
STYLES: Mapping[str, str] = {
    "ok": "green",
    "applied": "green",
    "approved": "green",
    "success": "green",
    "succeeded": "green",
    "pending": "yellow",
    "pending_approval": "yellow",
    "applying": "yellow",
    "running": "yellow",
    "warn": "yellow",
    "warning": "yellow",
    "failed": "red",
    "failure": "red",
    "error": "red",
    "rejected": "red",
    "rolled_back": "red",
    "rollback_failed": "red",
    "critical": "red",
    "high": "red",
    "delete": "red",
    "create": "green",
    "update": "yellow",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading and the field of a row, or what to make of the row.

    A `whole` one never folds; `widest` is how many characters another may take before it folds.
    """

    head: str
    of: str | Callable[[Mapping[str, Any]], Any]
    whole: bool = False
    widest: int | None = None

    def text(self, row: Mapping[str, Any]) -> str:
        """The cell."""
        value = row.get(self.of) if isinstance(self.of, str) else self.of(row)
        return said(value)


def said(value: Any) -> str:
    """A value as a person reads it, harmless."""
    from reconciler.report.neutral import plain

    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(said(one) for one in value) or "-"
        case _:
            return plain(str(value))


def out() -> "Console":
    """The console of stdout."""
    return _console(sys.stdout)


def err() -> "Console":
    """The console of stderr: hints, progress, what is beside the result."""
    return _console(sys.stderr)


def _console(stream: Any) -> "Console":
    import os

    from rich.console import Console

    width = None if stream.isatty() or os.environ.get("COLUMNS", "").isdigit() else WIDE
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def listing(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], output: Output, whole: Any = None) -> None:
    """A listing. Programs get `whole`, or the rows as they are."""
    if output is not Output.TABLE:
        machine(whole if whole is not None else list(rows), output)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        note("nothing")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.head, overflow="fold", no_wrap=column.whole, max_width=column.widest)
    for row in rows:
        texts = [column.text(row) for column in columns]
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in texts))
    out().print(table)


def machine(value: Any, output: Output) -> None:
    """A value for programs: ASCII only, so that nothing in it acts on a terminal either."""
    if output is Output.YAML:
        import yaml

        sys.stdout.write(yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False, allow_unicode=False))
    else:
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def pairs(fields: Iterable[tuple[str, Any]]) -> None:
    """Name and value, one a line; what is empty is left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value not in (None, "", [], ()):
            text = said(value)
            table.add_row(Text(name, style="dim"), Text(text, style=STYLES.get(text, "")))
    out().print(table)


def ours(text: str) -> str:
    """A line of our own, where others stand in code already: only what acts on a terminal is spelled out."""
    return "".join(one if one.isprintable() else f"\\u{{{ord(one):x}}}" for one in text)


def patch(text: str) -> None:
    """A patch, with the line ends and tabs that the file has, or it could not be applied."""
    for one in text.split("\n")[:-1]:
        ending = "\r\n" if one.endswith("\r") else "\n"
        sys.stdout.write("\t".join(map(ours, one.removesuffix("\r").split("\t"))) + ending)


def line(text: str = "", style: str = "") -> None:
    """One line of the result; what it holds is harmless already or ours."""
    from rich.text import Text

    out().print(Text(text, style=style), soft_wrap=True)


def note(text: str) -> None:
    """Something beside the result, on stderr."""
    from rich.text import Text

    err().print(Text(text, style="dim"), soft_wrap=True)


@contextmanager
def progress(words: str) -> Iterator[None]:
    """Words while something takes long; silent where nobody watches."""
    if not sys.stderr.isatty():
        yield
        return
    with err().status(words):
        yield
