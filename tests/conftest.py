"""Fixtures for every test: real servers, which start only when a selected test asks for them; the acceptance report.

Logs are written as the product writes them: structlog's default prints a defect with every local variable, which takes
minutes.
"""

from pathlib import Path

import pytest
from hypothesis import settings

from reconciler.app import telemetry
from tests.acceptance import Report

pytest_plugins = ["tests.first_errors", "tests.servers.fixtures", "tests.servers.sharing", "tests.story.prepared"]
settings.register_profile("untimed", deadline=None)  # a slow machine makes no test fail
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "where the reconciler is killed: `some` points of a release, `all` of every scene, `each` small one too"
    parser.addoption("--failpoints", choices=("some", "all", "each"), default="some", help=words)
    parser.addoption("--acceptance", metavar="FILE", help="write the acceptance report of this run")
    parser.addoption("--model-runs", metavar="N", default="25", help="runs of the model of tests/model")
    parser.addoption("--model-seed", metavar="SEED", help="its seed; always the same runs without")
    parser.addoption("--model-shares", metavar="N", default="1", help="tests that share the runs; each has a next seed")
    parser.addoption("--model-report", metavar="FILE", help="write seed, counts and result of the model there")
    parser.addoption(
        "--faults", choices=("some", "all", "every"), default="some", help="where faults of tests/faults strike"
    )
    parser.addoption("--strategies", choices=("some", "all"), default="some", help="stories of blue-green and canaries")
    parser.addoption("--hostile-inputs", metavar="N", default="50000", help="bad files of tests/hostile")
    parser.addoption("--hostile-seed", metavar="SEED", default="1", help="their seed")


def pytest_configure(config: pytest.Config) -> None:
    telemetry.configure(people=False)
    path = config.getoption("--acceptance")
    config.pluginmanager.register(Report(Path(path) if path else None), "acceptance")
