"""Who a host is and how we log in: the pinned host key, the address, the private key.

Knows key formats and no connection. The rule (threats T22): a host has exactly one pinned key, written in an accepted
spec; there is no first use that is trusted and no file of known hosts.
"""

import base64
import binascii
import hmac
import io
from dataclasses import dataclass
from typing import Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from reconciler.errors import Rejected
from reconciler.secret import Secret

# host key type -> what may sign the key exchange with it (RFC 8332 for rsa; SHA-1 signatures are not among them)
ALGORITHMS: Final = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
LOGIN_KEYS: Final[tuple[tuple[type, type[paramiko.PKey]], ...]] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)


@dataclass(frozen=True, slots=True)
class HostKey:
    """A pinned host key. `line` is how specs and plans write it: type and base64, no comment."""

    type: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "HostKey":
        """Read `ssh-ed25519 AAAA... [comment]`. Raises Rejected."""
        kind, _, rest = text.strip().partition(" ")
        if kind not in ALGORITHMS:
            raise Rejected("reading a pinned host key: its type is not supported", key="validation_error")
        try:
            raw = base64.b64decode(rest.split(" ")[0], validate=True)
        except binascii.Error as error:
            raise Rejected("reading a pinned host key: not base64", key="validation_error") from error
        if raw[:4] != len(kind).to_bytes(4, "big") or raw[4 : 4 + len(kind)] != kind.encode():
            raise Rejected("reading a pinned host key: the key is not of the type it names", key="validation_error")
        return cls(kind, raw)

    @property
    def line(self) -> str:
        """Type and base64, no comment."""
        return f"{self.type} {base64.b64encode(self.raw).decode()}"

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What may sign the key exchange."""
        return ALGORITHMS[self.type]

    def is_key_of(self, shown: paramiko.PKey) -> bool:
        """Whether a server that proved to own `shown` is this host."""
        return hmac.compare_digest(shown.asbytes(), self.raw)


@dataclass(frozen=True, slots=True)
class Address:
    """One host as a spec describes it. `host` is its name in the specs; `become` runs everything by `sudo -n`."""

    host: str
    address: str
    user: str
    host_key: HostKey
    port: int = 22
    become: bool = True

    def __str__(self) -> str:
        return f"{self.host} ({self.address}:{self.port})"


def login_key(private_pem: Secret) -> paramiko.PKey:
    """The key of an OpenSSH or PEM private key text, never from a file or an agent. Raises Rejected."""
    content = private_pem.reveal().encode()
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            private = load(content, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
            continue
        for kind, made in LOGIN_KEYS:
            if isinstance(private, kind):
                return made.from_private_key(io.StringIO(_openssh(private)))
    raise Rejected(
        "reading an SSH private key: not an unencrypted ed25519, ecdsa or rsa key",
        key="ssh_auth_failed",
        hint="store the key without a passphrase inside the encrypted Credential",
    )


def _openssh(private: object) -> str:
    return private.private_bytes(  # type: ignore[attr-defined,no-any-return]  # each of LOGIN_KEYS has it
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
