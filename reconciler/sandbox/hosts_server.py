"""The SSH server inside a sandbox host: one listener on loopback, exec requests run by bash.

Knows paramiko's server side and processes. It accepts one user with keys that were authorised, and exec channels only.
As with a real sshd, a connection that breaks closes a process's pipes and does not end the process.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import paramiko
from paramiko import common as protocol

from reconciler.ssh.session import SILENT

LOOPBACK = "127.0.0.1"
BLOCK = 1 << 15


class SshServer:
    """Serves until `close`, on a free port where none is given."""

    def __init__(
        self,
        host_key: paramiko.PKey,
        user: str,
        authorized: Callable[[], frozenset[bytes]],
        environment: Mapping[str, str],
        port: int = 0,
    ) -> None:
        self._host_key, self._user, self._authorized = host_key, user, authorized
        self._environment = dict(environment)
        self.more_keys: list[paramiko.PKey] = []  # an sshd has one of each type
        self._connections: set[paramiko.Transport] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True, name=f"sandbox-sshd-{self.port}").start()

    def cut(self) -> None:
        """Break every connection without a word."""
        with self._lock:
            broken, self._connections = self._connections, set()
        for transport in broken:
            with suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)
            transport.close()

    def close(self) -> None:
        """Stop listening and break every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(link)
        transport.set_log_channel(SILENT)
        for key in (self._host_key, *self.more_keys):
            transport.add_server_key(key)
        with self._lock:
            self._connections = {one for one in self._connections if one.is_active()} | {transport}
        with suppress(paramiko.SSHException, OSError, EOFError):
            transport.start_server(event=threading.Event(), server=_Door(self))

    def allows(self, user: str, key: paramiko.PKey) -> bool:
        """Whether this key may log in as this user."""
        return user == self._user and key.asbytes() in self._authorized()

    def execute(self, channel: paramiko.Channel, command: bytes) -> None:
        """Run a line as a login shell would, until it ends."""
        with subprocess.Popen(
            ["bash", "-c", command],
            env=self._environment,
            cwd=self._environment["HOME"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            pumps = [
                threading.Thread(target=_pump_out, args=(process.stdout, channel.sendall), daemon=True),
                threading.Thread(target=_pump_out, args=(process.stderr, channel.sendall_stderr), daemon=True),
            ]
            for pump in pumps:
                pump.start()
            threading.Thread(target=_pump_in, args=(channel, process.stdin), daemon=True).start()
            for pump in pumps:
                pump.join()
            code = process.wait()
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.send_exit_status(code if code >= 0 else 128 - code)
            channel.close()


class _Door(paramiko.ServerInterface):
    """What this server admits: public keys, sessions, exec."""

    def __init__(self, server: SshServer) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko names it
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return protocol.AUTH_SUCCESSFUL if self._server.allows(username, key) else protocol.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko names it
        return protocol.OPEN_SUCCEEDED if kind == "session" else protocol.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._server.execute, args=(channel, command), daemon=True).start()
        return True


def _pump_out(source: IO[bytes], send: Callable[[bytes], None]) -> None:
    with source:
        while block := os.read(source.fileno(), BLOCK):
            try:
                send(block)
            except (OSError, EOFError):  # nobody listens any more: the process meets a closed pipe
                return


def _pump_in(channel: paramiko.Channel, sink: IO[bytes]) -> None:
    with suppress(OSError, EOFError, ValueError):
        while block := channel.recv(BLOCK):
            sink.write(block)
            sink.flush()
    with suppress(OSError, ValueError):
        sink.close()


def executable(path: Path, text: str) -> None:
    """Write a small program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
