"""The network of one lab: a bridge in a namespace of its own, and an uplink from the test run to it.

A lab has a number, which is the third part of its addresses and in every name it makes. Whoever holds the number's lock
owns all that bears it, so a second run takes another number, and what is found under a number whose lock is free was
left by a run that was killed. What bears a number that was never locked here is somebody else's, and is left alone.

The bridge has its own namespace because a container engine on the machine makes the root namespace's firewall drop
forwarded frames between the ports of any bridge there.
"""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from tests.servers.processes import StartFailed, state_folder, wait_until

PREFIX = "rct"
NUMBERS = range(1, 200)
NUMBERS_VARIABLE = "RECONCILER_TEST_NUMBERS"  # `FIRST-LAST`: other numbers, which nobody else takes or sweeps
APART = 5  # numbers at a time that `set_apart` gives away, from the end of NUMBERS to LAST_NUMBER
LAST_NUMBER = 249
NETWORK = "10.78"
CGROUPS = Path("/sys/fs/cgroup")
LEAVE_SECONDS = 60.0


class Number:
    """An exclusive number; the kernel lets it go when this process dies, however it dies."""

    def __init__(self, value: int, lock: TextIOWrapper) -> None:
        self.value = value
        self._lock = lock

    def note(self, disks: Sequence[Path]) -> None:
        """What lies on this machine's disk under this number: removed by the next run where this one is killed."""
        self._write("\n".join(map(str, disks)))

    def noted(self) -> list[Path]:
        self._lock.seek(0)
        return [Path(line) for line in self._lock.read().splitlines()]

    def release(self) -> None:
        self._write("")
        self._lock.close()

    def _write(self, text: str) -> None:
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(text)
        self._lock.flush()


def take_number() -> Number:
    """A free one, after sweeping every number that a killed run left behind."""
    folder = state_folder() / "labs"
    folder.mkdir(exist_ok=True)
    allowed = numbers()
    used_before = sorted({int(lock.name) for lock in folder.iterdir()} & set(allowed))
    taken: Number | None = None
    for value in [*used_before, *(value for value in allowed if value not in used_before)]:
        if value not in used_before and (taken is not None or traces(value)):
            continue
        number = _lock(folder / str(value))
        if number is None:
            continue
        sweep(value)
        for disk in number.noted():
            shutil.rmtree(disk, ignore_errors=True)  # or somebody was quicker
        if taken is None and f" {NETWORK}.{value}." not in _ip("-o", "-4", "address", "show"):
            taken = number
        else:
            number.release()
    if taken is None:
        raise StartFailed(f"looking for a free network in {NETWORK}.0.0/16: all are in use")
    return taken


def numbers() -> range:
    """Those of this run."""
    first, _, last = os.environ.get(NUMBERS_VARIABLE, "").partition("-")
    return range(int(first), int(last) + 1) if first else NUMBERS


@contextmanager
def set_apart() -> Iterator[range]:
    """A few numbers that nobody else takes or sweeps meanwhile, none of them ever locked before."""
    folder, labs = state_folder() / "apart", state_folder() / "labs"
    for each in (folder, labs):
        each.mkdir(exist_ok=True)
    for block in (range(first, first + APART) for first in range(NUMBERS.stop, LAST_NUMBER - APART + 2, APART)):
        held = _lock(folder / str(block.start))
        if held is None:
            continue
        for value in block:
            if (labs / str(value)).exists():
                sweep(value)
                (labs / str(value)).unlink()
        try:
            yield block
        finally:
            held.release()
        return
    raise StartFailed(f"looking for numbers to set apart above {NUMBERS.stop}: all are in use")


def _lock(file: Path) -> Number | None:
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return Number(int(file.name), lock)


def sweep(number: int) -> None:
    """Take away everything that bears the number; nothing is there after an orderly end."""
    _remove_link(uplink(number))
    for namespace in namespaces():
        if namespace.startswith(f"{PREFIX}{number}-"):
            evacuate(namespace)
            _ip("netns", "delete", namespace)
    remove_cgroups(f"{PREFIX}{number}")


