"""What is asked of a host, as (command, parser) pairs: each is tested on text alone.

Knows no connection. The rule (contracts: G9, threats T14): a measurement becomes an answer, yes or no, before it leaves
here, and output that is not exactly what is expected is "no" or empty, never an error that stops the others.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
MACHINE_ID: Final = re.compile(rb"[0-9a-f]{32}\n?")
VERSION: Final = re.compile(rb"([0-9]{1,4})\.([0-9]{1,4})[0-9A-Za-z._+~-]{0,80}\n?")
AVAILABLE: Final = re.compile(rb" *Avail\n *([0-9]{1,15})\n?")
ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
TOOLS: Final = ("bash", "flock", "setsid", "sha256sum", "timeout", "tar")
SHOW_TOOLS: Final = 'for tool in "$@"; do command -v "$tool" >/dev/null || exit 1; done'


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A command without effect, and how to read what it printed. The parser gets its output and exit code."""

    command: tuple[str, ...]
    read: Callable[[bytes, int], T]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What makes an answer a yes. The defaults are what a kubeadm node of the contract's bundle needs."""

    arch: str = "amd64"
    kernel: tuple[int, int] = (4, 19)
    disk_kib: int = 4 << 20
    disk_path: str = "/"


def machine_id(output: bytes, code: int) -> str:
    """The identity of the installed system (machine-id(5)), empty where there is none."""
    return output.decode("ascii").strip() if code == 0 and MACHINE_ID.fullmatch(output) else ""


def answers(required: Requirements) -> dict[str, Fact[bool]]:
    """The yes/no facts by name, in the order in which they are asked."""
    machine = ARCHITECTURES.get(required.arch, required.arch).encode()
    return {
        "os": Fact(("uname", "-s"), _is(b"Linux")),
        "arch": Fact(("uname", "-m"), _is(machine)),
        "kernel": Fact(("uname", "-r"), lambda output, code: code == 0 and _version(output) >= required.kernel),
        "disk": Fact(
            ("df", "--output=avail", "-k", "--", required.disk_path),
            lambda output, code: code == 0 and _available(output) >= required.disk_kib,
        ),
        "tools": Fact(("bash", "-c", SHOW_TOOLS, "tools", *TOOLS), lambda _, code: code == 0),
    }


MACHINE: Final = Fact(("cat", "/etc/machine-id"), machine_id)


def _is(expected: bytes) -> Callable[[bytes, int], bool]:
    return lambda output, code: code == 0 and output in (expected, expected + b"\n")


def _version(output: bytes) -> tuple[int, int]:
    match = VERSION.fullmatch(output)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _available(output: bytes) -> int:
    match = AVAILABLE.fullmatch(output)
    return int(match[1]) if match else -1
