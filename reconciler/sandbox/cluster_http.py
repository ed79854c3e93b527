"""The HTTPS side of the sandbox cluster: paths and verbs to the store, refusals to Status, nothing else.

One thread for each open connection, all ended by `Server.stop`; `respond` is called by several of them at once.
"""

import hmac
import json
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR, socket
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.sandbox.cluster_wire import CONTENT_TYPE

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
IDLE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the API sees it."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any
    accept: str = ""


Respond = Callable[[Asked], tuple[int, str | bytes]]  # bytes: protobuf


class Server(ThreadingMixIn, TCPServer):
    """HTTPS on loopback, for whoever has one of the tokens."""

    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, port: int, context: ssl.SSLContext, tokens: Set[str], respond: Respond) -> None:
        self._context = context
        self._tokens = tokens
        self._respond = respond
        self._lock = threading.Lock()
        self._open: set[socket] = set()
        self._stopping = False
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="sandbox-cluster")

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and every thread."""
        self.shutdown()
        self._thread.join()
        with self._lock:
            self._stopping = True
            waiting = list(self._open)
        for connection in waiting:
            _end(connection)
        self.server_close()

    def get_request(self) -> tuple[socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(IDLE_SECONDS)
        secured = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return secured, address

    def track(self, connection: socket) -> bool:
        """Remember an open connection; False where the server ends just now."""
        with self._lock:
            if not self._stopping:
                self._open.add(connection)
            return not self._stopping

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to print; anything else is a bug of the sandbox."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def answer(self, authorization: str, asked: Asked) -> tuple[int, str | bytes]:
        """The answer to one request."""
        known = (f"Bearer {token}".encode() for token in tuple(self._tokens))
        if not any(hmac.compare_digest(authorization.encode(), one) for one in known):
            return 401, json.dumps(status(401, "Unauthorized", "Unauthorized"))
        return self._respond(asked)


def status(code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A Status object."""
    found = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": int(code)}
    return {**found, "reason": reason, "message": message, "details": dict(details or {})}


_SILENT = ("GET", "DELETE")  # may come without a body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    server: Server

    def setup(self) -> None:
        super().setup()
        if self.server.track(self.request):
            self.request.do_handshake()
        else:
            raise ConnectionAbortedError

    def do_GET(self) -> None:
        self._one()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _one(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(413, json.dumps(status(413, "RequestEntityTooLarge", "the request is too large")))
            return
        raw = self.rfile.read(size)
        if len(raw) < size:  # whoever sent it died in the middle: it never was a request, as on a real server
            self.close_connection = True
            return
        try:
            body = None if not raw and self.command in _SILENT else json.loads(raw)
        except ValueError:
            self._send(400, json.dumps(status(400, "BadRequest", "the body is not JSON")))
            return
        parts = urlsplit(self.path)
        content_type = self.headers.get("Content-Type", "").partition(";")[0]
        query, accept = dict(parse_qsl(parts.query)), self.headers.get("Accept", "")
        asked = Asked(self.command, unquote(parts.path), query, content_type, body, accept)
        self._send(*self.server.answer(self.headers.get("Authorization", ""), asked))

    def _send(self, code: int, answer: str | bytes) -> None:
        data, kind = (answer.encode(), "application/json") if isinstance(answer, str) else (answer, CONTENT_TYPE)
        self.send_response_only(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's signature
        """Nothing is logged."""


def _end(connection: socket) -> None:
    with suppress(OSError):  # its client was faster
        connection.shutdown(SHUT_RDWR)
