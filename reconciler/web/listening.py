"""Servers on threads of their own: bound before the loop starts, bounded in time and number, and heard when they die.

Knows sockets and uvicorn, and no page. Rules: an address that cannot be had is said at once; a connection lives as long
as LIFETIME, whatever it sends or does not send, and there are never more than MOST; a thread that ends before it was
told to ends the process.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.errors import Refused, Unavailable

LOG = structlog.get_logger("reconciler")
LIFETIME = 15.0  # seconds of one connection, with everything that is asked and answered on it
MOST = 64  # connections of one server at a time
GRACE = 2  # seconds for answers that are under way when the process stops
HEADERS = 16_384  # bytes


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> "Address":
        """From HOST:PORT; [HOST]:PORT for IPv6. Raises Refused."""
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port is None or parts.netloc != text or "@" in text:
            raise Refused(
                f"listening on {text[:80]!r}: this is no address", key="validation_error", hint="write it as HOST:PORT"
            )
        return cls(host, port)


def bound(address: Address, what: str) -> socket.socket:
    """A socket that listens there. Raises Refused where somebody else does, or where this machine has no such place."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address.host, address.port))
        made.listen(MOST)
    except OSError as error:
        made.close()
        raise Refused(
            f"listening on {address.host}:{address.port} for {what}: {error.strerror or error}",
            key="resource_conflict",
            hint="free the address, or name another one (docs/webhooks.md)",
        ) from error
    return made


def told(listener: socket.socket) -> str:
    """Where it really listens, as people write it."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Bounded(H11Protocol):
    """HTTP/1.1 on one connection, for a while."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more; the one too many is shown the door."""
        super().connection_made(transport)
        self._end = self.loop.call_later(LIFETIME, transport.abort)
        if len(self.connections) > MOST:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended, by whomever."""
        self._end.cancel()
        super().connection_lost(exc)


class Threads:
    """Threads whose early end ends the process. `died` is called in the thread that ended."""

    def __init__(self, died: Callable[[], None], most: int = 4) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="serve")
        self._died = died
        self._running: list[Future[None]] = []
        self._early: list[str] = []
        self._stopping = False

    def start(self, what: str, work: Callable[[], None]) -> None:
        """Run it until it is told to end."""

        def ended(future: Future[None]) -> None:
            if not self._stopping:
                self._early.append(what)
                LOG.error("a thread of the server ended", what=what, kind=type(future.exception()).__name__)
                self._died()

        future = self._pool.submit(work)
        self._running.append(future)
        future.add_done_callback(ended)

    def stopping(self) -> None:
        """From now on an end is no surprise."""
        self._stopping = True

    def join(self) -> None:
        """Wait for every end. Raises what a thread died of, Unavailable where one ended for no reason."""
        self._pool.shutdown(wait=True)
        for future in self._running:
            future.result()
        if self._early:
            raise Unavailable(f"serving {', '.join(self._early)}: it ended by itself", key="internal_error")


def server(application: Starlette) -> uvicorn.Server:
    """It says nothing by itself: what goes wrong inside is logged as a defect, without values."""
    _log_defects()
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=Bounded,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=HEADERS,
        )
    )


@contextlib.contextmanager
def running(threads: Threads, what: str, application: Starlette, listener: socket.socket) -> Iterator[None]:
    """Answer there while this lasts."""
    made = server(application)
    threads.start(what, lambda: made.run(sockets=[listener]))
    try:
        yield
    finally:
        made.should_exit = True


class _Defects(logging.Handler):
    """Where in our own code, and of which type; never what a stranger's bytes said."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        LOG.error("defect", what="answering over HTTP", kind=kind)


def _log_defects() -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [_Defects(logging.ERROR)]
    logger.propagate = False
    logging.getLogger("uvicorn.access").propagate = False
