"""The end of a failing run says what failed first, each error once."""

import pytest

from tests.first_errors import LINES, distinct, told


def report(name: str, said: str) -> pytest.TestReport:
    return pytest.TestReport(f"tests/test_x.py::{name}", ("x.py", 1, name), {}, "failed", said, "call")


def test_errors_that_differ_in_numbers_only_are_one() -> None:
    first, again, other = report("a", "no port 20017"), report("b", "no port 31"), report("c", "no host")
    assert distinct([first, other, again]) == [first, other]


def test_of_a_long_error_the_end_is_told_under_the_tests_name() -> None:
    head, *lines = told(report("a", "\n".join(f"line {number}" for number in range(100))))
    assert head == "call of tests/test_x.py::a"
    assert len(lines) == LINES
    assert lines[-1].strip() == "line 99"
