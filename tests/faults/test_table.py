"""No fault is forgotten: each of the 38 has tests that exist, or a reason to come later; and the page says the same."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.faults.page import PAGE, page
from tests.faults.table import ROWS, Row

TESTS = Path(__file__).parents[1]


@cache
def named_in(path: str) -> frozenset[str]:
    """Names of the tests of a file; empty where there is no such file."""
    file = TESTS / path
    tree = ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_fault_is_in_the_table_once_and_in_order() -> None:
    assert [row.id for row in ROWS] == [f"F{number}" for number in range(1, 39)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_fault_has_tests_that_exist_or_a_reason(row: Row) -> None:
    assert bool(row.tests) != bool(row.later)
    missing = [name for name in row.tests if name.partition("::")[2] not in named_in(name.partition("::")[0])]
    assert missing == []


def test_every_fault_that_a_test_here_names_has_it_in_its_row() -> None:
    """The number in a test's name is that of the row; in other folders tests name faults as they please."""
    rows = {f"f{int(row.id[1:]):02}": row for row in ROWS}
    for file in Path(__file__).parent.glob("test_*.py"):
        for test in named_in(f"faults/{file.name}"):
            if found := re.match(r"test_(f\d\d)_", test):
                row = rows[found.group(1)]
                assert f"faults/{file.name}::{test}" in row.tests or test in row.lacks


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.faults.page"
