"""docs/faults.md, printed from the table: `python -m tests.faults.page` writes it, `--check` says if it is stale."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.table import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """<!-- Written by `python -m tests.faults.page`; do not edit. -->

# Faults

What fails around the reconciler, what it does then, and the tests that hold it to that. In each of them the same is
asked afterwards: nothing was done twice, no record is missing or there twice, no status said success before it was
true, and it went on by itself, or it says which person has to do what.

| | when | the product | tests |
|---|---|---|---|
"""
TAIL = """
## How to run them

    .venv/bin/python -m pytest tests/faults                  at some chosen moments; part of make test
    .venv/bin/python -m pytest tests/faults --faults all     at every request and every push, cut in each way
    .venv/bin/python -m pytest tests/faults/test_sweep.py --faults every -k "way-back or reverted"
    make real                                                what needs real hosts and a real API server

With `all`, answers that mean the same to us take turns at the requests of ways back by steps; `every` is every answer
at every one of them, for many hours.

Kills at every point of every scene are `pytest tests/failpoints --failpoints all`, bad files without end
`pytest tests/hostile --hostile-inputs 1000000 --hostile-seed SEED`. The last long runs, on 21 November 2026, were cut
short: of the kills the first 72 of some 350 cases, which found the steps of an installation's last batch told twice,
and 18 kills in the scenes of an emergency, a retry, our revert and lost caches after it was mended, all of them good;
a second run was stopped after 33, one of which had failed and was not looked into. Of the some 7700 cases of
`test_sweep.py` 142 were run, drawn at random, of `test_overlap.py` some fifteen; the three defects that they found are
mended.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in _rows()) + _open() + TAIL


def _rows() -> Iterator[Sequence[str]]:
    for row in ROWS:
        tests = "<br>".join(f"`{name}`" for name in row.tests) or f"later: {row.later}"
        yield row.id, row.fault, row.does, tests


def _open() -> str:
    lines = [f"- **{row.id}** {row.fault}: {row.lacks}.\n" for row in ROWS if row.lacks]
    return "\n## What is not tested of these\n\n" + "".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with --check compare it."""
    if "--check" not in arguments:
        PAGE.write_text(page(), "utf-8")
        return 0
    stale = not PAGE.is_file() or PAGE.read_text("utf-8") != page()
    if stale:
        sys.stderr.write("docs/faults.md is stale; run python -m tests.faults.page\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
