"""Hosts of a lab: OpenSSH on Debian, each with its own network, processes and disk, on one machine and without images.

A host is a network namespace plugged into the lab's switch, an overlay over the shared root file system, and a PID 1 in
namespaces of its own (`host/power.sh`, `host/boot.sh`). Its keys are made before it starts, so that a client can be
strict from the first connection. A host's disk outlives its power; what is in /run, /tmp and its network does not.

What it does not have: a kernel of its own, hardware, and Python.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import network
from tests.servers.network import Number, Switch
from tests.servers.pki import SshKey, ssh_key
from tests.servers.processes import Program, StartFailed, kill_escaped, wait_until
from tests.servers.rootfs import LOGIN_USER, root_file_system

SSH_PORT = 22
START_SECONDS = 180.0  # under 1 s on 2 idle cores
CONNECT_SECONDS = 5.0
REBOOT_SECONDS = 300.0  # under 1 s on 2 idle cores; units that do not stop are given 90 s by systemd
EXEC_SECONDS = 180.0
FIRST_ADDRESS = 11
SCRIPTS = Path(__file__).parent / "host"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Init(StrEnum):
    """Who is PID 1: `plain` is sshd alone, fast and without cgroups; `systemd` runs units and can reboot."""

    PLAIN = "plain"
    SYSTEMD = "systemd"


# bash stays PID 1 and not sshd, because somebody must reap the orphans; when sshd ends, the host is off.
INITS = {
    Init.PLAIN: ("/bin/bash", "-c", "mkdir -p /run/sshd; /usr/sbin/sshd -D -e & wait $!"),
    Init.SYSTEMD: ("/lib/systemd/systemd",),
}


@dataclass(frozen=True, slots=True)
class Disk:
    """What a host finds on its disk at the first start: folders laid over the root file system, the first on top.

    `plain` folders (absolute) are not on the overlay, and can be read from outside: see `Host.plain`.
    """

    layers: tuple[Path, ...] = ()
    plain: tuple[str, ...] = ()


class Host:
    """One host; made by a HostLab. `host_key` is `ssh-ed25519 AAAA...`, known before the host first starts."""

    user = LOGIN_USER
    port = SSH_PORT

    def __init__(
        self, name: str, address: str, switch: Switch, init: Init, folder: Path, login: SshKey, disk: Disk
    ) -> None:
        self.name = name
        self.address = address
        self._own_key = ssh_key()
        self._login = login
        self._switch = switch
        self._init = init
        self._folder = folder
        self._disk = disk
        self._namespace = f"{network.PREFIX}{switch.number}-{name}"
        self._place = f"{network.PREFIX}{switch.number}/{name}"
        self._program: Program | None = None

    @property
    def host_key(self) -> str:
        return self._own_key.public

    @property
    def private_key_pem(self) -> str:
        """Of the login user, in OpenSSH's format; the same for all hosts of a lab."""
        return self._login.private_pem

    @property
    def running(self) -> bool:
        return self._program is not None and self._program.running

    @property
    def console(self) -> str:
        return (self._folder / "console.log").read_text(errors="replace")

    def plain(self, place: str) -> Path:
        """Where a plain folder of its disk lies on this machine."""
        return self._folder / "plain" / place.lstrip("/")

    def start(self) -> None:
        """Returns when sshd answers."""
        self.power_on()
        self.wait_for_ssh()

    def power_on(self) -> None:
        """Returns at once."""
        if self._program is not None:
            raise StartFailed(f"starting {self.name}: it was not powered off before")
        self._switch.plug(self._port_name, self._namespace, self.address)
        environment = {
            "PATH": os.environ["PATH"],
            "ROOTFS": ":".join(map(str, (*self._disk.layers, root_file_system()))),
            "PLAIN": " ".join(self._disk.plain),
            "CGROUP": self._place if self._init is Init.SYSTEMD else "",
        }
        enter: list[str | Path] = ["nsenter", f"--net=/run/netns/{self._namespace}", "bash", SCRIPTS / "power.sh"]
        argv = [*enter, self._folder, self.name, *INITS[self._init]]
        self._program = Program.start(argv, self._folder / "console.log", environment)

    def wait_for_ssh(self) -> None:
        alive = [self._program] if self._program is not None else []
        wait_until(self._ssh_answers, f"sshd of {self.name} at {self.address}", START_SECONDS, alive)

    def power_cut(self) -> None:
        """The plug is pulled: nothing is flushed, no connection is closed, the disk stays. Fine on a host that is off.

        The network goes first: the kernel says goodbye on the sockets of a killed process, which no power cut does.
        """
        if self._program is None:
            return
        self._switch.disconnect(self._port_name)
        wait_until(partial(self._killed, self._program), f"{self.name} to lose its power", network.LEAVE_SECONDS)
        self._program.kill()
        self._program = None
        network.evacuate(self._namespace)
        self._switch.unplug(self._port_name, self._namespace)
        network.remove_cgroups(self._place)

    def wait_for_reboot(self, before: int | None) -> None:
        """Until PID 1 is another process than `before`: what enters a host that goes down may stop with it."""
        wait_until(lambda: self.pid_one() not in (None, before), f"{self.name} to reboot", REBOOT_SECONDS)
        self.wait_for_ssh()

    def partition(self) -> None:
        """Frames to and from the host vanish silently; it runs on. A restart heals it."""
        self._switch.disconnect(self._port_name)

    def heal(self) -> None:
        self._switch.connect(self._port_name)

    def exec(
        self, argv: Sequence[str], stdin: str = "", seconds: float = EXEC_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run as root in the host, past the network and ssh: the truth of the far side, for asserting.

        Raises StartFailed where the host is off, and after `seconds`: a program that enters while the host goes down
        may be stopped with it and never ended.
        """
        pid = self.pid_one()
        if pid is None:
            raise StartFailed(f"running {argv[0]} in {self.name}: the host is off")
        enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        entered = subprocess.Popen(
            [*enter, "--", "env", "-i", f"PATH={PATH}", "HOME=/root", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = entered.communicate(stdin, seconds)
        except subprocess.TimeoutExpired as late:
            os.killpg(entered.pid, signal.SIGKILL)  # the program itself too: it is nsenter's child and holds the pipes
            entered.communicate()
            raise StartFailed(f"running {argv[0]} in {self.name}: not within {seconds:g} s") from late
        return subprocess.CompletedProcess(entered.args, entered.returncode, out, err)

    def make_disk(self, addresses: dict[str, str]) -> None:
        """What differs from the shared root file system before the first start."""
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(parents=True)
        etc = self._folder / "upper/etc"
        keys = etc / "ssh/authorized_keys.d"
        keys.mkdir(parents=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
        (etc / "hosts").write_text("\n".join(lines) + "\n")
        (etc / "hostname").write_text(f"{self.name}\n")
        (keys / self.user).write_text(f"{self._login.public}\n")
        own = etc / "ssh/ssh_host_ed25519_key"
        own.touch(mode=0o600)
        own.write_text(self._own_key.private_pem)
        own.with_suffix(".pub").write_text(f"{self.host_key}\n")

    @property
    def _port_name(self) -> str:
        return f"to-{self.name}"

    def _killed(self, program: Program) -> bool:
        """PID 1 and not its parents, so that each of them still reaps its child; again if it was just rebooting."""
        if not program.running:
            return True
        if (pid := self.pid_one()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return False

    def pid_one(self) -> int | None:
        """The process in the host's network that is number 1 one level below us (NSpid of proc_pid_status(5))."""
        for pid in network.pids(self._namespace) if self.running else ():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
            if numbers[1:] == ["1"]:
                return pid
        return None

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=CONNECT_SECONDS) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


