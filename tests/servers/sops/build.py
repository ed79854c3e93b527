"""How the real SOPS is found or built: one static binary."""

import os
import subprocess
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

MODULE = "github.com/getsops/sops/v3/cmd/sops@v3.10.2"  # its checksum stands in Go's own database
ARGUMENTS = ("go", "install", "-trimpath", "-ldflags=-s -w", MODULE)
# The user's GOFLAGS are not taken over: they could loosen the pin or change the output.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def sops() -> Path:
    """The program, from the cache or built (five minutes). Raises BuildFailed with the end of what Go said."""
    return build_once("sops", _key(), _build) / "sops"


def sops_cached() -> Path | None:
    return cached("sops", _key())


def _key() -> str:
    return key_of(*ARGUMENTS)


def _build(folder: Path) -> None:
    say("building SOPS: five minutes")
    finished = subprocess.run(
        ARGUMENTS,
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "GOBIN": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise BuildFailed(f"building SOPS: go ended with {finished.returncode}: {finished.stderr[-2000:]}")
