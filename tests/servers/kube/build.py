"""How the Kubernetes programs are found or built.

One Go binary is all of Kubernetes and etcd, and answers to eight names by links beside it: the folder has the layout
that `KUBEBUILDER_ASSETS` (the convention of controller-runtime's envtest) asks for.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
PROGRAMS = (*NEEDED, "kube-proxy", "kube-scheduler", "kubeadm", "kubelet")
BINARY = "kube"

MODULE = Path(__file__).parent
SOURCES = ("main.go", "go.mod", "go.sum")

# The user's GOFLAGS are not taken over: they could loosen the pin (-mod=mod) or change the output.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def programs() -> Path:
    """The folder of the programs: the stated one, the cached one, or a new one (5 minutes on 2 cores).

    Raises BuildFailed with the end of what the Go tool said.
    """
    stated = os.environ.get(ASSETS_VARIABLE)
    return Path(stated) if stated else built_programs()


def built_programs() -> Path:
    """Our own, whatever is stated: all eight in one binary, which a node's images are made of."""
    return build_once("kube", _key(), _build)


def built_programs_cached() -> Path | None:
    return cached("kube", _key())


def kubernetes_version() -> str:
    """As go.mod pins it, such as `1.36.3`: stated there and nowhere else."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes v(\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise BuildFailed("reading the version of k8s.io/kubernetes in go.mod: there is no such line")
    return pinned.group(1)


def _key() -> str:
    return key_of(*((MODULE / name).read_bytes() for name in SOURCES), *_arguments(Path()), *PROGRAMS)


def _arguments(target: Path) -> list[str]:
    version = kubernetes_version()
    major, minor, _ = version.split(".", 2)
    # Without these the server calls itself v0.0.0-master, and clients that compare versions refuse it.
    stamp = "k8s.io/component-base/version"
    stamps = f"-X {stamp}.gitVersion=v{version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    return ["go", "build", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {stamps}", "-o", str(target / BINARY), "."]


def _build(folder: Path) -> None:
    say(f"building Kubernetes {kubernetes_version()}: about 5 minutes on 2 cores")
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    finished = subprocess.run(
        [*nice, *_arguments(folder)],
        cwd=MODULE,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise BuildFailed(f"building Kubernetes: go ended with {finished.returncode}: {finished.stdout[-2000:]}")
    for name in PROGRAMS:
        (folder / name).symlink_to(BINARY)