class HostLab:
    """Hosts `host1` to `host<count>`, all running and reachable from this process.

    Use as a context manager; everything they write is in `folder`, and removed at the end. Labs of concurrent
    runs have other networks and other names.
    """

    def __init__(self, folder: Path, count: int = 3, init: Init | str = Init.PLAIN, disk: Disk | None = None) -> None:
        self.folder = folder
        self.hosts: tuple[Host, ...] = ()
        self._count = count
        self._init = Init(init)
        self._disk = disk or Disk()

    def __enter__(self) -> Self:
        kill_escaped()
        root_file_system()
        self._number: Number = network.take_number()
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def number(self) -> int:
        """In the names and addresses of all that it makes, and of no other lab on this machine."""
        return self._number.value

    def _start(self) -> None:
        switch = Switch(self._number.value)
        switch.start()
        login = ssh_key()
        addresses = {
            f"host{index + 1}": f"{network.NETWORK}.{switch.number}.{FIRST_ADDRESS + index}"
            for index in range(self._count)
        }
        self.hosts = tuple(
            Host(name, address, switch, self._init, self.folder / name, login, self._disk)
            for name, address in addresses.items()
        )
        self._number.note([self.folder / host.name for host in self.hosts])
        for host in self.hosts:
            host.make_disk(addresses)
            host.power_on()
        for host in self.hosts:
            host.wait_for_ssh()

    def _remove(self) -> None:
        """By the lab's number, as a later run would sweep it: what half started or half ended goes too."""
        try:
            for host in self.hosts:
                host.power_cut()
        finally:
            network.sweep(self._number.value)
            for host in self.hosts:
                disk = self.folder / host.name
                if disk.exists():  # not where starting failed early
                    shutil.rmtree(disk)
            self._number.release()
