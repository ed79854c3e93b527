"""A world that began well, made once and copied for each run: everything runs v1 and both processes know it."""

import copy
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.app.trust import trust
from reconciler.git.bare import BareRepository
from reconciler.names import Revision
from tests.model import texts
from tests.model.chronicle import Chronicle
from tests.model.far_cluster import FarCluster
from tests.model.far_forge import FarForge
from tests.model.house import REPOSITORY, Place, Process, key_of
from tests.model.lifeline import Lifeline
from tests.model.oracle import Oracle
from tests.model.plain_git import PlainGit
from tests.model.times import START, WorldTime
from tests.model.town import Town


@dataclass(slots=True)
class Begun:
    """The first plan is applied. `fresh` gives a world of its own each time, always in the same folder."""

    folder: Path
    first: Revision
    at: datetime
    clusters: dict[str, FarCluster]
    place: Place
    _used: bool = field(default=False)

    @classmethod
    def make(cls, folder: Path) -> "Begun":
        """Trust the first commit, approve the first plan as root, apply it; read every text once."""
        world = folder / "world"
        world.mkdir(parents=True)
        place = Place.make(world)
        town = Town(place)
        keys = {name: key_of(name).public.line for name in texts.PEOPLE}
        first = town.commit("dev", texts.first(keys), parent=None, branch="main")
        process = Process(place, world / "one")
        process.mirror.sync()
        trust(process.mirror, process.journal, process.planner, first, tracked="main", repository=REPOSITORY)
        process.reconciler.settle()
        ((ticket, state),) = process.journal.ledger.previews.items()
        place.time.pass_by(timedelta(minutes=2))
        path, digest = state.previewed.path, state.previewed.digest
        town.decide("root", ticket, first, path, digest=digest, event=str(state.event))
        process.reconciler.settle()
        assert process.reconciler.faults == []
        for name in texts.RELEASES:
            for tag in texts.TAGS:
                made = town.commit(
                    "dev", {texts.release_path(name): texts.release(name, tag)}, parent=first, branch="x"
                )
                process.desires.at(made)
        for approvers in texts.SEATS:
            made = town.commit("dev", {"policy/bindings.yaml": texts.bindings(approvers)}, parent=first, branch="x")
            process.desires.at(made)
        place.origin.set_ref("refs/heads/x", None)
        process.reconciler.look()
        shutil.copytree(world / "one", world / "two", symlinks=True)  # the same keys and tip, another machine
        shutil.copytree(world, folder / "kept", symlinks=True)
        return cls(folder, first, place.time.at, place.clusters, place)

    def fresh(self) -> "Stage":
        """A new world in the state of the kept one."""
        world = self.folder / "world"
        if self._used:
            shutil.rmtree(world)
            shutil.copytree(self.folder / "kept", world, symlinks=True)
        self._used = True
        time = WorldTime(self.at)
        path = world / "origin.git"
        origin = BareRepository(path, PlainGit(world / "home", path / "objects", Lifeline()))
        forge = FarForge(origin, time)
        forge.statuses = copy.deepcopy(self.place.forge.statuses)
        clusters = {name: _copied(cluster) for name, cluster in self.clusters.items()}
        place = Place(world, time, origin, forge, clusters, self.place.keys)
        town = Town(place)
        town.makers[self.first] = frozenset({"dev"})
        oracle = Oracle(town, Chronicle(origin), self.first)
        oracle.check([time.at])
        oracle.seats.append((START, oracle.approvers(self.first)))
        processes = tuple(Process(place, world / name) for name in ("one", "two"))
        return Stage(place, town, oracle, processes)


@dataclass(slots=True)
class Stage:
    """One run's world: two reconcilers of one repository, people, and the oracle."""

    place: Place
    town: Town
    oracle: Oracle
    processes: tuple[Process, ...]

    def check(self) -> None:
        """Ask the oracle."""
        self.oracle.check([self.place.time.at, *(process.clock.now() for process in self.processes)])


def _copied(cluster: FarCluster) -> FarCluster:
    made = FarCluster(cluster.name, cluster.endpoint)
    made._store = copy.deepcopy(cluster._store)
    made.writes = list(cluster.writes)
    made.generations = {name: list(numbers) for name, numbers in cluster.generations.items()}
    return made
