"""One world that is put back to the same moment again and again, and a reconciler beside it that can be killed.

Clusters, hosts and the repository live here, in the test's process and folder, so they survive whoever talks to them.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.app.settings import FILE_NAME
from reconciler.sandbox.cluster import Saved
from reconciler.sandbox.hosts import SandboxHost
from reconciler.sandbox.world import STAGING_TOKEN, World
from tests.failpoints.far_side import HEARD, Left, audited, known_names, look
from tests.failpoints.points import Kill, Point
from tests.failpoints.watched import Watched
from tests.git.world import git
from tests.story.clock import MovableClock
from tests.story.stage import Stage

ROOT = Path(__file__).parents[2]
KILLED = -9


class Nursery:
    """The process that forks a reconciler for each order; see process.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.failpoints.process"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, order: dict[str, object]) -> int:
        """Run one command line to its end; its exit code, negative for a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, by closing its stdin."""
        self._process.communicate(timeout=60)


@dataclass(frozen=True, slots=True)
class Ran:
    """How one process ended, what it said, and how often it reached each point (nothing where it was killed)."""

    code: int
    said: str
    reached: dict[Point, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything as it stood: a copy of the folder and of every cluster."""

    folder: Path
    clusters: dict[str, Saved]
    known: frozenset[str]


@dataclass(slots=True)
class Theatre:
    """A world, its moments by name, and the runs in it."""

    folder: Path
    stage: Stage
    nursery: Nursery
    moments: dict[str, Moment] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, make: Callable[[Path, MovableClock], World]) -> Iterator["Theatre"]:
        """A started world, and a nursery."""
        clock = MovableClock()
        world = make(folder / "world", clock)
        nursery = Nursery()
        try:
            yield cls(folder, Stage.on(world, clock), nursery)
        finally:
            nursery.close()
            world.close()

    @property
    def world(self) -> World:
        return self.stage.world

    def keep(self, name: str) -> None:
        """Remember this moment. Nothing of the world is open after it."""
        self.leave()
        for path in sorted(self.world.folder.rglob("*.git")):  # else each play copies thousands of files
            git(path, "repack", "-a", "-d", "-k", "-q")
        copy = self.folder / "moments" / name
        shutil.copytree(self.world.folder, copy, symlinks=True)
        saved = {name: self.world.sandbox(name).save() for name in self.world.clusters}
        self.moments[name] = Moment(copy, saved, known_names(self.world))

    def put_back(self, name: str) -> None:
        """The world is again as it was, at the same addresses."""
        moment = self.moments[name]
        os.environ[STAGING_TOKEN] = self.world.clusters["staging"].token  # another theatre's world sets its own
        self.leave()
        for host in self.world.hosts.values():
            host.stop()
        shutil.rmtree(self.world.folder)
        shutil.copytree(moment.folder, self.world.folder, symlinks=True)
        for host in self.world.hosts.values():
            assert isinstance(host, SandboxHost)
            host.start()
        for cluster, saved in moment.clusters.items():
            self.world.sandbox(cluster).restore(saved)

    def play(self, name: str, act: Callable[[Stage], object]) -> Stage:
        """From a moment on, in this process, as people and a reconciler do."""
        self.put_back(name)
        self.stage.restart()
        act(self.stage)
        return self.stage

    def left(self, name: str) -> Left:
        """What is there now, in words that another run from the same moment can be compared with."""
        return look(self.world, self.moments[name].known)

    def beside(self) -> list[str]:
        """Migrations that were begun beside pods, or not for the first time."""
        found = [one for one in self.world.clusters.values() if isinstance(one, Watched)]
        twice = [f"{name} was made {times} times" for one in found for name, times in one.begun.items() if times > 1]
        return [*twice, *(words for one in found for words in one.beside)]

    def run(self, words: Sequence[str], kill: Kill | None = None) -> Ran:
        """One process: words for the command line, and where it is to die."""
        log, report = self.folder / "said.log", self.folder / "reached.json"
        for path in (log, report):
            path.unlink(missing_ok=True)
        code = self.nursery.ask(
            {
                "words": list(words),
                "kill": str(kill) if kill is not None else "",
                "report": str(report),
                "log": str(log),
                "heard": str(self.world.folder / HEARD),
                "environment": {
                    STAGING_TOKEN: os.environ.get(STAGING_TOKEN, ""),
                    "XDG_CACHE_HOME": str(self.world.folder / "home"),
                },
            }
        )
        reached = json.loads(report.read_text()) if report.exists() else {}
        said = log.read_text(errors="replace") if log.exists() else ""
        return Ran(code, said, {Point(point): number for point, number in reached.items()})

    def reconciler(self, *words: str) -> tuple[str, ...]:
        """The command line of the reconciler's own machine."""
        return ("--config", str(self.world.home / FILE_NAME), *words)

    def digest_of(self, ticket: str) -> str:
        """The digest that a ticket's preview has, as the audit branch says it."""
        return audited(self.world)[1].previews[ticket].previewed.digest

    def leave(self) -> None:
        """Close what is open in this process; the next one is another."""
        if self.world.assembly is not None:
            self.world.assembly.close()
            self.world.assembly = None
        self.world.desks.clear()
