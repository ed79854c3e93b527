"""`python -m tests.servers.build [kube|hosts|node|gitea|github|gitlab|helm|registry|all]`: fill the cache first.

On a bare Debian machine, as root, it also installs what the servers need of the system. When all is there it only says
where.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.servers import debian
from tests.servers.availability import (
    apiserver_lacks,
    gitea_lacks,
    github_api_lacks,
    gitlab_client_lacks,
    helm_lacks,
    hosts_lack,
    node_lacks,
    registry_lacks,
)
from tests.servers.cache import BuildFailed, say
from tests.servers.gitea.build import gitea
from tests.servers.githubapi.build import github_api
from tests.servers.gitlabclient.build import gitlab_client
from tests.servers.helm.build import helm
from tests.servers.kube.build import programs
from tests.servers.node.layer import node_layer
from tests.servers.registry.build import registry
from tests.servers.rootfs import root_file_system

# util-linux and mount are essential packages of Debian: setpriv, unshare, nsenter and mount are always there.
SYSTEM_PACKAGES = {"ip": "iproute2", "ssh": "openssh-client", "debootstrap": "debootstrap"}


def build_kube() -> Path:
    _refuse(apiserver_lacks())
    return programs()


def build_hosts() -> Path:
    if debian.apt_available():
        debian.install(SYSTEM_PACKAGES)
    _refuse(hosts_lack())
    return root_file_system()


def build_node() -> Path:
    if debian.apt_available():
        debian.install(SYSTEM_PACKAGES)
    _refuse(node_lacks())
    return node_layer()


def build_gitea() -> Path:
    _refuse(gitea_lacks())
    return gitea()


def build_github_api() -> Path:
    _refuse(github_api_lacks())
    return github_api()


def build_helm() -> Path:
    _refuse(helm_lacks())
    return helm()


def build_registry() -> Path:
    _refuse(registry_lacks())
    return registry()


def build_gitlab_client() -> Path:
    _refuse(gitlab_client_lacks())
    return gitlab_client()


TARGETS: dict[str, dict[str, Callable[[], Path]]] = {
    "kube": {"Kubernetes": build_kube},
    "hosts": {"root file system of hosts": build_hosts},
    "node": {"Kubernetes node": build_node},
    "gitea": {"Gitea": build_gitea},
    "github": {"GitHub's description of its API": build_github_api},
    "gitlab": {"GitLab's own client": build_gitlab_client},
    "helm": {"Helm": build_helm},
    "registry": {"registry of images": build_registry},
    "all": {
        "root file system of hosts": build_hosts,
        "Kubernetes": build_kube,
        "Kubernetes node": build_node,
        "Gitea": build_gitea,
        "GitHub's description of its API": build_github_api,
        "GitLab's own client": build_gitlab_client,
        "Helm": build_helm,
        "registry of images": build_registry,
    },
}


def main(arguments: list[str]) -> int:
    target = arguments[0] if arguments else "all"
    if target not in TARGETS or len(arguments) > 1:
        print(f"usage: python -m tests.servers.build [{'|'.join(TARGETS)}]", file=sys.stderr)
        return 2
    for what, build in TARGETS[target].items():
        try:
            say(f"{what}: {build()}")
        except BuildFailed as failure:
            say(f"{what}: {failure}")
            return 1
    return 0


def _refuse(lacking: str | None) -> None:
    if lacking is not None:
        raise BuildFailed(lacking)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
