"""SSH servers that answer what a test tells them, and a session to each."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import paramiko

from reconciler.app.clock import SystemClock
from reconciler.sandbox.hosts import new_login
from reconciler.sandbox.hosts_server import SshServer
from reconciler.secret import Secret
from reconciler.ssh.identity import Address, HostKey, login_key
from reconciler.ssh.session import Patience, Session

Answer = Callable[[paramiko.Channel, bytes], object]
QUICK = Patience(
    connect=timedelta(seconds=2),
    login=timedelta(seconds=2),
    silence=timedelta(seconds=2),
    tries=3,
    between_tries=timedelta(milliseconds=10),
)


def answering(stdout: bytes = b"", stderr: bytes = b"", code: int = 0) -> Answer:
    """Read stdin to its end, write this and exit. (The end of stdin tells that the client knows that we began.)"""

    def answer(channel: paramiko.Channel, command: bytes) -> None:
        while channel.recv(1 << 15):
            pass
        channel.sendall(stdout)
        channel.sendall_stderr(stderr)
        channel.send_exit_status(code)
        channel.close()

    return answer


class Scripted(SshServer):
    """Answers each line by a function; `lines` are those that arrived, `logins` how often somebody tried to log in."""

    def __init__(self, answer: Answer) -> None:
        self.private_key, public = new_login()
        self._own, line = new_login()
        self.host_key = HostKey.parse(line)
        self.answer = answer
        self.lines: list[bytes] = []
        self.logins = 0
        known = frozenset({HostKey.parse(public).raw})
        super().__init__(login_key(self._own), "ops", lambda: known, {"HOME": str(Path.cwd())})

    def allows(self, user: str, key: paramiko.PKey) -> bool:
        self.logins += 1
        return super().allows(user, key)

    def execute(self, channel: paramiko.Channel, command: bytes) -> None:
        self.lines.append(command)
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.answer(channel, command)

    def session(self, **changed: Any) -> Session:
        private_key: Secret = changed.pop("private_key", self.private_key)
        fields: dict[str, Any] = {"host": "box", "address": "127.0.0.1", "user": "ops", "host_key": self.host_key}
        return Session(Address(**(fields | {"port": self.port} | changed)), private_key, SystemClock(), QUICK)


@contextmanager
def scripted(answer: Answer) -> Iterator[Scripted]:
    server = Scripted(answer)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def listening(serve: Callable[[socket.socket, int], object]) -> Iterator[int]:
    """A TCP port where each connection, with its number, is given to a function."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            number = 0
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError):
                    serve(link, number)
                number += 1

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
