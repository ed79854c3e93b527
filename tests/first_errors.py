"""What failed first, again, at the end of a run: the last lines of a long output are what people get to see.

Errors that say the same, but for numbers, are one; the first few are shown in the order in which they came.
"""

import re

import pytest

Report = pytest.TestReport | pytest.CollectReport

MOST = 3
LINES = 30


def distinct(reports: list[Report]) -> list[Report]:
    """The first report of each error."""
    found: dict[str, Report] = {}
    for report in reports:
        found.setdefault(_what(report), report)
    return list(found.values())


def told(report: Report) -> list[str]:
    """A report's last lines, under the name of its test."""
    return [f"{report.when} of {report.nodeid}", *(f"    {line}" for line in report.longreprtext.splitlines()[-LINES:])]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    came = [one for kind in ("failed", "error") for one in terminalreporter.stats.get(kind, [])]
    came.sort(key=lambda one: float(getattr(one, "start", 0)))  # a module that cannot be read comes before all tests
    errors = distinct(came)
    if errors:
        terminalreporter.section(f"first errors ({min(MOST, len(errors))} of {len(errors)} different ones)")
        for line in (line for report in errors[:MOST] for line in told(report)):
            terminalreporter.write_line(line)


def _what(report: Report) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    said = str(crash.message) if crash is not None else report.longreprtext
    return re.sub(r"[0-9a-f]*\d[0-9a-f]*", "0", said.splitlines()[0] if said else "")
