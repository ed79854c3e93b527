"""Container images without a registry: one docker-archive of all that a node runs.

Every image is one layer. The control plane's images are the same layer under the names that kubeadm asks for: the one
Kubernetes binary with a link for each program, and `nft` with its libraries for kube-proxy.
Format: https://github.com/moby/docker-image-spec/blob/main/spec.md ("Combined image JSON + filesystem changeset").
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WEB = "web.example.invalid/web"  # the test image, in two versions
WEB_TAGS = ("v1", "v2")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """`files` from path in the image to file here; `links` from path in the image to what the link says."""

    tags: Sequence[str]
    entrypoint: Sequence[str] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def write_images(archive: Path, images: Sequence[Image]) -> None:
    """Equal layers are written once. The same files give the same bytes."""
    manifest, written = [], set()
    with tarfile.open(archive, "w") as bundle:
        for image in images:
            layer = archive.with_suffix(".layer")
            _write_layer(layer, image)
            with layer.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            if digest not in written:
                written.add(digest)
                bundle.add(layer, f"{digest}/layer.tar", filter=_neutral)
            layer.unlink()
            config = _config(image, digest)
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(bundle, name, config)
            manifest.append({"Config": name, "RepoTags": list(image.tags), "Layers": [f"{digest}/layer.tar"]})
        _add(bundle, "manifest.json", json.dumps(manifest).encode())


def kubernetes_images(
    names: Sequence[str], programs: Path, parts: Path, root: Path, libraries: Callable[[str], Sequence[str]]
) -> list[Image]:
    """What `kubeadm config images list` names. `libraries` are the files in `root` that a program of it needs."""
    program_links = {f"usr/local/bin/{link.name}": "kube" for link in sorted(programs.iterdir()) if link.is_symlink()}
    nft = ["/usr/sbin/nft", *libraries("/usr/sbin/nft")]
    kube = {"usr/local/bin/kube": programs / "kube", **{file.lstrip("/"): root / file.lstrip("/") for file in nft}}
    special = {
        "pause": Image((), ["/pause"], {"pause": parts / "pause"}),
        "coredns": Image((), ["/coredns"], {"coredns": parts / "dns/coredns"}),
    }
    images, control_plane = [], []
    for name in names:
        known = special.get(name.rpartition("/")[2].partition(":")[0])
        if known is None:
            control_plane.append(name)
        else:
            images.append(Image([name], known.entrypoint, known.files))
    return [Image(control_plane, (), kube, program_links), *images]


def web_images(parts: Path, script: Path) -> list[Image]:
    """The versions differ in what `/` answers (web.sh)."""
    commands = ("sh", "httpd", "mkdir", "tee", "cat", "ls", "sleep", "wget", "nslookup")
    links = {f"bin/{command}": "busybox" for command in commands}
    files = {"bin/busybox": parts / "bin/busybox", "web": script}
    return [Image([f"{WEB}:{tag}"], ["/bin/sh", "/web"], files, links, {"VERSION": tag}) for tag in WEB_TAGS]


def _write_layer(target: Path, image: Image) -> None:
    with tarfile.open(target, "w", dereference=True) as layer:
        scratch = tarfile.TarInfo("tmp")
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        layer.addfile(scratch)
        for name, source in sorted(image.files.items()):
            layer.add(source, name, filter=_neutral)
        for name, points_to in sorted(image.links.items()):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, points_to
            layer.addfile(link)


def _neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755
    return entry


def _config(image: Image, digest: str) -> bytes:
    environment = [f"{name}={value}" for name, value in {"PATH": PATH, **image.environment}.items()]
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": list(image.entrypoint), "Env": environment},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "tests"}],
    }
    return json.dumps(config).encode()


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    bundle.addfile(entry, io.BytesIO(content))
