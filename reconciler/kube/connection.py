"""How a Kubernetes API is reached, as a value that was checked before anything connects.

Knows PEM and URLs. Opens no file and no socket, and knows no kubeconfig. The rule it keeps: a Connection is https with
a given CA, and has exactly one identity, whole and unencrypted; nothing in it makes a client run or read anything.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from reconciler.errors import Rejected
from reconciler.secret import Secret

TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")  # visible ASCII: what a header may carry (RFC 9110, 5.5)
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
MAX_PEM_CHARACTERS = 256 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate chain and its key, both PEM, the key unencrypted."""

    chain_pem: str = field(repr=False)
    key_pem: Secret


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server and one identity. Exactly one of `token` and `certificate` is set."""

    endpoint: str
    ca_pem: str = field(repr=False)
    token: Secret | None = None
    certificate: ClientCertificate | None = None


def connection(
    endpoint: str, ca_pem: str, *, token: Secret | None = None, certificate: ClientCertificate | None = None
) -> Connection:
    """A checked Connection. Raises Rejected with endpoint_invalid, certificate_invalid or kubeconfig_invalid."""
    if (token is None) == (certificate is None):
        raise Rejected(
            "reading a cluster connection: it needs exactly one of a token and a client certificate with its key",
            key="kubeconfig_invalid",
        )
    if token is not None and not TOKEN.fullmatch(token.reveal()):
        raise Rejected(
            "reading the token of a cluster connection: it is not one line of visible ASCII", key="kubeconfig_invalid"
        )
    _check_certificates(ca_pem, "the CA")
    if certificate is not None:
        _check_pair(certificate)
    return Connection(checked_endpoint(endpoint), ca_pem, token, certificate)


def checked_endpoint(endpoint: str) -> str:
    """`https://host[:port][/path]` without a trailing slash. Raises Rejected(endpoint_invalid)."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _endpoint_invalid("it is not a URL") from None
    faults: tuple[tuple[bool, str], ...] = (
        (not endpoint.isprintable() or not endpoint.isascii() or " " in endpoint, "it has characters that no URL has"),
        (parts.scheme != "https", "only https is accepted"),
        ("@" in parts.netloc, "it carries a user name or password"),
        (bool(parts.query or parts.fragment) or endpoint.endswith(("?", "#")), "it has a query or fragment"),
        (not HOST.fullmatch(host), "its host is missing or malformed"),
        (port == 0, "its port is 0"),
        (not PATH.fullmatch(parts.path.rstrip("/")) or ".." in parts.path, "its path is not plain"),
    )
    for found, reason in faults:
        if found:
            raise _endpoint_invalid(reason)
    return endpoint.rstrip("/")


def _endpoint_invalid(reason: str) -> Rejected:
    return Rejected(
        f"reading a cluster's endpoint: {reason}", key="endpoint_invalid", hint="Write https://HOST:PORT of its API."
    )


def _check_certificates(pem: str, what: str) -> None:
    from cryptography import x509  # lazily: `--help` needs no certificates

    _parsed(lambda: x509.load_pem_x509_certificates(_only_certificates(pem)), what)


def _check_pair(certificate: ClientCertificate) -> None:
    """The key must open without a password (OpenSSL would ask a terminal) and belong to the certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    chain = _parsed(
        lambda: x509.load_pem_x509_certificates(_only_certificates(certificate.chain_pem)), "the client certificate"
    )
    key = _parsed(lambda: load_pem_private_key(certificate.key_pem.reveal().encode(), None), "the client key")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if chain[0].public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise _certificate_invalid("the client key", "it does not belong to the client certificate")


def _only_certificates(pem: str) -> bytes:
    if len(pem) > MAX_PEM_CHARACTERS or "PRIVATE KEY" in pem:
        raise ValueError
    return pem.encode("ascii")


def _parsed(parse: Callable[[], T], what: str) -> T:
    try:
        return parse()
    except (ValueError, TypeError) as error:  # the parser's message may quote the key
        del error
    raise _certificate_invalid(what, "it is not unencrypted PEM of the right kind")


def _certificate_invalid(what: str, reason: str) -> Rejected:
    return Rejected(f"reading {what} of a cluster connection: {reason}", key="certificate_invalid")
