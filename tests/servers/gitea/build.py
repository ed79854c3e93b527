"""How Gitea is found or built: one Go binary, and the templates of its module beside it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

MODULE = Path(__file__).parent
SOURCES = ("main.go", "go.mod", "go.sum")
BINARY = "gitea"
STATIC = "static"
NAME = "code.gitea.io/gitea"
PARTS = ("options", "templates", "public")  # of the module: what the server reads at run time

# cgo for SQLite. The user's GOFLAGS are not taken over: they could loosen the pin or change the output.
ENVIRONMENT = {"CGO_ENABLED": "1", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def gitea() -> Path:
    """The folder with the program and `static/`, from the cache or built (3 minutes on 2 cores).

    Raises BuildFailed with the end of what the Go tool said.
    """
    return build_once("gitea", _key(), _build)


def gitea_cached() -> Path | None:
    return cached("gitea", _key())


def version() -> str:
    """As go.mod pins it, such as `1.26.0`."""
    pinned = re.search(rf"^(?:require )?\s*{re.escape(NAME)} v(\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise BuildFailed(f"reading the version of {NAME} in go.mod: there is no such line")
    return pinned.group(1)


def _key() -> str:
    return key_of(*((MODULE / name).read_bytes() for name in SOURCES), *_arguments(Path()), *PARTS)


def _arguments(target: Path) -> list[str]:
    flags = ["-trimpath", "-buildvcs=false", "-tags", "sqlite sqlite_unlock_notify"]
    return ["go", "build", *flags, f"-ldflags=-s -w -X main.version={version()}", "-o", str(target / BINARY), "."]


def _build(folder: Path) -> None:
    say(f"building Gitea {version()}: about 3 minutes on 2 cores")
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    _go([*nice, *_arguments(folder)])
    module = Path(json.loads(_go(["go", "list", "-m", "-json", NAME]))["Dir"])
    for part in PARTS:
        if (module / part).is_dir():
            shutil.copytree(module / part, folder / STATIC / part, copy_function=shutil.copyfile)
    for path in (folder / STATIC).rglob("*"):  # the module cache is read-only; another user runs the server
        path.chmod(0o755 if path.is_dir() else 0o644)


def _go(argv: list[str]) -> str:
    finished = subprocess.run(
        argv,
        cwd=MODULE,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise BuildFailed(f"building Gitea: go ended with {finished.returncode}: {finished.stderr[-2000:]}")
    return finished.stdout
