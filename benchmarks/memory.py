"""How much memory the parent has with many specs: one side, and the sides of many open pull requests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, Spread
from benchmarks.specs_tree import Tree

GOAL = 150.0  # MiB
PULLS = 8  # sides of open pull requests beside the tip's


def memory(folder: Path, specs: int) -> Iterator[Result]:
    """The rows about memory."""
    tree = Tree.make(folder, specs)
    revisions = [tree.tip, *(tree.change(number, "v9.0.0") for number in range(PULLS))]
    answers = [_run(tree, folder / name, revisions) for name in ("cold", "cold")]
    seen = answers[-1]["sides"]
    yield Result(
        "memory.one",
        f"resident memory with {specs:,} specs, after a restart",
        "MiB",
        Spread.of([seen[0]["VmRSS"] / 1024]),
        goal=GOAL,
        least=False,
        counts={"MiB at start": round(answers[-1]["start"]["VmRSS"] / 1024), "MiB at most": _most(seen[0])},
    )
    yield Result(
        "memory.pulls",
        f"the same with {PULLS} open pull requests",
        "MiB",
        Spread.of([seen[-1]["VmRSS"] / 1024]),
        goal=GOAL,
        least=False,
        counts={"MiB at most": _most(seen[-1])},
    )
    yield Result(
        "memory.cold",
        f"the same, when all {specs:,} specs were read for the first time",
        "MiB",
        Spread.of([answers[0]["sides"][-1]["VmRSS"] / 1024]),
        counts={"MiB at most": _most(answers[0]["sides"][-1])},
    )


def _most(status: dict[str, int]) -> int:
    return round(status["VmHWM"] / 1024)


def _run(tree: Tree, folder: Path, revisions: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.resident", str(tree.path), str(folder), *revisions],
        cwd=Path(__file__).parent.parent,
        env=dict(os.environ),
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
