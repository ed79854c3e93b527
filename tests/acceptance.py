"""The report of contracts/acceptance.md out of a test run: each case, its weight's share, and Go or No Go.

A case passes when every test that carries its number passed; one without a test fails. `--acceptance FILE` writes it.
"""

import re
from collections.abc import Generator
from pathlib import Path

import pytest

AREAS: dict[str, tuple[int, tuple[str, ...]]] = {
    "environment install": (20, ("C-12",)),
    "cluster access": (15, ("C-09",)),
    "release path": (20, ("C-01", "C-02", "C-03", "C-10")),
    "consistency of the entries": (15, ("C-05", "C-08", "C-14")),
    "permission and approval": (10, ("C-04", "C-07", "C-13")),
    "faults and error codes": (10, ("C-11",)),
    "rollback and recovery": (10, ("C-06",)),
}
P0 = frozenset({"C-01", "C-02", "C-03", "C-04", "C-05", "C-06"})
NUMBER = re.compile(r"test_(?:.*_)?c(\d\d)_")
HOW = """Written by `python -m pytest tests/story --acceptance docs/acceptance.md`. C-01, C-02, C-03, C-06, C-11 and
C-12 also run on a real API server and real hosts, C-01 to C-04 and C-06 to C-08 on a real Gitea: `make real`."""
WHY_NOT = {"C-10": "Compose releases are not in this version"}


class Report:
    """Collects outcomes by case."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.outcomes: dict[str, list[tuple[str, bool]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        found = NUMBER.match(name)
        if "tests/story/" in report.nodeid and found and (report.when == "call" or report.outcome != "passed"):
            self.outcomes.setdefault(f"C-{found[1]}", []).append((name, report.outcome == "passed"))

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        if self.path is not None:
            self.path.write_text(self.text(), encoding="utf-8")
        return (yield)

    def passed(self, case: str) -> bool:
        return case in self.outcomes and all(good for _, good in self.outcomes[case])

    def text(self) -> str:
        lines = ["| area | weight | score | cases |", "|:--|--:|--:|:--|"]
        total = 0.0
        for area, (weight, cases) in AREAS.items():
            score = weight * sum(map(self.passed, cases)) / len(cases)
            total += score
            told = ", ".join(f"{case} {'pass' if self.passed(case) else 'FAIL'}" for case in cases)
            lines.append(f"| {area} | {weight} | {score:g} | {told} |")
        failing = [case for _, (_, cases) in AREAS.items() for case in cases if not self.passed(case)]
        verdict = "No Go" if P0 & set(failing) else "Conditional Go" if failing else "Go"
        why = "".join(f"\n- {case}: {WHY_NOT.get(case, 'see its tests')}" for case in failing)
        evidence = [
            f"- {case}: " + ", ".join(f"`{name}`" for name in sorted({name for name, _ in found}))
            for case, found in sorted(self.outcomes.items())
        ]
        head = f"# Acceptance\n\n**{verdict}**, {total:g} of 100.{why}\n\n{HOW}\n\n"
        return head + "\n".join(lines) + "\n\nEvidence, in `tests/story/`:\n\n" + "\n".join(evidence) + "\n"
