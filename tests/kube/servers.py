"""An HTTPS server that plays a script: for what no honest API server does."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.pki import ServingCertificate, loopback_certificate

Play = Callable[[ssl.SSLSocket], None]


@dataclass
class Script:
    """What to do on each request, in order; the last goes on for ever.

    `heard` are the requests' heads, `whole` counts the answers that went out to their end.
    """

    plays: list[Play]
    heard: list[str] = field(default_factory=list)
    whole: int = 0

    def next_play(self, head: str) -> Play:
        self.heard.append(head)
        return self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]


@dataclass(frozen=True)
class Scripted:
    endpoint: str
    ca_pem: str
    script: Script


def answer(status: int, body: str = "{}", headers: Mapping[str, str] | None = None) -> Play:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    text = "\r\n".join(lines) + "\r\n\r\n" + body
    return lambda connection: connection.sendall(text.encode())


def cut(_connection: ssl.SSLSocket) -> None:
    """The connection ends without an answer."""
    raise ConnectionAbortedError


def silence(connection: ssl.SSLSocket) -> None:
    """No answer until the client goes away."""
    connection.recv(1)
    raise ConnectionAbortedError


@contextmanager
def playing(
    folder: Path, *plays: Play, host: str = "127.0.0.1", client_ca: str = "", pki: ServingCertificate | None = None
) -> Iterator[Scripted]:
    pki = pki or loopback_certificate()
    pem = folder / "server.pem"
    pem.write_text(pki.private_key + pki.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)
    script = Script(list(plays))
    with socket.create_server((host, 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, script))
        thread.start()
        try:
            yield Scripted(f"https://{host}:{listener.getsockname()[1]}", pki.ca, script)
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, script: Script) -> None:
    """One connection after the other: the clients under test use one."""
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:
            return
        raw.settimeout(10)
        with suppress(OSError, ssl.SSLError), context.wrap_socket(raw, server_side=True) as connection:
            while head := _read_request(connection):
                script.next_play(head)(connection)
                script.whole += 1


def _read_request(connection: ssl.SSLSocket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return ""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
    missing = int(length.split(b":")[1]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(missing))
    return head.decode()


def trickling(head: str, piece: bytes, *, pieces: int, end: bytes = b"") -> Play:
    """An answer that comes in pieces, each soon after the other, and ends after very many of them."""

    def play(connection: ssl.SSLSocket) -> None:
        connection.sendall(head.encode())
        pause = threading.Event()
        for _ in range(pieces):
            connection.sendall(piece)
            pause.wait(0.01)
        connection.sendall(end)

    return play
