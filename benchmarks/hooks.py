"""From a push onto an open pull request to its new preview comment, on a real Gitea: with a webhook, and polling alone.

Two repositories on one server, each with a process of `reconciler serve` that polls as the example says; one of them
has a webhook. They are pushed to in turns. The clock starts when `git push` has returned and stops when the comment
that names the new head is seen in the API. Pushes to the one that polls come at times spread evenly over its interval,
because who pushes knows nothing of polls.
"""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.measure import TICKS, Result, Spread, ticks_of
from reconciler.app.clock import SystemClock
from tests.servers.availability import gitea_lacks
from tests.servers.forge import GiteaServer
from tests.story.gitea_people import Site
from tests.web.gitea_served import Served, served

GOAL = 1000.0  # ms
STEP = timedelta(milliseconds=25)  # how exactly a comment's time is seen
PATIENCE = 120.0  # seconds for one comment


def pushing(folder: Path, runs: int, poll: int) -> Iterator[Result]:
    """The row; none where there is no Gitea. `poll` in seconds."""
    lacking = gitea_lacks()
    if lacking is not None:
        print(f"push.comment: {lacking}", file=sys.stderr)
        return
    clock = SystemClock()
    interval = f"{poll}s"
    with (
        GiteaServer(folder / "gitea") as server,
        served(folder / "hook", Site(server), poll=interval, hook=True) as hooked,
        served(folder / "poll", Site(server), poll=interval, hook=False) as polled,
    ):
        numbers = {id(one): _opened(one, clock) for one in (hooked, polled)}
        with_hook: list[float] = []
        alone: list[float] = []
        before = _spent(hooked)
        for run in range(1, runs + 1):
            with_hook.append(_pushed(hooked, numbers[id(hooked)], run, clock))
            clock.wait(timedelta(seconds=poll * (run - 0.5) / runs))
            alone.append(_pushed(polled, numbers[id(polled)], run, clock))
        looks, cpu = (now - then for now, then in zip(_spent(hooked), before, strict=True))
    yield Result(
        "push.comment",
        "a push onto an open pull request to its new preview comment, on a local Gitea (wall, p50)",
        "ms",
        Spread.of(with_hook),
        peer=f"polling every {poll} s",
        theirs=Spread.of(alone),
        goal=GOAL,
        least=False,
        counts={"worst ms": max(with_hook), "looks": looks / runs, "ms CPU of ours": cpu * 1000 / runs},
    )


def _opened(one: Served, clock: SystemClock) -> int:
    one.push("v2.1.0", "change")
    number = one.open("change")
    _seen(one, number, one.pushed_head, clock)
    return number


def _pushed(one: Served, number: int, run: int, clock: SystemClock) -> float:
    """Milliseconds from a push to its comment."""
    one.push(f"v2.1.{run}", "change")
    begun = one.pushed_at
    return (_seen(one, number, one.pushed_head, clock) - begun) * 1000


def _seen(one: Served, number: int, head: str, clock: SystemClock) -> float:
    begun = time.monotonic()
    while not any("### Preview" in text and head[:12] in text for text in one.texts(number)):
        if time.monotonic() - begun > PATIENCE:
            raise SystemExit(f"push.comment: no comment after {PATIENCE:.0f} s: {one.log.read_text()[-2000:]}")
        clock.wait(STEP)
    return time.monotonic()


def _spent(one: Served) -> tuple[float, float]:
    """Looks so far, and seconds of processor time of the process that serves and of what it started."""
    return one.number('reconciler_looks_total{result="success"}'), ticks_of(one.process) / TICKS
