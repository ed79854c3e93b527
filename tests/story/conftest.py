"""One world a test, as `prepared` puts it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.app.settings import FILE_NAME
from tests.registries.far import FarRegistry
from tests.servers.forge import GiteaServer
from tests.story.clock import MovableClock
from tests.story.gitea_people import GiteaWorld, Site
from tests.story.prepared import Moment, Prepared
from tests.story.real_server import cluster, real_stage  # noqa: F401  fixtures
from tests.story.real_webhooks import registered, webhook  # noqa: F401  fixtures
from tests.story.stage import Stage


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longer stories of a module, by its LONGER, wait for `--strategies all`; they are counted as deselected."""
    if config.getoption("--strategies") == "all":
        return
    later = [one for one in items if isinstance(one, pytest.Function) and one.originalname in _longer(one)]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [one for one in items if one not in later]


def _longer(item: pytest.Function) -> frozenset[str]:
    return getattr(item.module, "LONGER", frozenset())


@pytest.fixture
def stage(prepared: Prepared) -> Iterator[Stage]:
    """Clusters and people, no hosts, with the first plan carried out: svc-a v2.0.0 runs in production."""
    with prepared.lend(Moment()) as lent:
        yield lent


@pytest.fixture
def fresh(prepared: Prepared) -> Iterator[Stage]:
    """A trusted first commit whose first plan nobody has approved yet."""
    with prepared.lend(Moment(accepted=False)) as lent:
        yield lent


@pytest.fixture
def site(real_gitea: GiteaServer) -> Site:
    """A repository on a real forge, which the world makes."""
    return Site(real_gitea)


@pytest.fixture
def gitea_stage(tmp_path: Path, site: Site) -> Iterator[Stage]:
    """The same as `stage`, with the repository on a real Gitea and its tracked branch protected."""
    clock = MovableClock()
    world = GiteaWorld(tmp_path / "world", clock=clock, hosts_wanted=(), site=site)
    try:
        built = Stage.on(world, clock)
        site.protect()
        built.accept_first()
        yield built
    finally:
        world.close()


@pytest.fixture
def far() -> Iterator[FarRegistry]:
    """A registry on loopback."""
    registry = FarRegistry().start()
    yield registry
    registry.stop()


@pytest.fixture
def listed(stage: Stage, far: FarRegistry) -> Stage:
    """svc-a v2.0.0 runs, accepted without a pin; since then the operator lists its registry."""
    path = stage.world.home / FILE_NAME
    path.write_text(f'{path.read_text()}\n[registries."registry.example.invalid"]\nurl = "{far.url}"\n')
    stage.restart()
    return stage
