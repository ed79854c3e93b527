"""The layer over a host's root file system that makes it a node: programs, units, settings and images.

Everything that a node needs is in it, so that a cluster starts without any network but its own.
"""

import shutil
import subprocess
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say
from tests.servers.kube.build import built_programs, built_programs_cached, kubernetes_version
from tests.servers.node.images import kubernetes_images, web_images, write_images
from tests.servers.node.parts import node_parts, node_parts_cached
from tests.servers.rootfs import root_file_system, root_file_system_cached

HERE = Path(__file__).parent
SETTINGS = HERE / "disk"
IMAGES = "opt/node/images.tar"
CNI_PROGRAMS = "opt/cni/bin"
UNITS = ("node-prepare.service", "containerd.service", "kubelet.service")
SOURCES = (HERE / "layer.py", HERE / "images.py", HERE / "web.sh", *sorted(SETTINGS.iterdir()))


def node_layer() -> Path:
    """From the cache, or made of its parts, which are built where they are not there. Raises BuildFailed."""
    programs, parts, root = built_programs(), node_parts(), root_file_system()

    def build(folder: Path) -> None:
        _build(folder, programs, parts, root)

    return build_once("node", _key(programs, parts, root), build)


def node_layer_cached() -> Path | None:
    programs, parts, root = built_programs_cached(), node_parts_cached(), root_file_system_cached()
    return cached("node", _key(programs, parts, root)) if programs and parts and root else None


def _key(programs: Path, parts: Path, root: Path) -> str:
    return key_of(programs.name, parts.name, root.name, *(source.read_bytes() for source in SOURCES))


def _build(folder: Path, programs: Path, parts: Path, root: Path) -> None:
    say("making the images and the disk of a Kubernetes node: a few seconds")
    names = _image_names(programs)
    _copy_programs(folder, programs, parts)
    _write_settings(folder, next(name for name in names if "/pause:" in name))
    images = [
        *kubernetes_images(names, programs, parts, root, lambda program: _libraries(root, program)),
        *web_images(parts, HERE / "web.sh"),
    ]
    (folder / IMAGES).parent.mkdir(parents=True)
    write_images(folder / IMAGES, images)


def _copy_programs(folder: Path, programs: Path, parts: Path) -> None:
    commands, plugins = folder / "usr/local/bin", folder / CNI_PROGRAMS
    shutil.copytree(programs, commands, symlinks=True)
    shutil.copytree(parts / "bin", commands, dirs_exist_ok=True)
    shutil.copytree(parts / "cni", plugins)


def _write_settings(folder: Path, pause: str) -> None:
    units, wanted = folder / "etc/systemd/system", folder / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(SETTINGS / unit, units / unit)
        (wanted / unit).symlink_to(f"../{unit}")
    (folder / "usr/local/lib/node").mkdir(parents=True)
    shutil.copy(SETTINGS / "prepare.sh", folder / "usr/local/lib/node/prepare.sh")
    (folder / "etc/containerd").mkdir()
    settings = (SETTINGS / "config.toml").read_text().replace("@PAUSE@", pause)
    (folder / "etc/containerd/config.toml").write_text(settings)


def _image_names(programs: Path) -> list[str]:
    argv = ["config", "images", "list", f"--kubernetes-version=v{kubernetes_version()}"]
    return _said([str(programs / "kubeadm"), *argv]).split()


def _libraries(root: Path, program: str) -> list[str]:
    """`libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, and the loader without an arrow."""
    words = _said(["chroot", str(root), "ldd", program]).split()
    return [word for word in words if word.startswith("/")]


def _said(argv: list[str]) -> str:
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BuildFailed(f"running {' '.join(argv)}: {finished.stderr.strip()[-1000:]}")
    return finished.stdout
