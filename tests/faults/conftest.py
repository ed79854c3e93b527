"""Worlds whose far sides stand behind the proxy; each is played in for a whole file, one fault after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from reconciler.sandbox.world import World
from tests.faults.far_cluster import FarCluster
from tests.faults.far_git import FarGit, far_git
from tests.story.clock import MovableClock
from tests.story.stage import Stage


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A `spot` is where a fault strikes: the few of a module's SOME, or its ALL with `--faults all` and `every`."""
    if "spot" in metafunc.fixturenames:
        chosen = "SOME" if metafunc.config.getoption("--faults") == "some" else "ALL"
        metafunc.parametrize("spot", getattr(metafunc.module, chosen)[metafunc.function.__name__], ids=str)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """svc-a v2.0.0 runs in production; both clusters are behind a proxy."""
    clock = MovableClock()
    world = World(
        tmp_path_factory.mktemp("faults") / "world",
        clock=clock,
        hosts_wanted=(),
        make_cluster=lambda _name: FarCluster(),
    )
    try:
        built = Stage.on(world, clock)
        built.accept_first()
        yield built
    finally:
        world.close()


@pytest.fixture
def behind(played: Stage) -> Iterator[Stage]:
    """The same; what a test left broken is whole again after it."""
    yield played
    for cluster in played.world.clusters.values():
        assert isinstance(cluster, FarCluster)
        cluster.heal()


@dataclass(frozen=True, slots=True)
class OverHttp:
    """A stage whose repository is reached over HTTP through the proxy."""

    stage: Stage
    git: FarGit


@pytest.fixture(scope="module")
def played_over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """svc-a v2.0.0 runs in production; the repository is behind git's CGI and a proxy."""
    folder = tmp_path_factory.mktemp("faults") / "world"
    clock = MovableClock()
    with far_git(folder) as git:
        world = World(folder, clock=clock, hosts_wanted=(), address=git.url, make_cluster=lambda _name: FarCluster())
        try:
            built = Stage.on(world, clock)
            built.accept_first()
            yield OverHttp(built, git)
        finally:
            world.close()


@pytest.fixture
def over_http(played_over_http: OverHttp) -> Iterator[OverHttp]:
    """The same; what a test left broken is whole again after it."""
    yield played_over_http
    played_over_http.git.heal()
    for cluster in played_over_http.stage.world.clusters.values():
        assert isinstance(cluster, FarCluster)
        cluster.heal()
