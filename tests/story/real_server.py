"""The world of the story with production on a real API server that has no nodes, as the tests of it share it.

A Deployment with replicas 0 is ready there, one with replicas 1 never is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.sandbox.world import World
from tests.servers.apiserver import ApiServer
from tests.story.clock import MovableClock
from tests.story.real_targets import RealCluster
from tests.story.stage import DEPLOYMENT, RELEASE, Stage

MANIFEST = "releases/svc-a/manifests/deployment.yaml"
OBJECTS = (DEPLOYMENT, "api/v1/namespaces/svc-a/configmaps/svc-a", "api/v1/namespaces/svc-a/services/svc-a")


class Zeroed(World):
    """The example without replicas, and with little patience for what never becomes ready."""

    replicas = 0
    patience = "5s"

    def example(self) -> dict[str, str]:
        files = super().example()
        files[MANIFEST] = files[MANIFEST].replace("replicas: 2", f"replicas: {self.replicas}")
        files[RELEASE] = files[RELEASE].replace("timeout: 5m", f"timeout: {self.patience}")
        for name in ("releases/svc-b/production.yaml", "environments/env-compose-prod.yaml"):
            files.pop(name, None)
        hosts = files.get("hosts/hosts.yaml")
        if hosts is not None:
            documents = [one for one in hosts.split("---\n") if "name: compose-1" not in one]
            files["hosts/hosts.yaml"] = "---\n".join(documents)
        return files


@pytest.fixture
def cluster(real_apiserver: ApiServer) -> Iterator[RealCluster]:
    made = RealCluster(real_apiserver)
    yield made
    for path in OBJECTS:
        made.delete(path)
    for name in made.parents():
        made.delete(f"api/v1/namespaces/default/configmaps/{name}")


@contextmanager
def on_the_server(folder: Path, cluster: RealCluster) -> Iterator[Stage]:
    """The world with production on an API server, with the first plan carried out."""
    clock = MovableClock()
    world = Zeroed(
        folder / "world", clock=clock, hosts_wanted=(), clusters_wanted=("prod",), make_cluster=lambda _: cluster
    )
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        assert stage.image() == "v2.0.0"
        yield stage
    finally:
        world.close()


@pytest.fixture
def real_stage(tmp_path: Path, cluster: RealCluster) -> Iterator[Stage]:
    with on_the_server(tmp_path, cluster) as made:
        yield made
