"""The TLS side of a connection: verified against the given CA and nothing else, client key never on a disk.

Python's ssl module loads a client certificate from a file name only. It is given the name of a memory file (memfd) that
exists for the length of one call; where there is none, a private temporary file, removed at once.

A wait for the next byte has an end, and so has the whole answer: a server that sends a byte now and then holds nobody
up. Nothing above the socket can see to that, because everything there reads until it has as much as it asked for.
"""

import os
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reconciler.errors import Rejected
from reconciler.kube.connection import ClientCertificate, Connection


class _Deadline(threading.local):
    """When the answer that this thread reads has to be there, on the monotonic clock; 0: there is no such time."""

    at = 0.0


_DEADLINE = _Deadline()


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Whatever this thread reads over TLS meanwhile ends in TimeoutError after so long."""
    _DEADLINE.at = time.monotonic() + seconds
    try:
        yield
    finally:
        _DEADLINE.at = 0.0


class Context(ssl.SSLContext):
    """A client context that remembers the certificate by which the last server proved who it is."""

    peer: bytes = b""  # DER


class _Timed(ssl.SSLSocket):
    """A socket whose every read looks at the clock."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  the module's own signature
        super().do_handshake(block)
        if isinstance(self.context, Context):
            self.context.peer = self.getpeercert(binary_form=True) or b""

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        if _DEADLINE.at and time.monotonic() > _DEADLINE.at:
            raise TimeoutError("the answer took too long")
        return super().recv_into(*arguments, **named)


def tls_context(connection: Connection) -> Context:
    """A client context for one Connection. Raises Rejected(certificate_invalid)."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Timed
    try:
        context.load_verify_locations(cadata=connection.ca_pem)
        if connection.certificate is not None:
            _load(context, connection.certificate)
    except (ssl.SSLError, ValueError):
        raise Rejected(
            f"preparing TLS for {connection.endpoint}: a certificate or key cannot be used", key="certificate_invalid"
        ) from None
    return context


def _load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    pem = f"{certificate.key_pem.reveal()}\n{certificate.chain_pem}"
    with _private_file(pem.encode()) as name:
        context.load_cert_chain(name, password=_no_password)


def _no_password() -> str:
    """OpenSSL asks the terminal where nothing else is said."""
    raise ValueError("the key is encrypted")


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tls")
        name = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, name = tempfile.mkstemp(prefix="tls-")  # 0600
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield name
    finally:
        os.close(descriptor)
        if not name.startswith("/proc/"):
            os.unlink(name)
