"""`serve` as a whole: a hook causes a look, a thousand few; it stops when asked, and fails when a part of it does."""

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from reconciler.app.clock import SystemClock
from reconciler.app.settings import Settings, load_settings
from reconciler.approval.persons import ForgeKind
from reconciler.doors import run
from reconciler.doors.starting import Wanted, begin
from reconciler.errors import ReconcilerError, Refused
from reconciler.secret import Secret
from reconciler.web import serving
from reconciler.web.doorbell import Doorbell
from reconciler.web.hooks import Answered, Door
from reconciler.web.listening import Address, Threads, bound, running, told
from tests.cli.terminal import Terminal
from tests.cli.test_run import wait_until

ROOT = Path(__file__).parents[2]
SECRET = "a secret of the hook"
VARIABLE = "RECONCILER_TEST_HOOK_SECRET"
ANYWHERE = "127.0.0.1:0"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reconciler whose first policy is trusted."""
    clock = SystemClock()
    begun = begin(Wanted(tmp_path_factory.mktemp("ops") / "ops", "ada", "ada@example.invalid"), clock)
    settings = load_settings(begun.config, {})
    with run.opened(settings, clock, people=False) as assembly:
        run.trust_commit(assembly, str(begun.commit))
    head = f'webhook_secret_variable = "{VARIABLE}"\nlisten = "{ANYWHERE}"\n'
    begun.config.write_text(head + begun.config.read_text())
    return begun.config


@pytest.fixture
def settings(config: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(VARIABLE, SECRET)
    return load_settings(config, {})


def hook(body: bytes) -> bytes:
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    said = {"Host": "x", "Content-Type": "application/json", "X-Hub-Signature-256": signature}
    lines = [f"{name}: {value}" for name, value in {**said, "Content-Length": str(len(body))}.items()]
    return "\r\n".join(("POST /hook HTTP/1.1", *lines, "", "")).encode() + body


def send(address: tuple[str, int], body: bytes) -> bytes:
    with socket.create_connection(address, timeout=30) as line:
        line.sendall(hook(body))
        return line.recv(12)


@dataclass
class Served:
    """A process that serves, and what it said of where."""

    process: subprocess.Popen[str]
    hooks: tuple[str, int]
    watch: str

    def looks(self) -> float:
        text = httpx.get(f"{self.watch}/metrics", trust_env=False).text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("reconciler_looks_total{"))


@pytest.fixture
def served(config: Path) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler.cli.main", "--config", str(config), "serve", "--watch", ANYWHERE],
        cwd=ROOT,
        env={**os.environ, VARIABLE: SECRET},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first, second = (json.loads(process.stderr.readline()) for _ in range(2))
        host, _, port = first["at"].removeprefix("http://").removesuffix("/hook").rpartition(":")
        yield Served(process, (host, int(port)), second["at"].removesuffix("/metrics"))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_hook_causes_a_look_and_sigterm_ends_it_well(served: Served) -> None:
    assert wait_until(lambda: httpx.get(f"{served.watch}/readyz", trust_env=False).status_code == 200)
    assert httpx.get(f"{served.watch}/healthz", trust_env=False).text == "ok\n"
    before = served.looks()  # the next poll is far away
    assert send(served.hooks, b"{}") == b"HTTP/1.1 202"
    assert wait_until(lambda: served.looks() > before)
    assert send(served.hooks, b"{}") == b"HTTP/1.1 200"
    served.process.send_signal(signal.SIGTERM)
    _, err = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, err
    assert "stopping at the next safe point" in err
    assert SECRET not in err


def test_a_thousand_hooks_are_few_rings() -> None:
    rings: list[None] = []
    answered: list[Answered] = []
    clock = SystemClock()
    doorbell = Doorbell(lambda: rings.append(None), clock)
    door = Door(ForgeKind.GITHUB, Secret(SECRET), doorbell.press, answered.append)
    threads = Threads(died=lambda: None)
    with bound(Address.of(ANYWHERE), "a test") as listener:
        address = listener.getsockname()
        threads.start("doorbell", doorbell.serve)
        with running(threads, "a test", door.application(), listener):
            for number in range(1000):
                assert send(address, b"%d" % number) == b"HTTP/1.1 202"
            threads.stopping()
            doorbell.stop()
            clock.stop()
        threads.join()
    assert answered == [Answered.TAKEN] * 1000
    assert 1 <= len(rings) < 20


def test_without_a_secret_it_says_so_and_listens_for_no_hook(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, " ")
    listened: list[str] = []

    def stop_at_once(*_: Any, **__: Any) -> None:
        listened.extend(thread.name for thread in threading.enumerate() if thread.name.startswith("serve"))

    monkeypatch.setattr(run, "forever", stop_at_once)
    serving.serve(settings, SystemClock(), people=False, watch=ANYWHERE)
    err = capfd.readouterr().err
    assert "webhooks are not received" in err
    assert VARIABLE in err
    assert "/hook" not in err
    assert len(listened) == 1  # health and metrics


def stopped_by(work: Callable[[], None]) -> Callable[..., None]:
    def forever(*_: Any, **__: Any) -> None:
        work()

    return forever


def test_what_the_loop_dies_of_ends_the_process_and_its_servers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies() -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(run, "forever", stopped_by(dies))
    with pytest.raises(RuntimeError, match="a defect"):
        serving.serve(settings, SystemClock(), people=False, watch=ANYWHERE)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("serve")] == []


@pytest.mark.parametrize("ending", [None, RuntimeError("a defect")])
def test_a_server_that_ends_by_itself_ends_the_loop_and_is_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ending: Exception | None
) -> None:
    def ends(*_: Any, **__: Any) -> None:
        if ending is not None:
            raise ending

    monkeypatch.setattr(uvicorn.Server, "run", ends)
    with pytest.raises((ReconcilerError, RuntimeError)) as failure:  # returns: the loop itself was ended
        serving.serve(settings, SystemClock(), people=False, watch=ANYWHERE)
    assert failure.value is ending or "ended by itself" in str(failure.value)


def test_an_address_that_is_taken_is_said_before_the_first_look(
    config: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bound(Address.of(ANYWHERE), "a test") as listener:
        seen = Terminal(tmp_path, monkeypatch).type("--config", str(config), "serve", "--watch", told(listener))
    assert (seen.code, "resource_conflict" in seen.err, "hint:" in seen.err) == (2, True, True)
    with pytest.raises(Refused), run.alone(settings.state):
        serving.serve(settings, SystemClock(), people=False, watch=ANYWHERE)  # another reconciler runs


def test_doctor_says_whether_hooks_are_received(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told_of_hooks() -> tuple[str, str]:
        monkeypatch.setenv("PATH", os.environ["PATH"])
        checks = Terminal(tmp_path, monkeypatch).type("--config", str(config), "doctor", "-o", "json").json["checks"]
        found = next(one for one in checks if one["name"] == "webhooks")
        return found["status"], found["message"]

    assert told_of_hooks() == ("warn", f"the variable {VARIABLE} is not set here")
