"""The reconciler in a process of its own that is killed at a chosen point.

    python -m tests.failpoints.process "after kube.apply 1" --config FOLDER/reconciler.toml run --once

runs one command line so. Without arguments it is a nursery: it has loaded the product, reads one order a line from
stdin, and answers each with how a child that it forked for it ended; so a run costs no start of Python. The kill is
SIGKILL, sent to itself: no `finally`, no flush, no goodbye. Nothing in `reconciler/` can be asked for this.
"""

import functools
import importlib
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.failpoints.points import PLACES, Kill, Place, Point, Side

LOOK = "look"  # instead of a verb: one round of the loop, as `run` does it for ever
LOADED = (
    *("reconciler.cli.main", "reconciler.doors.run", "reconciler.doors.people", "reconciler.doors.plans"),
    *("reconciler.doors.orders", "reconciler.doors.inbox", "reconciler.doors.pulls"),
    *("kubernetes.client", "urllib3.exceptions", "reconciler.ssh.host"),
)


class Watch:
    """Counts how often each point was reached and dies where it was told to. Threads take turns."""

    def __init__(self, kill: Kill | None) -> None:
        self.kill = kill
        self.counts: Counter[Point] = Counter()
        self._lock = threading.Lock()

    def wrap(self, point: Point, place: Place, called: Callable[..., Any]) -> Callable[..., Any]:
        """The same method, with a place to die on each side of it."""

        @functools.wraps(called)
        def watched(*args: Any, **named: Any) -> Any:
            if not place.counts(*args, **named):
                return called(*args, **named)
            with self._lock:
                self.counts[point] += 1
                nth = self.counts[point]
            self._pass(Kill(Side.BEFORE, point, nth))
            try:
                return called(*args, **named)
            finally:  # also where it was refused
                self._pass(Kill(Side.AFTER, point, nth))

        return watched

    def _pass(self, here: Kill) -> None:
        if here == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the wrapped methods in place, in this process alone."""
        for point, place in PLACES.items():
            module, _, path = place.owner.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, name, self.wrap(point, place, getattr(owner, name)))


def run(words: Sequence[str], kill: Kill | None, report: Path | None, heard: Path | None = None) -> int:
    """One command line, watched; its exit code. Whom it tells something hears it in a file."""
    from reconciler.app import announcing, verifying
    from reconciler.cli.main import main

    verifying.READINESS_PAUSE = timedelta(milliseconds=10)  # the sandbox's controllers act on the second look
    if heard is not None:
        announcing.HttpAnnouncer.announce = functools.partialmethod(_hear, heard)  # type: ignore[method-assign, assignment]
    watch = Watch(kill)
    watch.install()
    try:
        if words[-1] == LOOK:
            _look(Path(words[1]))
        else:
            main(words)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    if report is not None:
        report.write_text(json.dumps(watch.counts))
    return code


def _hear(_: object, heard: Path, url: str, token: object, message: Mapping[str, Any]) -> None:
    """The far end of an announcement: what arrived there stays, whoever dies."""
    assert token is None
    with heard.open("a", encoding="utf-8") as file:
        file.write(f"{url} {json.dumps(message, sort_keys=True)}\n")


def _look(config: Path) -> None:
    from reconciler.app.clock import SystemClock
    from reconciler.app.settings import load_settings
    from reconciler.doors import run
    from reconciler.errors import Unavailable

    with run.opened(load_settings(config), SystemClock(), people=False) as assembly:
        try:
            assembly.reconciler.look()
        except Unavailable as error:  # what `run` logs, before it looks again
            sys.stderr.write(f"{error.key}: {error.message}\n")


def nursery() -> None:
    """Fork one child for each order until stdin ends."""
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _in_child(order)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _in_child(order: Mapping[str, Any]) -> None:
    code = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.environ.update(order["environment"])
        kill = Kill.parse(order["kill"]) if order["kill"] else None
        code = run(order["words"], kill, Path(order["report"]), Path(order["heard"]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run(sys.argv[2:], Kill.parse(sys.argv[1]) if sys.argv[1] != "-" else None, None))
    nursery()
