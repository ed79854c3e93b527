"""Mutants that survive: those that no test can kill, each with the reason, and those that nobody has judged yet.

Knows the files' form, and what is mutated. Rule: open.toml only ever gets shorter; what is judged to be equivalent goes
from there to survivors.toml with its reason, what a test kills goes.
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
LIST = Path(__file__).with_name("survivors.toml")
OPEN = Path(__file__).with_name("open.toml")


def listed(path: Path = LIST) -> list[Mutant]:
    """The listed mutants, in the file's order."""
    return [
        Mutant(f"reconciler/{entry['file']}", entry["function"], one["is"], one["becomes"], one.get("nth", 1))
        for entry in _entries(path)
        for one in entry["mutants"]
    ]


def reasons() -> list[str]:
    """Why, entry by entry."""
    return [entry["because"] for entry in _entries(LIST)]


def _entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
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
