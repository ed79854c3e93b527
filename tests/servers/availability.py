"""What this machine lacks for the real servers, in one line; the line is what a skipped test says."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import debian
from tests.servers.gitea.build import gitea_cached
from tests.servers.githubapi.build import github_api_cached
from tests.servers.gitlabclient.build import gitlab_client_cached
from tests.servers.helm.build import helm_cached
from tests.servers.kube.build import ASSETS_VARIABLE, NEEDED, built_programs_cached
from tests.servers.node.images import ARCHITECTURES
from tests.servers.node.layer import node_layer_cached
from tests.servers.registry.build import registry_cached
from tests.servers.rootfs import root_file_system_cached
from tests.servers.sops.build import sops_cached

HOST_PROGRAMS = ("ip", "nsenter", "unshare", "setpriv", "mount", "bash")


def apiserver_lacks() -> str | None:
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if shutil.which("setpriv") is None:
        return "no setpriv"
    stated = os.environ.get(ASSETS_VARIABLE)
    if stated:
        missing = [name for name in NEEDED if not os.access(Path(stated) / name, os.X_OK)]
        return f"{ASSETS_VARIABLE} is set and has no {', '.join(missing)}" if missing else None
    if built_programs_cached() is None and shutil.which("go") is None:
        return f"no go, no built Kubernetes in the cache and no {ASSETS_VARIABLE}"
    return None


def gitea_lacks() -> str | None:
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if gitea_cached() is None:
        missing = [name for name in ("go", "cc") if shutil.which(name) is None]
        return f"no {', '.join(missing)} and no built Gitea in the cache" if missing else None
    return None


def gitlab_client_lacks() -> str | None:
    if gitlab_client_cached() is None and shutil.which("go") is None:
        return "no go and no built client of GitLab in the cache"
    return None


def helm_lacks() -> str | None:
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if helm_cached() is None and shutil.which("go") is None:
        return "no go and no built Helm in the cache"
    return None


def sops_lacks() -> str | None:
    if sops_cached() is None and shutil.which("go") is None:
        return "no go and no built SOPS in the cache"
    return None


def registry_lacks() -> str | None:
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if registry_cached() is None:
        if not debian.apt_available():
            return "no root or no apt, and no registry in the cache"
        if debian.mirror() is None:
            return "no Debian mirror in the apt sources"
    return None


def github_api_lacks() -> str | None:
    if github_api_cached() is None and shutil.which("npm") is None:
        return "no npm and no description of GitHub's API in the cache"
    return None


def hosts_lack() -> str | None:
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if os.getuid() != 0:
        return "not root"
    missing = [name for name in HOST_PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}"
    if root_file_system_cached() is None:
        if shutil.which("debootstrap") is None and not debian.apt_available():
            return "no debootstrap and no apt"
        if debian.mirror() is None:
            return "no Debian mirror in the apt sources"
    return _namespaces_lack()


def node_lacks() -> str | None:
    lacking = hosts_lack()
    if lacking is not None:
        return lacking
    if platform.machine() not in ARCHITECTURES:
        return f"no node images for {platform.machine()}"
    if node_layer_cached() is None:
        missing = [name for name in ("go", "apt-get", "dpkg") if shutil.which(name) is None]
        if missing:
            return f"no {', '.join(missing)} and no built node in the cache"
        if debian.mirror() is None:
            return "no Debian mirror in the apt sources"
    return _firewall_lacks()


def _firewall_lacks() -> str | None:
    """kube-proxy programs nf_tables of the kernel; tried in a new network, with the program that the hosts have."""
    root = root_file_system_cached()
    if root is None:
        return None
    argv = ["unshare", "--net", "chroot", str(root), "/usr/sbin/nft", "add table ip trial"]
    tried = subprocess.run(argv, capture_output=True, text=True, check=False)
    return f"no nf_tables in this kernel: {tried.stderr.strip()}" if tried.returncode else None


def _namespaces_lack() -> str | None:
    """Tried and not guessed: in a container it is up to its capabilities, its seccomp profile and its file system."""
    with tempfile.TemporaryDirectory() as trial:
        for name in ("lower", "upper", "work", "root"):
            Path(trial, name).mkdir()
        layers = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
        namespaces = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork"]
        tried = subprocess.run(
            [*namespaces, "mount", "-t", "overlay", "overlay", "-o", layers, f"{trial}/root"],
            capture_output=True,
            text=True,
            check=False,
        )
    return f"no overlay in new namespaces: {tried.stderr.strip().splitlines()[0]}" if tried.returncode else None
