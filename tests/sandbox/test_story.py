"""The story of the demo, played whole; broken on purpose; and interrupted. It leaves nothing behind in any of them."""

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.story import INTERRUPTED, play, processes
from reconciler.sandbox.story_screen import WIDTH

PLAY = "import sys; from reconciler.sandbox.story import play; sys.exit(play(keep=False, pace=0))"


class Stuck(SandboxCluster):
    """A cluster that goes on showing its first version, whatever it was told."""

    def look(self, path: str) -> dict[str, Any] | None:
        found = super().look(path)
        for container in found["spec"]["template"]["spec"]["containers"] if found and "deployments" in path else ():
            container["image"] = container["image"].partition(":")[0] + ":v2.0.0"
        return found


@pytest.fixture
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def paper() -> Console:
    """No terminal, as in a pipe."""
    return Console(file=io.StringIO(), width=WIDTH, highlight=False)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if not thread.daemon}


def test_the_whole_story_holds_and_leaves_nothing_behind(tmp: Path) -> None:
    before, console = threads(), paper()
    clusters: list[SandboxCluster] = []

    def made() -> SandboxCluster:
        clusters.append(SandboxCluster())
        return clusters[-1]

    assert play(keep=False, pace=0, console=console, make_cluster=made) == 0, text(console)
    shown = text(console)
    ending = shown.partition("What was seen")[2]
    assert [line.split()[0] for line in ending.splitlines() if line.endswith("yes")] == list("11122233444445556")
    assert not [line for line in shown.splitlines() if line.endswith("NO") or len(line) > WIDTH or "\x1b" in line]
    assert len(shown.splitlines()) < 210  # a newcomer reads it
    for word in ("permission_denied", "preview_required", "preview_expired", "preview_mismatch", "rolled back"):
        assert word in shown
    assert not list(tmp.iterdir())
    assert not processes(tmp)
    assert threads() <= before
    assert len(clusters) == 2
    for cluster in clusters:
        with socket.socket() as asked:
            assert asked.connect_ex(("127.0.0.1", int(cluster.endpoint.rpartition(":")[2]))) != 0


def test_a_broken_step_exits_1_and_says_which_and_a_kept_folder_stays(tmp: Path) -> None:
    console = paper()
    assert play(keep=True, pace=0, console=console, make_cluster=Stuck) == 1
    shown = text(console)
    assert "step 2 broke: expected production runs v2.0.1; seen: registry.example.invalid/svc-a:v2.0.0" in shown
    assert "3. " not in shown  # nothing is told that rests on what did not hold
    (folder,) = tmp.iterdir()
    assert (folder / "origin.git" / "HEAD").exists()
    assert "git -C origin.git log" in shown
    assert (folder / "reconciler" / "reconciler.toml").exists()
    assert not processes(tmp)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_story_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", PLAY], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if "reconciler approve" in line:  # the install runs
                child.send_signal(number)
                break
        shown = child.stdout.read()
        assert child.wait(timeout=60) == INTERRUPTED
    assert "step 1 broke: it was interrupted" in shown
    assert not list(tmp_path.iterdir())
    assert not processes(tmp_path)


def test_a_process_that_is_left_is_seen(tmp_path: Path) -> None:
    with subprocess.Popen(["tail", "-f", "/dev/null"], env={**os.environ, "OPSPILOT_ROOT": f"{tmp_path}/x"}) as child:
        try:
            assert processes(tmp_path) == (child.pid,)
        finally:
            child.kill()
    assert not processes(tmp_path)
