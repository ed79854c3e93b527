"""Which tests of a parallel run share a process, where it is `--dist loadgroup`.

Each goes wherever there is time, and every process starts the servers that its tests ask for; but a node is heavy, so
all modules that speak of one are one group. They are read here and not marked: the process that gives tests away knows
names alone.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

NODE = "real_node"


@cache
def on_a_node(module: Path) -> bool:
    """Whether the tests of a module use a node."""
    return NODE in module.read_text(encoding="utf-8")


class ByServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests on a node are one group, every other test is one of its own; larger groups begin first."""

    def _split_scope(self, nodeid: str) -> str:
        module: Path = self.config.rootpath / nodeid.partition("::")[0]
        return NODE if on_a_node(module) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByServers | None:
    return ByServers(config, log) if config.getoption("dist") == "loadgroup" else None
