"""What a piece of work costs, and how two pieces of work compare.

Knows processor time, medians and quartiles. Rules: sides are run in turns, so that whatever else the machine does
meets both; processor time is that of this process and everything it started; a figure is a median, and its spread is
always beside it.
"""

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reconciler.specs.nursery import Origin, nursery

TICKS = os.sysconf("SC_CLK_TCK")  # a second
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several figures and their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time, and of the clock on the wall."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table. `goal` is in the unit of what is judged: the ratio where there is a peer, else `ours`.

    `least`: the goal is a least value; else a most.
    """

    name: str
    what: str
    unit: str
    ours: Spread
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    goal: float | None = None
    least: bool = True
    counts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        judged = (self.ratio or self.ours).median
        return judged >= self.goal if self.least else judged <= self.goal

    def to_json(self) -> dict[str, Any]:
        """Everything, and whether the goal is met."""
        return {**asdict(self), "met": self.met}


def processor_seconds() -> float:
    """Of this process, of its children that have ended, and of the nurseries with all that they buried."""
    ours, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ours.ru_utime + ours.ru_stime + ended.ru_utime + ended.ru_stime
    for process in (process for origin in Origin if (process := nursery(origin).process) is not None):
        total += ticks_of(process) / TICKS
    return total


def ticks_of(process: int) -> int:
    """Processor time of a process and of its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15])  # proc(5): utime, stime, cutime, cstime


def cost(work: Work) -> Cost:
    """What one run of the work costs."""
    gc.collect()
    cpu, wall = processor_seconds(), time.perf_counter()
    work()
    return Cost(processor_seconds() - cpu, time.perf_counter() - wall)


def interleaved(sides: Mapping[str, Work], runs: int) -> Mapping[str, list[Cost]]:
    """Each side's cost in each run, in turns, after one run of each that does not count."""
    found: dict[str, list[Cost]] = {name: [] for name in sides}
    for work in sides.values():
        work()
    for _ in range(runs):
        for name, work in sides.items():
            found[name].append(cost(work))
    return found


def compared(
    name: str,
    what: str,
    ours: Work,
    peer: tuple[str, Work],
    *,
    runs: int,
    times: tuple[int, float] = (1, 1.0),
    goal: float | None = None,
    counts: Callable[[], Mapping[str, float]] = dict,
    note: str = "",
) -> Result:
    """Milliseconds of processor time of both sides. `times`: repetitions within one run of ours, and what one run of
    the peer is multiplied with (it may do a part only)."""
    repeated, scale = times
    measured = interleaved({"ours": ours, "peer": peer[1]}, runs)
    mine = [cost.cpu * 1000 / repeated for cost in measured["ours"]]
    theirs = [cost.cpu * 1000 * scale for cost in measured["peer"]]
    ratios = [their / max(my, 1e-6) for my, their in zip(mine, theirs, strict=True)]
    return Result(
        name,
        what,
        "ms CPU",
        Spread.of(mine),
        peer[0],
        Spread.of(theirs),
        Spread.of(ratios),
        goal,
        counts=counts(),
        note=note,
    )
