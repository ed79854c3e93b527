"""A host as the contract suite sees it: reached through a proxy, looked at past it, its power cut."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.app.clock import SystemClock
from reconciler.sandbox.hosts import SandboxHost, new_login
from reconciler.secret import Secret
from reconciler.ssh.facts import Requirements
from reconciler.ssh.host import HookLimits, SshHost
from reconciler.ssh.identity import Address, HostKey
from reconciler.ssh.session import Patience, Session
from tests.faults.proxy import Proxy
from tests.servers.hosts import Host

LIMITS = HookLimits(away_for=timedelta(seconds=20), grace=timedelta(seconds=1), retry_delay=timedelta(0))
PATIENCE = Patience(
    connect=timedelta(seconds=5), silence=timedelta(seconds=3), between_tries=timedelta(milliseconds=100)
)


@dataclass
class World:
    """One host under test. `shell` runs bash on it past the connection and answers what it printed."""

    address: Address
    private_key: Secret
    root: str
    proxy: Proxy
    shell: Callable[[str], str]
    power_cycle: Callable[[], None]
    real: Host | None = None
    made: list[SshHost | Session] = field(default_factory=list)

    def session(self) -> Session:
        """A bare session, for what no port offers."""
        session = Session(self.address, self.private_key, SystemClock(), PATIENCE)
        self.made.append(session)
        return session

    def api(self, **changed: Any) -> SshHost:
        """A new client; keyword arguments replace the address's fields or `private_key`."""
        private_key = changed.pop("private_key", self.private_key)
        fields = {name: getattr(self.address, name) for name in Address.__slots__} | changed
        host = SshHost(
            Address(**fields),
            private_key,
            SystemClock(),
            requirements=Requirements(disk_kib=1),
            limits=LIMITS,
            patience=PATIENCE,
        )
        self.made.append(host)
        return host

    def file(self, path: str) -> str:
        """What a file below the root holds, empty where it is not there."""
        return self.shell(f"cat {self.root}/{path} 2>/dev/null || true")

    def count(self, path: str = "effects") -> int:
        """How often a hook wrote there: the far side's own count of effects."""
        return len(self.file(path).splitlines())


@contextmanager
def sandbox_world(folder: Path) -> Iterator[World]:
    private_key, public = new_login()
    with SandboxHost(folder / "host") as host, Proxy(host.address, host.port) as proxy:
        host.authorize(public)

        def shell(script: str) -> str:
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout

        def power_cycle() -> None:
            host.stop()
            host.start()

        address = Address("box", "127.0.0.1", host.user, HostKey.parse(host.host_key), proxy.port)
        yield from _closing(World(address, private_key, str(host.root), proxy, shell, power_cycle))


@contextmanager
def real_world(host: Host) -> Iterator[World]:
    def shell(script: str) -> str:
        done = host.exec(["bash", "-c", script])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def power_cycle() -> None:
        host.power_cut()
        host.start()

    # what a test left talking is gone in a moment, and whoever keeps its last words writes until then
    shell("for _ in {1..100}; do rm -rf /opt/opspilot 2>/dev/null && exit; sleep 0.1; done; rm -rf /opt/opspilot")
    shell("[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id")  # systemd is not there to
    with Proxy(host.address, host.port) as proxy:
        address = Address(host.name, "127.0.0.1", host.user, HostKey.parse(host.host_key), proxy.port)
        key = Secret(host.private_key_pem)
        yield from _closing(World(address, key, "/opt/opspilot", proxy, shell, power_cycle, host))


def _closing(world: World) -> Iterator[World]:
    try:
        yield world
    finally:
        for host in world.made:
            host.close()


def alive(world: World, pid: str) -> bool:
    """Whether a process of the host lives; a zombie does not."""
    state = world.shell(f"sed -n 's/^State:.//p' /proc/{int(pid)}/status 2>/dev/null || true")
    return bool(state) and not state.startswith("Z")


def canary() -> str:
    """A secret value that appears nowhere by chance."""
    return f"canary{os.urandom(8).hex()}"
