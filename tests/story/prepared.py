"""Worlds at a moment that many tests begin with: built once by a process and put back for each test.

Building one and carrying out its first plan takes seconds, putting it back a fraction of one. A test gets the folder,
the clusters and the keys as they stood then, and a reconciler, people's machines and a clock that are new; what is with
another test right now is never given away. A moment is built anew when it is some minutes old, so that what waits for
time to pass finds the same as in a new world.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.sandbox.cluster import EVERYTHING, Saved
from reconciler.sandbox.world import STAGING_TOKEN, World
from tests.story.clock import MovableClock
from tests.story.stage import Stage

OLD = 180.0  # seconds


@dataclass(frozen=True, slots=True)
class Moment:
    """What the world is, and how far its story went."""

    accepted: bool = True  # the first plan is carried out; else nobody has approved it yet
    audit_apart: bool = False


@dataclass(slots=True)
class Kept:
    """A world as it stood, and whether a test has it now."""

    moment: Moment
    world: World
    copy: Path
    clusters: dict[str, Saved]
    born: float
    lent: bool = False

    def put_back(self) -> Stage:
        """A new world around the same folder, clusters and keys. Raises OSError where an address was taken away."""
        for name, saved in self.clusters.items():
            cluster = self.world.sandbox(name)
            if cluster._server is None:  # a test stopped it
                cluster.start()
            cluster.rules = [EVERYTHING]
            cluster.restore(saved)
        os.environ[STAGING_TOKEN] = self.world.clusters["staging"].token
        _replaced(self.world.folder, self.copy)
        clock = MovableClock()
        again = World(self.world.folder, clock=clock, hosts_wanted=(), audit_apart=self.moment.audit_apart)
        again.clusters, again.keys = dict(self.world.clusters), dict(self.world.keys)
        stage = Stage(again, clock)
        stage.restart()
        return stage

    def remove(self) -> None:
        self.world.close()
        shutil.rmtree(self.world.folder, ignore_errors=True)
        shutil.rmtree(self.copy, ignore_errors=True)


@dataclass(slots=True)
class Prepared:
    """Every world that this process has made so far."""

    folder: Path
    kept: list[Kept] = field(default_factory=list)
    made: int = 0

    @contextlib.contextmanager
    def lend(self, moment: Moment) -> Iterator[Stage]:
        """A stage that is the caller's alone, until it gives it back."""
        found, stage = self._ready(moment)
        found.lent = True
        try:
            yield stage
        finally:
            if stage.world.assembly is not None:
                stage.world.assembly.close()
            os.environ.pop(STAGING_TOKEN, None)
            found.lent = False

    def close(self) -> None:
        for one in self.kept:
            one.remove()
        self.kept.clear()

    def _ready(self, moment: Moment) -> tuple[Kept, Stage]:
        for one in [one for one in self.kept if not one.lent]:
            if time.monotonic() - one.born > OLD:
                self._drop(one)
            elif one.moment == moment:
                try:
                    return one, one.put_back()
                except OSError:  # somebody took the port of a cluster that a test had stopped
                    self._drop(one)
        made = self._make(moment)
        return made, made.put_back()

    def _drop(self, one: Kept) -> None:
        self.kept.remove(one)
        one.remove()

    def _make(self, moment: Moment) -> Kept:
        self.made += 1
        place = self.folder / str(self.made)
        stage = Stage.build(place / "world", audit_apart=moment.audit_apart)
        world = stage.world
        try:
            if moment.accepted:
                stage.accept_first()
            stage.world.opened.close()
            stage.world.assembly = None
            _replaced(place / "copy", world.folder)
            saved = {name: world.sandbox(name).save() for name in world.clusters}
            made = Kept(moment, world, place / "copy", saved, time.monotonic())
        except BaseException:
            world.close()
            raise
        self.kept.append(made)
        return made


def _replaced(target: Path, source: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)  # a tenth of shutil.copytree's work


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Where the stages of tests come from."""
    worlds = Prepared(tmp_path_factory.mktemp("prepared"))
    yield worlds
    worlds.close()
