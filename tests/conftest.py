"""Fixtures for every test: real servers, which start only when a selected test asks for them; the acceptance report."""

from pathlib import Path

import pytest

from tests.acceptance import Report

pytest_plugins = ["tests.servers.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--acceptance", metavar="FILE", help="write the acceptance report of this run")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--acceptance")
    config.pluginmanager.register(Report(Path(path) if path else None), "acceptance")
