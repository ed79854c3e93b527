"""A reconciler that works for a while: what grows, in an hour of as much work.

Each round is a change proposed, approved, merged and carried out, and a few looks at rest. What grows with every change
because it is a record (the repository) is told beside what must not grow at all (open files, threads, children).
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.measure import Result, Spread
from benchmarks.resident import status
from tests.story.stage import Stage

WARM = 3  # rounds that do not count
LOOKS = 5  # at rest, in each round
MEBI = 1024 * 1024


def soak(folder: Path, minutes: float) -> Iterator[Result]:
    """The rows about growth."""
    stage = Stage.build(folder / "world")
    gauges: Mapping[str, tuple[str, Callable[[], float]]] = {
        "rss": ("MiB/h", lambda: status()["VmRSS"] / 1024),
        "files": ("/h", lambda: len(os.listdir("/proc/self/fd"))),
        "threads": ("/h", threading.active_count),
        "sqlite": ("MiB/h", lambda: _size(stage.world.home, "*.sqlite*")),
        "mirror": ("MiB/h", lambda: _size(stage.world.home, "mirror/**/*")),
        "origin": ("MiB/h", lambda: _size(stage.world.origin, "**/*")),
    }
    points: list[tuple[float, dict[str, float]]] = []
    rounds = 0
    try:
        stage.accept_first()
        end = time.monotonic() + minutes * 60
        while rounds < WARM + 2 or time.monotonic() < end:
            rounds += 1
            _round(stage, rounds)
            if rounds > WARM:
                points.append((time.monotonic() / 3600, {name: read() for name, (_, read) in gauges.items()}))
    finally:
        stage.world.close()
    hours = [hour for hour, _ in points]
    for name, (unit, _) in gauges.items():
        values = [found[name] for _, found in points]
        slope = statistics.linear_regression(hours, values).slope
        each = (values[-1] - values[0]) / (len(values) - 1)
        yield Result(
            f"soak.{name}",
            f"growth in {minutes:g} minutes of work",
            unit,
            Spread.of([slope]),
            counts={"changes": rounds, "at the end": values[-1], "for each change": each},
        )


def _round(stage: Stage, number: int) -> None:
    pull = stage.propose(tag=f"v3.{number}.0")
    stage.approve(pull)
    stage.merge(pull)
    assert stage.image() == f"v3.{number}.0"
    for _ in range(LOOKS):
        stage.world.opened.reconciler.look()


def _size(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file()) / MEBI
