"""One kept SSH connection to one host: connect, run a line, answer what it wrote.

Knows paramiko and nothing of what the line means. Rules: the host proves the pinned key before a single byte of our
login is sent; no agent, no key files, no first use that is trusted; exec only (no pty, sftp, forwarding); what a host
writes is capped, the rest counted and dropped; every wait has an end. A connection that was lost is made anew by the
next call, never inside one: whether a half-run line may be repeated is the caller's knowledge.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import paramiko

from reconciler.errors import ReconcilerError, Rejected, Unavailable, Untrusted
from reconciler.ports import Clock
from reconciler.secret import Secret
from reconciler.ssh.identity import Address, login_key
from reconciler.ssh.text import one_line

CIPHERS: Final = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes128-ctr")
MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
SILENT: Final = "reconciler.ssh.silent"  # paramiko logs tracebacks and what the far side said; we raise it instead
logging.getLogger(SILENT).disabled = True
KEPT: Final = 1 << 20  # bytes of each stream that are kept unless a call says otherwise
BLOCK: Final = 1 << 15
# How paramiko says that the far side could not prove a key of the pinned type; its messages are all it tells them by.
NOT_THE_HOST: Final = ("no acceptable host key", "host key type", "Signature verification", "Unknown host key")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each wait may last. `tries` covers a full sshd (MaxStartups) and a dropped handshake."""

    connect: timedelta = timedelta(seconds=10)
    login: timedelta = timedelta(seconds=20)
    silence: timedelta = timedelta(seconds=20)  # bytes unanswered for so long mean a dead connection
    keepalive: timedelta = timedelta(seconds=5)
    tries: int = 4
    between_tries: timedelta = timedelta(seconds=1)  # doubled after each


@dataclass(slots=True)
class Stream:
    """What one stream of a line wrote: the beginning kept, the rest counted."""

    kept: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def take(self, block: bytes, limit: int) -> None:
        """Keep what still fits."""
        room = max(0, limit - len(self.kept))
        self.kept += block[:room]
        self.dropped += len(block) - min(room, len(block))


@dataclass(frozen=True, slots=True)
class Output:
    """How a line ended and what it wrote, as opaque bytes."""

    exit_code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    dropped: int = 0


