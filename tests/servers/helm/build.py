"""How Helm itself is found or built: one static binary of a stated version.

The Go tool checks its content against the public checksum database.
"""

import shutil
from pathlib import Path

from tests.servers import debian
from tests.servers.cache import build_once, cached, key_of, say

VERSION = "4.3.1"
MODULE = f"helm.sh/helm/v4/cmd/helm@v{VERSION}"
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
# As its releases are built: without it the program calls itself v4.3.
STAMPS = f"-X helm.sh/helm/v4/internal/version.version=v{VERSION}"
ARGUMENTS = ("-trimpath", f"-ldflags=-s -w {STAMPS}")


def helm() -> Path:
    """The program: from the cache, or built (2 minutes on 2 cores). Raises BuildFailed."""
    return build_once("helm", _key(), _build) / "helm"


def helm_cached() -> Path | None:
    return cached("helm", _key())


def _key() -> str:
    return key_of(MODULE, *ARGUMENTS)


def _build(folder: Path) -> None:
    say(f"building Helm {VERSION}: about 2 minutes on 2 cores")
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    debian.run([*nice, "go", "install", *ARGUMENTS, MODULE], {**ENVIRONMENT, "GOBIN": str(folder)})
