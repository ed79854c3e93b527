"""The command: what to measure, the table, and the file."""

import argparse
import contextlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pydantic
import pygit2

from benchmarks.measure import Result
from benchmarks.table import row_of, table
from reconciler.app import telemetry
from reconciler.app.clock import SystemClock
from reconciler.specs.nursery import Origin, nursery


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    specs: int = 10_000
    changes: int = 1_000
    objects: int = 1_000
    runs: int = 7
    previews: int = 15
    minutes: float = 2.0
    pushes: int = 10
    poll: int = 30  # seconds: pollInterval unless the repository says otherwise


QUICK = Size(specs=500, changes=100, objects=100, runs=3, previews=3, minutes=0.1, pushes=2, poll=5)


def _loading(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.loading import loading

    yield from loading(folder, size.specs, size.runs)


def _polling(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.polling import polling

    yield from polling(folder, size.runs)


def _planning(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.planning import planning

    yield from planning(folder, size.changes, size.runs)


def _previewing(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.previewing import previewing

    yield from previewing(folder, size.previews)


def _pushing(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.hooks import pushing

    yield from pushing(folder, size.pushes, size.poll)


def _cluster(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.cluster import cluster

    yield from cluster(folder, size.objects, size.runs)


def _memory(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.memory import memory

    yield from memory(folder, size.specs)


def _soak(folder: Path, size: Size) -> Iterator[Result]:
    from benchmarks.soak import soak

    yield from soak(folder, size.minutes)


BENCHMARKS: Mapping[str, Callable[[Path, Size], Iterator[Result]]] = {
    "load": _loading,
    "poll": _polling,
    "plan": _planning,
    "preview": _previewing,
    "push": _pushing,
    "cluster": _cluster,
    "memory": _memory,
    "soak": _soak,
}


def main() -> int:
    """Measure, print, write. Exit code 1 where a goal is missed and `--strict` asks for it."""
    asked = _arguments()
    telemetry.configure(people=True)
    size = QUICK if asked.quick else Size()
    runs, pushes = asked.runs or size.runs, asked.runs or size.pushes
    size = replace(size, runs=runs, pushes=pushes, minutes=asked.minutes or size.minutes)
    size = replace(size, objects=asked.objects or size.objects)
    results: list[Result] = []
    for name in asked.only or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            for result in BENCHMARKS[name](Path(folder), size):
                results.append(result)
                print(row_of(result), file=sys.stderr, flush=True)
        for origin in Origin:
            nursery(origin).close()
    print(table(results))
    if asked.json:
        document = {"at": SystemClock().now().isoformat(), "machine": machine(), "quick": asked.quick}
        document["results"] = [result.to_json() for result in results]
        Path(asked.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(asked.strict and any(result.met is False for result in results))


def machine() -> dict[str, str | int]:
    """What matters of the machine, and not its name."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
        cores = sum(line.startswith("processor") for line in lines)
        system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
        return {
            "cores": cores,
            "system": system,
            "python": platform.python_version(),
            "pydantic": pydantic.VERSION,
            "libgit2": pygit2.LIBGIT2_VERSION,
            "date": datetime.now(UTC).date().isoformat(),
        }
    return {"system": platform.system(), "python": platform.python_version()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="measure this alone; may be given again")
    parser.add_argument("--quick", action="store_true", help="small and few: whether it runs, not how fast it is")
    parser.add_argument("--objects", type=int, help="on the cluster (default: 1,000)")
    parser.add_argument("--runs", type=int, help="side-by-side runs of each comparison (default: 7)")
    parser.add_argument("--minutes", type=float, help="how long the soak runs (default: 2)")
    parser.add_argument("--json", metavar="FILE", help="write the figures, all of them, to a file")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a goal is missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
