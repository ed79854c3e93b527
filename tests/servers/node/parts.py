"""The programs of a node that are not Kubernetes' own: container engine, pod network, cluster DNS, small ones of ours.

Go programs by their modules at a stated version, whose content the Go tool checks against the public checksum database;
runc and busybox as Debian packages, downloaded and unpacked but not installed.
"""

import json
import platform
import shutil
from pathlib import Path

from tests.servers import debian
from tests.servers.cache import BuildFailed, build_once, cached, key_of, say
from tests.servers.rootfs import SUITE

CONTAINERD = "github.com/containerd/containerd/v2/cmd/{}@v2.4.2"
CNI = "github.com/containernetworking/plugins/plugins/{}@v1.9.1"
GO_PROGRAMS = {
    "bin": (CONTAINERD.format("containerd"), CONTAINERD.format("containerd-shim-runc-v2"), CONTAINERD.format("ctr")),
    "cni": tuple(CNI.format(name) for name in ("main/bridge", "main/loopback", "ipam/host-local", "meta/portmap")),
    "dns": ("github.com/coredns/coredns@v1.15.0",),
}
DEBIAN_PROGRAMS = {"runc": "usr/sbin/runc", "busybox-static": "bin/busybox"}  # package -> the one file of it
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
STRIPPED = ("-trimpath", "-ldflags=-s -w")
HERE = Path(__file__).parent


def node_parts() -> Path:
    """A folder of bin/, cni/, dns/, pause and busybox: from the cache, or built (4 minutes). Raises BuildFailed."""
    return build_once("nodeparts", _key(), _build)


def node_parts_cached() -> Path | None:
    return cached("nodeparts", _key())


def _key() -> str:
    recipe = json.dumps([GO_PROGRAMS, DEBIAN_PROGRAMS, GO_ENVIRONMENT, STRIPPED, SUITE, platform.machine()])
    return key_of(recipe, (HERE / "pause.go").read_bytes())


def _build(folder: Path) -> None:
    say("building containerd, the pod network's plugins and CoreDNS: about 4 minutes on 2 cores")
    for name, modules in GO_PROGRAMS.items():
        debian.run([*_nice(), "go", "install", *STRIPPED, *modules], {**GO_ENVIRONMENT, "GOBIN": str(folder / name)})
    pause = ["go", "build", *STRIPPED, "-o", str(folder / "pause"), str(HERE / "pause.go")]
    debian.run([*_nice(), *pause], GO_ENVIRONMENT)
    unpacked = folder / "unpacked"
    debian.unpack(SUITE, list(DEBIAN_PROGRAMS), unpacked)
    for package, file in DEBIAN_PROGRAMS.items():
        if not (unpacked / file).is_file():
            raise BuildFailed(f"unpacking {package}: it has no {file}")
        shutil.copy2(unpacked / file, folder / "bin" / Path(file).name)
    shutil.rmtree(unpacked)


def _nice() -> list[str]:
    return ["nice", "-n", "10"] if shutil.which("nice") else []