class Session:
    """Thread-safe: calls share the connection, each on a channel of its own."""

    def __init__(self, address: Address, private_key: Secret, clock: Clock, patience: Patience | None = None) -> None:
        self.address = address
        self._private_key = private_key
        self._clock = clock
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None

    def run(self, line: str, *, stdin: Iterable[bytes] = (), timeout: timedelta, keep: int = KEPT) -> Output:
        """Run a line and wait for its end. Raises Unavailable where the connection was lost or the wait ended."""
        deadline = time.monotonic() + timeout.total_seconds()
        with self._wrapped("running a command on"):
            channel = self._channel()
            try:
                return self._exchange(channel, line, stdin, deadline, keep)
            finally:
                channel.close()

    def close(self) -> None:
        """End the connection; a later call makes another."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
            self._transport = None

    def _exchange(
        self, channel: paramiko.Channel, line: str, stdin: Iterable[bytes], deadline: float, keep: int
    ) -> Output:
        channel.exec_command(line)
        out, err = Stream(), Stream()
        failed: list[ReconcilerError] = []
        threads = [
            threading.Thread(target=_drain, args=(channel.recv_stderr, channel, err, keep, deadline), daemon=True),
            threading.Thread(target=_feed, args=(channel, stdin, deadline, failed), daemon=True),
        ]
        for thread in threads:
            thread.start()
        _drain(channel.recv, channel, out, keep, deadline)
        ended = channel.status_event.wait(max(0.0, deadline - time.monotonic()))
        code = channel.exit_status if ended else -1
        channel.close()  # wakes both threads
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        if code < 0:
            self.close()
            why = "the connection was lost" if time.monotonic() < deadline else "no end in time"
            raise self._away(f"running a command on {self.address}: {why}")
        return Output(code, bytes(out.kept), bytes(err.kept), out.dropped + err.dropped)

    def _channel(self) -> paramiko.Channel:
        """On the kept connection; where that died unnoticed, on a new one: nothing was sent on it yet."""
        patience = self._patience.login.total_seconds()
        transport, kept = self._connected()
        try:
            return transport.open_session(timeout=patience)
        except (OSError, EOFError, paramiko.SSHException):
            if not kept:
                raise
            transport.close()
        return self._connected()[0].open_session(timeout=patience)

    def _connected(self) -> tuple[paramiko.Transport, bool]:
        """The connection, and whether it was there before."""
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport, True
            self._transport = self._connect()
            return self._transport, False

    def _connect(self) -> paramiko.Transport:
        """Tries again only where the host was reached and hung up (MaxStartups): an unreachable one is said at once."""
        begun = time.monotonic()
        pause = self._patience.between_tries
        for left in reversed(range(self._patience.tries)):
            with self._wrapped("connecting to"):
                link = socket.create_connection(
                    (self.address.address, self.address.port), self._patience.connect.total_seconds()
                )
            try:
                with self._wrapped("logging in to"):
                    return self._shake_hands(link)
            except Unavailable:
                late = time.monotonic() - begun > self._patience.login.total_seconds()
                if not left or late or self._clock.wait(pause):
                    raise
                pause *= 2
        raise AssertionError("unreachable: the last try returns or raises")

    def _shake_hands(self, link: socket.socket) -> paramiko.Transport:
        _notice_silence(link, self._patience.silence)
        transport = paramiko.Transport(link)
        transport.set_log_channel(SILENT)
        try:
            self._greet(transport)
            self._log_in(transport)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(int(self._patience.keepalive.total_seconds()))
        return transport

    def _greet(self, transport: paramiko.Transport) -> None:
        options = transport.get_security_options()
        options.key_types = self.address.host_key.algorithms
        options.ciphers, options.digests = CIPHERS, MACS
        transport.banner_timeout = transport.handshake_timeout = self._patience.login.total_seconds()
        try:
            transport.start_client(timeout=self._patience.login.total_seconds())
        except paramiko.SSHException as error:
            if any(words in str(error) for words in NOT_THE_HOST):
                raise self._stranger("it does not prove a host key of the pinned type") from error
            raise
        if not self.address.host_key.is_key_of(transport.get_remote_server_key()):
            raise self._stranger("its host key is not the pinned one")

    def _log_in(self, transport: paramiko.Transport) -> None:
        transport.auth_timeout = self._patience.login.total_seconds()
        try:
            transport.auth_publickey(self.address.user, login_key(self._private_key))
        except paramiko.AuthenticationException as error:
            if str(error) == "Authentication timeout." or not transport.is_active():
                raise paramiko.SSHException(f"no answer to our login: {error}") from error
            raise
        if not transport.is_authenticated():
            raise paramiko.AuthenticationException("more than a key is asked for")

    def _stranger(self, why: str) -> Untrusted:
        return Untrusted(
            f"connecting to {self.address}: {why}; nothing was sent to it",
            key="ssh_auth_failed",
            hint="compare the host's key on its console; where it was replaced on purpose, change hostKey in its spec",
        )

    def _away(self, message: str) -> Unavailable:
        return Unavailable(message, key="ssh_unreachable")

    @contextmanager
    def _wrapped(self, doing: str) -> Iterator[None]:
        """The door: what paramiko and the network raise becomes one of ours."""
        try:
            yield
        except paramiko.AuthenticationException as error:
            raise Rejected(
                f"{doing} {self.address} as {self.address.user}: it does not accept our key",
                key="ssh_auth_failed",
                hint=f"add the credential's public key to {self.address.user} on that host",
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._away(
                f"{doing} {self.address}: {one_line(str(error).encode()) or type(error).__name__}"
            ) from error


def _drain(
    receive: Callable[[int], bytes], channel: paramiko.Channel, into: Stream, limit: int, deadline: float
) -> None:
    while (left := deadline - time.monotonic()) > 0:
        channel.settimeout(left)
        try:
            block = receive(BLOCK)
        except (OSError, EOFError):
            return
        if not block:
            return
        into.take(block, limit)


def _feed(channel: paramiko.Channel, blocks: Iterable[bytes], deadline: float, failed: list[ReconcilerError]) -> None:
    try:
        for block in blocks:
            for start in range(0, len(block), BLOCK):
                channel.settimeout(max(0.01, deadline - time.monotonic()))
                channel.sendall(block[start : start + BLOCK])
        channel.shutdown_write()
    except (OSError, EOFError):  # it went away or stopped reading; the exit status tells which
        return
    except ReconcilerError as error:  # a stream that refuses to be sent, such as a file that was swapped
        failed.append(error)
        channel.close()


def _notice_silence(link: socket.socket, silence: timedelta) -> None:
    """Keepalives that nobody acknowledges end the connection, also under a partition that sends no reset."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # requests are small and wait for answers
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silence.total_seconds() * 1000))
