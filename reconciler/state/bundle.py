"""A verified bundle as a value (contracts: bundle.md). `bundle/` reads and verifies; this only names what it found."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the bundle. `path` is relative to the bundle's root; `mode` is octal text such as "0755"."""

    id: str
    type: str
    path: str
    sha256: str
    size_bytes: int
    mode: str
    required: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """A script of the bundle, run in the index's order. `run_on`: control_plane|worker|all|compose_manager."""

    name: str
    path: str
    timeout: timedelta
    retryable: bool
    max_retries: int
    run_on: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """A check that the index names. `severity`: error|warning|info."""

    id: str
    type: str
    target: str
    expect: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a bundle installs: `name` is k8s or compose."""

    name: str
    version: str
    os_arch: tuple[tuple[str, str], ...]
    artifacts: tuple[Artifact, ...]
    hooks: tuple[Hook, ...]
    checks: tuple[BundleCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every file matched its checksum and whose checksums were signed by a trusted key.

    `digest` is the sha256 of the signed SHA256SUMS file: it stands for the whole content. `files` lists every file to
    deliver as (path relative to root, sha256, mode); `root` is where they lie on the reconciler's machine.
    """

    version: str
    digest: str
    root: str
    signed_by: str
    runtimes: tuple[Runtime, ...]
    files: tuple[tuple[str, str, str], ...]
    k8s_api_min: str = ""
    k8s_api_max: str = ""

    def runtime(self, name: str) -> Runtime | None:
        """The runtime of that name, or None where the bundle has none."""
        return next((runtime for runtime in self.runtimes if runtime.name == name), None)
