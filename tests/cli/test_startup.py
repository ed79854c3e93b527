"""Starting: nothing heavy for help, the layers that the command line may know, choices that are the core's."""

import ast
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer

from reconciler.approval.inbox import Due, SortBy, View
from reconciler.approval.tickets import ScopeType, TicketStatus
from reconciler.cli import choices
from reconciler.cli.main import app, hoisted
from reconciler.forges.embedded.record import Method
from reconciler.plan.change import PRIORITIES, Risk
from reconciler.specs.kinds.credential import CredentialType
from reconciler.state.forge import PullRequestState

CLI = Path(__file__).parents[2] / "reconciler" / "cli"
HEAVY = {
    "kubernetes",
    "paramiko",
    "pygit2",
    "httpx",
    "cryptography",
    "apscheduler",
    "yaml",
    "structlog",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "reconciler.app",
}
# what a door may know; sandbox is what `demo` plays, web what `serve` answers
MAY_KNOW = {"app", "doors", "specs", "report", "approval", "errors", "catalogue", "names", "sandbox", "web", "cli"}
LISTING = """
import sys, json
from reconciler.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    sys.stderr.write(json.dumps([ended.code, sorted(sys.modules)]))
"""


def started(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {"COLUMNS": "80", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(CLI.parents[1])}
    return subprocess.run(
        [sys.executable, "-c", LISTING, *words], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(
    "words", [("--help",), ("run", "--help"), ("inbox", "--help"), ("pr", "--help"), ("serve", "--help"), ("mcp",)]
)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    told = started(*words)
    code, modules = json.loads(told.stderr[told.stderr.index("[") :])
    assert code == (2 if words == ("mcp",) else 0)
    assert set(modules) & HEAVY == set()
    # typer itself checks what a verb is given with pydantic; the root's help is printed before that
    assert words[0] != "--help" or "pydantic" not in modules


@pytest.mark.parametrize("words", [("--help",), ("pr", "approve", "--help")])
def test_help_takes_less_than_a_third_of_a_second_of_the_processor(words: tuple[str, ...]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.3


@pytest.mark.parametrize("words", [(), ("pr", "approve"), ("inbox",), ("bundle", "sign"), ("propose", "release")])
def test_help_fits_80_columns(words: tuple[str, ...]) -> None:
    told = started(*words, "--help")
    assert told.stdout
    assert [line for line in told.stdout.splitlines() if len(line) > 80] == []


def test_the_command_line_asks_the_app_and_knows_no_adapter() -> None:
    known: set[str] = set()
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("reconciler"):
                known |= {[*node.module.split("."), alias.name][1] for alias in node.names}
    assert "doors" in known
    assert known - MAY_KNOW == set()


@pytest.mark.parametrize(
    ("offered", "core"),
    [
        (get_args(choices.View), View),
        (get_args(choices.Due), Due),
        (get_args(choices.SortBy), SortBy),
        (tuple(choices.Status), TicketStatus),
        (tuple(choices.ScopeType), ScopeType),
        (get_args(choices.Risk), Risk),
        (get_args(choices.Priority), sorted(PRIORITIES.values())),
        (get_args(choices.Method), Method),
        (get_args(choices.PullState)[:-1], PullRequestState),
        (get_args(choices.CredentialType), CredentialType),
    ],
)
def test_choices_are_those_of_the_core(offered: tuple[str, ...], core: object) -> None:
    assert [str(one) for one in offered] == [str(one) for one in core]  # type: ignore[attr-defined]


def test_every_verb_says_what_it_does() -> None:
    command = typer.main.get_command(app)
    silent = [name for name, verb in command.commands.items() if not verb.hidden and not verb.help]  # type: ignore[attr-defined]
    assert silent == []


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["pr", "list", "--repo", "R"], ["--repo", "R", "pr", "list"]),
        (["tree", "--config=c", "-o", "json"], ["--config=c", "tree", "-o", "json"]),
        (["tree", "--timings"], ["--timings", "tree"]),
        (["pr", "comment", "1", "--", "--key"], ["pr", "comment", "1", "--", "--key"]),
        (["tree", "--as"], ["--as", "tree"]),
    ],
)
def test_global_options_may_stand_after_the_verb(typed: list[str], read: list[str]) -> None:
    assert hoisted(typed) == read
