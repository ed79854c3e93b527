"""Results as a table of Markdown."""

from collections.abc import Sequence

from benchmarks.measure import Result, Spread

HEAD = ("what", "ours", "beside", "theirs", "ratio", "goal", "met", "counted")


def table(results: Sequence[Result]) -> str:
    """One row for each result; every figure is a median with its quartiles."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'|'.join(':--' for _ in HEAD)}|"]
    return "\n".join([*lines, *(row_of(result) for result in results)])


def row_of(result: Result) -> str:
    """One row."""
    cells = (
        f"`{result.name}` {result.what}{f' ({result.note})' if result.note else ''}",
        _figure(result.ours, result.unit),
        result.peer or "-",
        _figure(result.theirs, result.unit),
        _figure(result.ratio, "x"),
        _goal(result),
        {True: "yes", False: "**no**", None: "-"}[result.met],
        ", ".join(f"{_short(value)} {name}" for name, value in result.counts.items()) or "-",
    )
    return f"| {' | '.join(cells)} |"


def _figure(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "-"
    return f"{_short(spread.median)} {unit} ({_short(spread.low)}-{_short(spread.high)})"


def _goal(result: Result) -> str:
    if result.goal is None:
        return "-"
    word = "at least" if result.least else "at most"
    return f"{word} {_short(result.goal)} {'x' if result.ratio else result.unit}"


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
