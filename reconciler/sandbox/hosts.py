"""A host for the demo and the default tests: a real SSH server and real bash, in a folder of this machine.

What is real: SSH with its own ed25519 host key and one authorised key, the runner, delivery, hooks, locks, signals and
files, all below a folder of its own (`root` is its OPSPILOT_ROOT). What is not: it is no machine. Hooks run as the user
of this process, see this machine's file system and kernel, and `sudo` is a program that only runs what follows it; so
it is no boundary against a hostile hook, and proves nothing about privileges, reboots or disks. `stop` ends every
process that carries its OPSPILOT_ROOT, by id, like a power cut; `start` brings it back on the same port with the same
keys. Linux only (/proc, flock, setsid).
"""

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.sandbox.hosts_server import LOOPBACK, SshServer, executable
from reconciler.secret import Secret
from reconciler.ssh.identity import HostKey, login_key

SUDO: Final = """#!/bin/sh
while [ "$1" = "-n" ] || [ "$1" = "--" ]; do shift; done
exec "$@"
"""
# Each sandbox host has an identity of its own, though all of them see the one /etc of this machine.
CAT: Final = """#!/bin/sh
if [ "$#" = 1 ] && [ "$1" = /etc/machine-id ]; then exec {cat} "{machine_id}"; fi
exec {cat} "$@"
"""
SWEEPS: Final = 20  # a process may start another while it is being ended


class SandboxHost:
    """One host. `user` logs in; `address` and `port` are where; `host_key` is the line to pin."""

    address = LOOPBACK

    def __init__(self, folder: Path, *, user: str = "ops") -> None:
        self.user = user
        self.folder = folder.absolute()
        self.root = self.folder / "opspilot"
        self.port = 0
        self._authorized: frozenset[bytes] = frozenset()
        self._server: SshServer | None = None
        self._key = self._prepare()

    @property
    def host_key(self) -> str:
        """Type and base64, as a Host spec pins it."""
        return f"{self._key.get_name()} {self._key.get_base64()}"

    def authorize(self, public_key: str) -> None:
        """Let the owner of this public key line log in, and nobody else."""
        self._authorized = frozenset({HostKey.parse(public_key).raw})

    def start(self) -> Self:
        """Listen; on the same port as before where there was one."""
        self._server = SshServer(self._key, self.user, lambda: self._authorized, self._environment(), self.port)
        self.port = self._server.port
        return self

    def cut(self) -> None:
        """Break every connection; processes go on, as they do under sshd."""
        if self._server is not None:
            self._server.cut()

    def stop(self) -> None:
        """Break every connection and end every process of this host, detached ones too. The folder stays."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._end_processes()

    def effects(self) -> tuple[str, ...]:
        """The lines that the sandbox bundle's hooks wrote, one for each time that one ran."""
        with suppress(FileNotFoundError):
            return tuple((self.root / "effects.log").read_text().splitlines())
        return ()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> paramiko.PKey:
        for folder in (self.root, self.folder / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        executable(self.folder / "bin" / "sudo", SUDO)
        machine_id = self.folder / "machine-id"
        if not machine_id.exists():
            machine_id.write_text(secrets.token_hex(16) + "\n")
        executable(self.folder / "bin" / "cat", CAT.format(cat=shutil.which("cat"), machine_id=machine_id))
        key = self.folder / "host_key"
        if not key.exists():
            with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(_new_private_key())
        return login_key(Secret(key.read_text()))

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "OPSPILOT_ROOT": str(self.root),
        }

    def _end_processes(self) -> None:
        for _ in range(SWEEPS):
            ended = False
            for handle in self._processes():
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended = True
                os.close(handle)
            if not ended:
                return

    def _processes(self) -> Iterator[int]:
        """Handles of the living processes whose environment names our root; a handle never comes to mean another."""
        mark = f"OPSPILOT_ROOT={self.root}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):
                handle = os.pidfd_open(int(entry.name))
                try:
                    ours = mark in (entry / "environ").read_bytes().split(b"\0")
                except OSError:  # of somebody else, or gone
                    ours = False
                if ours:
                    yield handle
                else:
                    os.close(handle)


def new_login() -> tuple[Secret, str]:
    """A throwaway key pair: the private text, and the public line to authorise."""
    private = Secret(_new_private_key().decode())
    key = login_key(private)
    return private, f"{key.get_name()} {key.get_base64()}"


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
