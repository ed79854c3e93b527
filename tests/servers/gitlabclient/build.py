"""How the program that asks a GitLab through GitLab's own Go client is found or built: one static binary."""

import os
import subprocess
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

MODULE = Path(__file__).parent
SOURCES = ("main.go", "go.mod", "go.sum")
BINARY = "gitlabclient"

# The user's GOFLAGS are not taken over: they could loosen the pin or change the output.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
ARGUMENTS = ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")


def gitlab_client() -> Path:
    """The program, from the cache or built (half a minute). Raises BuildFailed with the end of what Go said."""
    return build_once("gitlabclient", _key(), _build) / BINARY


def gitlab_client_cached() -> Path | None:
    return cached("gitlabclient", _key())


def _key() -> str:
    return key_of(*((MODULE / name).read_bytes() for name in SOURCES), *ARGUMENTS)


def _build(folder: Path) -> None:
    say("building GitLab's own client: half a minute")
    finished = subprocess.run(
        [*ARGUMENTS, "-o", str(folder / BINARY), "."],
        cwd=MODULE,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise BuildFailed(f"building GitLab's client: go ended with {finished.returncode}: {finished.stderr[-2000:]}")
