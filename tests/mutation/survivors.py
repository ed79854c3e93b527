"""Mutants that survive: those that no test can kill, each with the reason.

Knows the file's form, what is mutated, and which tests may kill. Rule: whatever else survives is a failure of the run.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutation.operators import Mutant

ROOT = Path(__file__).parents[2]
PACKAGES = ("approval", "plan", "machine")
FILES = tuple(
    str(path.relative_to(ROOT))
    for package in PACKAGES
    for path in sorted((ROOT / "reconciler" / package).glob("*.py"))
    if path.name != "__init__.py"
)
# What a package's tests are: its own folder, and of another one what is about it alone.
TESTS = {package: (f"tests/{package}",) for package in PACKAGES} | {"plan": ("tests/plan", "tests/leaks/test_hide.py")}
LIST = Path(__file__).with_name("survivors.toml")


def listed() -> list[Mutant]:
    """The listed mutants, in the file's order."""
    return [
        Mutant(f"reconciler/{entry['file']}", entry["function"], one["is"], one["becomes"], one.get("nth", 1))
        for entry in _entries()
        for one in entry["mutants"]
    ]


def reasons() -> list[str]:
    """Why, entry by entry."""
    return [entry["because"] for entry in _entries()]


def _entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8")).get("equivalent", [])
    return found


def written(found: Iterable[Mutant]) -> str:
    """Entries for a list, function by function; the reason is for a person to write."""
    places: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in sorted(found, key=lambda one: one.key):
        places.setdefault((mutant.file.removeprefix("reconciler/"), mutant.function), []).append(mutant)
    return "\n".join(
        f'[[equivalent]]\nfile = "{file}"\nfunction = "{function}"\nbecause = ""\nmutants = [\n{_lines(some)}]\n'
        for (file, function), some in places.items()
    )


def _lines(some: Iterable[Mutant]) -> str:
    return "".join(
        f"  {{ is = {_quoted(one.original)}, becomes = {_quoted(one.mutated)}{_nth(one)} }},\n" for one in some
    )


def _nth(mutant: Mutant) -> str:
    return f", nth = {mutant.nth}" if mutant.nth > 1 else ""


def _quoted(text: str) -> str:
    return f"'{text}'" if "'" not in text else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
