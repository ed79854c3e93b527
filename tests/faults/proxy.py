"""A TCP proxy on loopback between us and a far side: it counts, cuts, holds, garbles, slices and refuses.

Knows bytes and directions and no protocol: `sent` goes to the far side, `answered` comes back. The tests of hosts, of
the API server and of Git use this one.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends a reset
BLOCK = 1 << 14
Alter = Callable[[bytes], bytes]


class Proxy:
    """Forwards to one address. Everything may be switched while connections run."""

    def __init__(self, address: str, port: int) -> None:
        self._far = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._links: list[socket.socket] = []
        self._cut_after: int | None = None
        self._cut_answer_after: int | None = None
        self._down = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._alter: Alter | None = None
        self.sent = 0
        self.answered = 0
        self.connections = 0
        self.refused = 0

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
        """Cut once, when so many more bytes went to the far side."""
        self._cut_after = self.sent + count

    def cut_answer_after(self, count: int) -> None:
        """Let so many more bytes of answers through, and then cut once."""
        self._cut_answer_after = self.answered + count

    def down(self) -> None:
        """Cut everything and reset who comes, until `up`."""
        self.close_door()
        self.cut()

    def close_door(self) -> None:
        """Reset who comes, until `up`; connections that are there go on."""
        self._down = True

    def up(self) -> None:
        """Let everything through again."""
        self._down = False
        self._cut_after = self._cut_answer_after = self._alter = None
        self._flowing.set()

    def hold(self) -> None:
        """Keep answers back until `up`; the far side hears everything."""
        self._flowing.clear()

    def alter(self, change: Alter) -> None:
        """Put each block of answers through a function, until `up`: to duplicate, drop or spoil bytes."""
        self._alter = change

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._flowing.set()
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
            far = None if self._down else self._reach()
            if far is None:
                self.refused += 1
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                near.close()
                continue
            with self._lock:
                self._links += [near, far]
                self.connections += 1
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _reach(self) -> socket.socket | None:
        try:
            far = socket.create_connection(self._far, timeout=2)
        except OSError:
            return None
        far.settimeout(None)
        return far

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while block := near.recv(BLOCK):
                self.sent += len(block)
                if self._cut_after is not None and self.sent >= self._cut_after:
                    self._cut_after = None
                    self.cut()
                    return
                far.sendall(block)
        _end(near, far)

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while block := far.recv(BLOCK):
                self._flowing.wait()
                block = self._alter(block) if self._alter is not None else block
                room = None if self._cut_answer_after is None else max(0, self._cut_answer_after - self.answered)
                near.sendall(block[:room])
                self.answered += len(block[:room])
                if room is not None and len(block) >= room:
                    self._cut_answer_after = None
                    self.cut()
                    return
        _end(far, near)


def _end(source: socket.socket, sink: socket.socket) -> None:
    for link in (source, sink):
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
        link.close()
