"""Tests and mutants -> verdicts. Knows pytest's items, what each of them runs, and how to fork.

Every test is run once, traced, so that a mutant meets only the tests that reach its lines (a table's: the functions
that name it), the quickest first. A mutant is a forked child: it changes the program, runs the tests until one fails,
and ends. What it does to memory ends with it; one that never ends is ended by the kernel, after seconds of its own
processor time, so that a busy machine makes no verdict.
"""

import ast
import gc
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from tests.mutation.operators import MODULE, Mutant
from tests.mutation.swap import Unswappable, swap

SECONDS = 10  # of processor time, for one mutant beyond what its tests need
SLOW = 8.0  # a test that takes longer, traced, is not used to kill
EXAMPLES = 25  # of a property, at most
MEMORY = 4 << 30


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"


@dataclass(slots=True)
class Reach:
    """What each test runs: lines of the files to change, and functions of the whole package by their code."""

    lines: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    names: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    seconds: list[float] = field(default_factory=list)

    def tests(self, mutant: Mutant, tree: ast.Module, module: ModuleType) -> list[int]:
        """The tests that could see a change, quickest first."""
        if mutant.function == MODULE:
            found = set().union(*(self.names[name] for name in _derived(tree, mutant.lines)), set())
        elif isinstance(vars(module).get(mutant.function), type):
            found = self.names[mutant.function]
        else:
            found = set().union(*(self.lines[(mutant.file, line)] for line in mutant.lines), set())
        return sorted((one for one in found if self.seconds[one] <= SLOW), key=lambda one: self.seconds[one])


def _derived(tree: ast.Module, lines: range) -> set[str]:
    """The name bound on these lines, and those that the module derives from it."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            used = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            if node.lineno == lines.start or used & names:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                names |= {target.id} if isinstance(target, ast.Name) else set()
    return names


def look(items: Sequence[pytest.Item], files: set[str], root: Path, say: Callable[[str], None]) -> Reach:
    """Run every test once on the program as it is, and keep what it reached."""
    reach = Reach()
    ours = (f"{root}/reconciler/", f"{root}/tests/")
    mine = {f"{root}/{name}": name for name in files}
    codes: set[CodeType] = set()
    lines: set[tuple[str, int]] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        lines.add((mine[frame.f_code.co_filename], frame.f_lineno))
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(ours):
            return None
        codes.add(code)
        return line(frame, event, _) if code.co_filename in mine else None

    for index, item in enumerate(items):
        few_examples(item)
        codes.clear()
        lines.clear()
        sys.settrace(call)
        start = time.process_time()
        try:
            reports = runtestprotocol(item, log=False, nextitem=items[(index + 1) % len(items)])
        finally:
            sys.settrace(None)
        if any(report.failed for report in reports):
            words = "\n".join(str(report.longrepr) for report in reports if report.failed)
            raise pytest.UsageError(f"{item.nodeid} fails on the program as it is:\n{words}")
        for place in lines:
            reach.lines[place].add(index)
        for name in {name for code in codes for name in (*code.co_names, *_owners(code))}:
            reach.names[name].add(index)
        reach.seconds.append(time.process_time() - start)
        if index % 250 == 249:
            say(f"looked at {index + 1} of {len(items)} tests")
    return reach


def _owners(code: CodeType) -> list[str]:
    return code.co_qualname.split(".")[:-1]


def few_examples(item: pytest.Item) -> None:
    """A property is asked the same few examples every time."""
    test: Any = getattr(item, "obj", None)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if hasattr(test, "hypothesis"):
        parent = own or settings()
        few = min(parent.max_examples, EXAMPLES)
        test._hypothesis_internal_use_settings = settings(
            parent, max_examples=few, derandomize=True, database=None, deadline=None
        )


def attempt(module: ModuleType, tree: ast.Module, mutant: Mutant, tests: Sequence[pytest.Item]) -> tuple[Verdict, str]:
    """What one mutant meets: the verdict, and the test that killed it."""
    if not tests:
        return Verdict.SURVIVED, ""
    gc.freeze()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _die_trying(module, tree, mutant, tests, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        killer = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Verdict.TIMEOUT, ""
    return (Verdict.SURVIVED, "") if os.WEXITSTATUS(status) == 0 else (Verdict.KILLED, killer)


def _die_trying(module: ModuleType, tree: ast.Module, mutant: Mutant, tests: Sequence[pytest.Item], out: int) -> None:
    void = os.open(os.devnull, os.O_RDWR)
    for known in (0, 1, 2):
        os.dup2(void, known)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, SECONDS + 3 * len(tests) * 0.05)
    status = 0
    try:
        swap(module, tree, mutant.function)
        tests[0].session._setupstate.teardown_exact(tests[0])  # what the whole session shares stands already
        for item, following in zip(tests, (*tests[1:], tests[0]), strict=True):
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                os.write(out, item.nodeid.encode())
                status = 1
                break
    except Unswappable:
        status = 0
    except BaseException:  # noqa: BLE001 (whatever a mutant does, it is dead)
        status = 1
    finally:
        os._exit(status)
