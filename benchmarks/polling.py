"""Asking a repository whether anything moved, over HTTP on loopback and in a folder, when nothing did.

The peers are git's own commands. What the server spends is not counted: it is a process of its own.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Result, compared
from benchmarks.specs_tree import Tree
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport

POLLS = 20  # in one run of ours
ROOT = Path(__file__).parent.parent


def polling(folder: Path, runs: int) -> Iterator[Result]:
    """The rows about polling."""
    tree = Tree.make(folder, 200)
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.http_remote", str(folder)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"{server.stdout.readline().strip()}/{tree.path.name}"
        for kind, address in (("http", url), ("file", str(tree.path))):
            yield from _against(folder / kind, kind, address, runs)
    finally:
        server.communicate()  # it ends with its input


def _against(folder: Path, kind: str, address: str, runs: int) -> Iterator[Result]:
    mirror = Mirror(folder, Remote(address), Transport(folder / "git-home"))
    mirror.sync()
    looked = 0

    def poll() -> None:
        nonlocal looked
        for _ in range(POLLS):
            mirror.sync()
        looked += POLLS

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, capture_output=True)

    before = mirror.poller.requests
    peers = {
        "ls-remote": ("git ls-remote --heads", lambda: git("ls-remote", "--heads", address), 3.0),
        "fetch": (
            "git fetch",
            lambda: git(
                f"--git-dir={mirror.repository.path}", "fetch", "-q", address, "+refs/heads/main:refs/heads/main"
            ),
            10.0,
        ),
    }
    for name, (words, work, goal) in peers.items():
        yield compared(
            f"poll.{kind}.{name}",
            f"one poll of a repository ({kind}) where nothing moved",
            poll,
            (words, work),
            runs=runs,
            times=(POLLS, 1.0),
            goal=goal,
            counts=lambda: {
                "requests": (mirror.poller.requests - before) / looked,
                "fetches": mirror.fetches - 1,
            },
        )
    mirror.poller.close()
