"""A TCP proxy on loopback between a test and a host: it counts, it cuts."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Self

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends a reset


class Proxy:
    """Forwards to one address. `sent` counts bytes from the test to the host."""

    def __init__(self, address: str, port: int) -> None:
        self._far = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._links: list[socket.socket] = []
        self._cut_after: int | None = None
        self.sent = 0
        self.connections = 0

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            with suppress(OSError):
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def cut_after(self, count: int) -> None:
        """Cut once, when so many more bytes went to the host."""
        self._cut_after = self.sent + count

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._far, timeout=2)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._links += [near, far]
                self.connections += 1
            threading.Thread(target=self._forward, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(far, near, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while block := source.recv(1 << 14):
                if outward:
                    self.sent += len(block)
                    if self._cut_after is not None and self.sent >= self._cut_after:
                        self._cut_after = None
                        self.cut()
                        return
                sink.sendall(block)
        for link in (source, sink):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
