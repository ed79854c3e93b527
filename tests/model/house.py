"""A whole reconciler in a small, fast world: real loop, gate, planner, journal and audit branch over one folder of git.

Knows which adapters stand in the places of processes and sockets; the parts on them are put together by the product's
own app/wiring.py. `Process` is one running reconciler; a new one of the same home is a restart.
"""

import secrets
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.app.credentials import Vault
from reconciler.app.desire import Desires
from reconciler.app.journal import Journal
from reconciler.app.keys import Keys
from reconciler.app.loop import Reconciler
from reconciler.app.pinning import Pinner
from reconciler.app.planning import Planner
from reconciler.app.registry_settings import password_of
from reconciler.app.settings import SecretSource, Settings
from reconciler.app.targets import Connections
from reconciler.app.wiring import Adapters, loop_of
from reconciler.bundle.folder import FolderBundles
from reconciler.git.audit_branch import AuditBranch
from reconciler.git.bare import BareRepository
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.registries.asking import HttpRegistries
from reconciler.secret import Secret
from reconciler.specs.cache import MemoryCache
from tests.model import texts
from tests.model.far_cluster import FarCluster, target
from tests.model.far_forge import FarForge, ForgeDoor
from tests.model.lifeline import Lifeline
from tests.model.plain_git import PlainGit
from tests.model.times import ModelClock, WorldTime

REPOSITORY = "model#main"
PARSED = MemoryCache()  # one for all runs: the texts repeat, so the limited child that parses is started a few times


@cache
def key_of(name: str) -> SigningKey:
    """A person's key, one for all runs, so that the specs that name it are parsed once."""
    return SigningKey.generate()


@dataclass(slots=True)
class Place:
    """Everything outside the processes: repository, forge, clusters, time."""

    folder: Path
    time: WorldTime
    origin: BareRepository
    forge: FarForge
    clusters: dict[str, FarCluster]
    keys: Keys

    @classmethod
    def make(cls, folder: Path) -> "Place":
        """An empty repository and two clusters that have the namespace of every release."""
        time = WorldTime()
        path = folder / "origin.git"
        transport = PlainGit(folder / "home", path / "objects", Lifeline())
        origin = BareRepository.create(path, transport)
        clusters = {name: FarCluster(name, texts.endpoint(name)) for name in texts.CLUSTERS}
        for cluster in clusters.values():
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": texts.NAMESPACE}}
            cluster.place("api/v1/namespaces", body)
            (folder / f"{cluster.name}.kubeconfig").write_text(cluster.kubeconfig(), encoding="utf-8")
        keys = Keys(key_of("reconciler"), secrets.token_bytes(32), Secret("no age identity is needed here"))
        return cls(folder, time, origin, FarForge(origin, time), clusters, keys)

    def settings(self, home: Path) -> Settings:
        """reconciler.toml of a process."""
        return Settings(
            repository=str(self.origin.path),
            forge="github",
            state=home,
            root_signers=(key_of("root").public.line,),
            accepted_addresses=tuple(texts.address(name) for name in self.clusters),
            files={name: SecretSource(self.folder / f"{name}.kubeconfig", "", "shop", ()) for name in self.clusters},
            workers=1,
        )


@dataclass(slots=True)
class Process:
    """One running reconciler with a home of its own."""

    place: Place
    home: Path
    life: Lifeline = field(default_factory=Lifeline)
    clock: ModelClock = field(init=False)
    mirror: Mirror = field(init=False)
    journal: Journal = field(init=False)
    planner: Planner = field(init=False)
    desires: Desires = field(init=False)
    reconciler: Reconciler = field(init=False)
    generation: int = 0

    def __post_init__(self) -> None:
        self.clock = ModelClock(self.place.time)
        self.home.joinpath("keys").mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """As after a crash or a restart: everything in memory is new, the folder is what it was."""
        self.life.dead, self.life.countdown = False, None
        settings = self.place.settings(self.home)
        place, clock = self.place, self.clock
        transport = PlainGit(self.home / "git-home", place.origin.path / "objects", self.life)
        self.mirror = Mirror(settings.cache / "mirror", Remote(str(place.origin.path)), transport)
        bundles = FolderBundles((), ())
        self.desires = Desires(self.mirror, PARSED, bundles, place.keys.hmac)
        self.journal = Journal(AuditBranch(self.mirror, place.keys.signing, settings.audit_tip), clock)
        vault = Vault(settings, place.keys)
        connections = Connections(
            vault,
            lambda cluster, connection: target(connection, "model", place.clusters[cluster], self.life),
            _no_host,
        )
        pinner = Pinner(self.desires, self.journal, HttpRegistries({}, password_of))
        self.planner = Planner(self.desires, self.journal, connections, settings, clock, place.keys.hmac, pinner)
        forge = ForgeDoor(place.forge, self.life)
        self.reconciler = loop_of(
            Adapters(settings, clock, place.keys, self.mirror, self.planner, forge, vault, REPOSITORY)
        )

    def lose_cache(self) -> None:
        """Delete what may be deleted: the mirror. What needs a backup stays."""
        shutil.rmtree(self.home / "cache")


def _no_host(*_: object) -> Any:
    raise AssertionError("this world has no hosts")
