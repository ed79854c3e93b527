"""A world on a real Gitea in front of a process that serves, with and without a webhook: for a test and a benchmark.

The repository's own timer is set far away where a webhook is to be seen at work.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from reconciler.app.settings import FILE_NAME
from tests.cli.test_run import wait_until
from tests.story.clock import MovableClock
from tests.story.gitea_people import GiteaWorld, Site
from tests.story.stage import RELEASE, Stage

ROOT = Path(__file__).parents[2]
SECRET_VARIABLE = "RECONCILER_TEST_HOOK_SECRET"
EVENTS = ["push", "pull_request", "pull_request_sync", "pull_request_review_approved", "issue_comment"]
SETTINGS = "policy/settings.yaml"


@dataclass(slots=True)
class SlowWorld(GiteaWorld):
    """Polls as seldom as it is told."""

    poll: str = field(kw_only=True)
    pushed_at: float = 0.0  # seconds of a monotonic clock, when git had pushed

    def _git(self, *arguments: str) -> None:
        GiteaWorld._git(self, *arguments)
        if arguments[0] == "push":
            self.pushed_at = time.monotonic()

    def example(self) -> dict[str, str]:
        files = GiteaWorld.example(self)
        files[SETTINGS] = files[SETTINGS].replace("pollInterval: 30s", f"pollInterval: {self.poll}")
        return files


@dataclass(slots=True)
class Served:
    """A world, and the process that serves it; its own reconciler does nothing."""

    stage: Stage
    world: SlowWorld
    watch: str
    log: Path
    process: int
    pushed_head: str = ""

    def page(self, name: str) -> str:
        return httpx.get(f"{self.watch}/{name}", trust_env=False, timeout=30).text

    def number(self, metric: str) -> float:
        """Of one metric, label and all."""
        lines = self.page("metrics").splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric} ")), 0.0)

    @property
    def pushed_at(self) -> float:
        """Of the last push, on a monotonic clock."""
        return self.world.pushed_at

    def push(self, tag: str, branch: str) -> None:
        """What people do: one commit on a branch."""
        text = {RELEASE: self.stage.release_text(tag)}
        self.pushed_head = self.world.commit("a change", text, author="dev_user", branch=branch)

    def open(self, branch: str) -> int:
        return self.stage.desk("dev_user").person().open(branch, "main", "a change")

    def texts(self, number: int) -> tuple[str, ...]:
        """Of the comments."""
        return tuple(comment.body for comment in self.world.opened.forge.comments(number))


@contextlib.contextmanager
def served(folder: Path, site: Site, *, poll: str, hook: bool) -> Iterator[Served]:
    """A world whose first plan is carried out, and a process for it."""
    clock = MovableClock()
    world = SlowWorld(folder / "world", clock=clock, hosts_wanted=(), site=site, poll=poll)
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        config = world.home / FILE_NAME
        secret = secrets.token_hex(16)
        head = f'webhook_secret_variable = "{SECRET_VARIABLE}"\nlisten = "127.0.0.1:0"\n' if hook else ""
        config.write_text(head + config.read_text())
        log = folder / "serve.log"
        with log.open("w") as lines:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "reconciler.cli.main", "--config", str(config), "serve"),
                    *("--watch", "127.0.0.1:0"),
                ],
                cwd=ROOT,
                env={**os.environ, SECRET_VARIABLE: secret},
                stderr=lines,
            )
        try:
            yield _answering(Served(stage, world, "", log, process.pid), secret if hook else "")
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        world.close()


def _answering(made: Served, secret: str) -> Served:
    def said(event: str) -> str:
        entries = [json.loads(line) for line in made.log.read_text().splitlines() if line.startswith("{")]
        return next((str(one["at"]) for one in entries if one["event"] == event), "")

    assert wait_until(lambda: said("tells health and metrics")), made.log.read_text()
    made.watch = said("tells health and metrics").removesuffix("/metrics")
    assert wait_until(lambda: made.page("readyz") == "ok\n"), made.log.read_text()
    if secret:
        setup = {"url": said("receives webhooks"), "content_type": "json", "secret": secret}
        wanted = {"type": "gitea", "active": True, "events": EVENTS, "config": setup}
        made.world.site.ask("POST", "/hooks", wanted)
    return made
