"""The pytest fixtures of the real servers: started once for a run, at the first test that asks.

Each process of a parallel run has servers of its own (sharing.py).
Tests share them, so each works in a Kubernetes namespace or a folder of its own and gives back what it stopped, cut or
partitioned. Where a server cannot be had, its tests skip with the one line that says what is missing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import network
from tests.servers.apiserver import ApiServer
from tests.servers.availability import (
    apiserver_lacks,
    gitea_lacks,
    github_api_lacks,
    gitlab_client_lacks,
    helm_lacks,
    hosts_lack,
    node_lacks,
    registry_lacks,
    sops_lacks,
)
from tests.servers.forge import GiteaServer
from tests.servers.githubapi.build import github_api
from tests.servers.gitlabclient.build import gitlab_client
from tests.servers.helm.build import helm
from tests.servers.hosts import Host, HostLab, Init
from tests.servers.kube.build import programs
from tests.servers.nodecluster import NodeCluster
from tests.servers.registry.server import RegistryServer
from tests.servers.sops.build import sops

HOST_COUNT = 3


@pytest.fixture(scope="session")
def real_apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    _skip_where(apiserver_lacks())
    with ApiServer(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest.fixture(scope="session")
def real_kubectl() -> Path:
    """A folder with the real kubectl, which has Kustomize in it."""
    _skip_where(apiserver_lacks())
    return programs()


@pytest.fixture(scope="session")
def real_sops() -> Path:
    """The real program that encrypts Secrets."""
    _skip_where(sops_lacks())
    return sops()


@pytest.fixture(scope="session")
def real_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, ...]]:
    _skip_where(hosts_lack())
    with HostLab(tmp_path_factory.mktemp("hosts"), HOST_COUNT) as lab:
        yield lab.hosts


@pytest.fixture(scope="session")
def real_systemd_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, ...]]:
    _skip_where(hosts_lack())
    with HostLab(tmp_path_factory.mktemp("systemd-hosts"), HOST_COUNT, Init.SYSTEMD) as lab:
        yield lab.hosts


@pytest.fixture(scope="session")
def real_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeCluster]:
    """A cluster of one node, on which pods really run."""
    _skip_where(node_lacks())
    with NodeCluster(tmp_path_factory.mktemp("node")) as cluster:
        yield cluster
    left = network.traces(cluster.number)
    assert left == [], f"of the cluster's host is left: {left}"


@pytest.fixture
def own_numbers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[range]:
    """Numbers of labs that no other test takes or sweeps meanwhile."""
    with network.set_apart() as apart:
        monkeypatch.setenv(network.NUMBERS_VARIABLE, f"{apart[0]}-{apart[-1]}")
        yield apart


@pytest.fixture(scope="session")
def real_gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaServer]:
    _skip_where(gitea_lacks())
    with GiteaServer(tmp_path_factory.mktemp("gitea")) as server:
        yield server


@pytest.fixture(scope="session")
def official_gitlab_client() -> Path:
    """A program that asks a GitLab through GitLab's own Go client."""
    _skip_where(gitlab_client_lacks())
    return gitlab_client()


@pytest.fixture(scope="session")
def official_github_api() -> Path:
    """GitHub's OpenAPI document."""
    _skip_where(github_api_lacks())
    return github_api()


@pytest.fixture(scope="session")
def official_helm() -> Path:
    """Helm itself: what renders charts, and the judge of what stands in a release's history."""
    _skip_where(helm_lacks())
    return helm()


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry of images over TLS, behind a password."""
    _skip_where(registry_lacks())
    with RegistryServer(tmp_path_factory.mktemp("registry")) as server:
        yield server


def _skip_where(lacking: str | None) -> None:
    if lacking is not None:
        pytest.skip(lacking)