def _remove_link(name: str) -> None:
    """Before its peer's namespace, which takes it away with itself at some later time: also right now."""
    link = Path("/sys/class/net", name)
    if not link.exists():
        return
    try:
        _ip("link", "delete", name)
    except StartFailed:
        if link.exists():
            raise


def traces(number: int) -> list[str]:
    """Whatever on this machine bears the number: namespaces, links, and cgroups, which hold all its processes."""
    named = f"{PREFIX}{number}"
    cgroups = [*CGROUPS.glob(named), *CGROUPS.glob(f"*/{named}")]
    links = [name for name in os.listdir("/sys/class/net") if name == uplink(number)]
    return [*(name for name in namespaces() if name.startswith(f"{named}-")), *links, *map(str, cgroups)]


def evacuate(namespace: str) -> None:
    """Kill every process in it, and return when none is left."""

    def emptied() -> bool:
        left = pids(namespace)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not left

    wait_until(emptied, f"the processes in {namespace} to end", LEAVE_SECONDS)


def pids(namespace: str) -> list[int]:
    return [int(pid) for pid in _ip("netns", "pids", namespace).split()]


def namespaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list").splitlines()]


def remove_cgroups(place: str) -> None:
    """The processes in it were killed just now; a cgroup can be removed only when the kernel has let go of the last."""
    tops = [CGROUPS / place, *CGROUPS.glob(f"*/{place}")]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            wait_until(partial(_removed, Path(folder)), f"cgroup {folder} to be empty", LEAVE_SECONDS)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def uplink(number: int) -> str:
    return f"{PREFIX}{number}-up"


class Switch:
    """The bridge, and the ports that hosts are plugged into."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.namespace = f"{PREFIX}{number}-switch"
        self.gateway = f"{NETWORK}.{number}.1"

    def start(self) -> None:
        up = uplink(self.number)
        _batch(
            [
                f"netns add {self.namespace}",
                f"link add {up} type veth peer name uplink netns {self.namespace}",
                f"address add {self.gateway}/24 dev {up}",
                f"link set {up} up",
            ]
        )
        _batch(["link add br0 type bridge", "link set br0 up", "link set uplink master br0 up"], self.namespace)

    def stop(self) -> None:
        # The link first and by itself: deleting a namespace takes its links away only some time later.
        _ip("link", "delete", uplink(self.number))
        _ip("netns", "delete", self.namespace)

    def plug(self, port: str, namespace: str, address: str) -> None:
        """Make the host's namespace with its card in it, connected."""
        last = int(address.rpartition(".")[2])
        # The same hardware address after every power cut, or the others' neighbour tables would be wrong for a while.
        hardware = f"02:4e:{self.number:02x}:00:00:{last:02x}"
        _batch(
            [
                f"netns add {namespace}",
                f"link add {port} netns {self.namespace} type veth peer name eth0 address {hardware} netns {namespace}",
            ]
        )
        _batch([f"link set {port} master br0 up"], self.namespace)
        _batch(
            [
                f"address add {address}/24 dev eth0",
                "link set lo up",
                "link set eth0 up",
                f"route add default via {self.gateway}",
            ],
            namespace,
        )

    def unplug(self, port: str, namespace: str) -> None:
        _ip("-n", self.namespace, "link", "delete", port)
        _ip("netns", "delete", namespace)

    def disconnect(self, port: str) -> None:
        """Frames vanish silently, as behind a broken switch; the host's own card stays up."""
        _batch([f"link set {port} nomaster"], self.namespace)

    def connect(self, port: str) -> None:
        _batch([f"link set {port} master br0"], self.namespace)


def _ip(*arguments: str) -> str:
    return _run(["ip", *arguments], "")


def _batch(commands: Sequence[str], namespace: str | None = None) -> None:
    within = ["-n", namespace] if namespace is not None else []
    _run(["ip", *within, "-batch", "-"], "\n".join(commands) + "\n")


def _run(argv: list[str], stdin: str) -> str:
    finished = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise StartFailed(f"running {' '.join(argv)} with {stdin!r}: {finished.stderr.strip()}")
    return finished.stdout
