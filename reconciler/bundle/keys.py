"""Ed25519 keys of bundles: reading, naming, signing, verifying.

Knows no bundle. The rule (threats T35): a public key of small order or in a non-canonical encoding is refused when it
is read, because `cryptography` accepts forged signatures for such keys.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reconciler.secret import Secret

PREFIX: Final = "ed25519:"
SIGNATURE_BYTES: Final = 64
FIELD_PRIME: Final = 2**255 - 19  # RFC 8032, 5.1
# The y coordinates of the eight points whose order divides 8; the sign bit does not matter.
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER: Final = frozenset({0, 1, FIELD_PRIME - 1, _ORDER_8, FIELD_PRIME - _ORDER_8})


class KeyRefused(ValueError):
    """Text that is no usable key. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The 32 bytes of a key that was checked when it was read."""

    raw: bytes

    @property
    def name(self) -> str:
        """How people name it: the first 16 digits of its sha256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return PREFIX + base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> bytes:
        """As `public.key` holds it."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether this key signed exactly these bytes."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except InvalidSignature:
            return False
        return True


def read_public_key(text: str) -> PublicKey:
    """A key as reconciler.toml or `public.key` writes it: `ed25519:<base64>` or PEM. Raises KeyRefused."""
    text = text.strip()
    raw = _from_pem(text) if text.startswith("-----BEGIN ") else _from_base64(text)
    y = int.from_bytes(raw, "little") & ~(1 << 255)
    if y >= FIELD_PRIME:
        raise KeyRefused("reading a public key: its encoding is not canonical")
    if y in SMALL_ORDER:
        raise KeyRefused("reading a public key: it is of small order, anybody could sign for it")
    return PublicKey(raw)


def _from_base64(text: str) -> bytes:
    if not text.startswith(PREFIX):
        raise KeyRefused(f"reading a public key: neither PEM nor {PREFIX}<base64>")
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise KeyRefused("reading a public key: not base64") from error
    if len(raw) != 32 or base64.b64encode(raw).decode() != text.removeprefix(PREFIX):
        raise KeyRefused("reading a public key: not 32 bytes in canonical base64")
    return raw


def _from_pem(text: str) -> bytes:
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused("reading a public key: not PEM of a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused("reading a public key: not an ed25519 key")
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def generate_key() -> tuple[Secret, PublicKey]:
    """A new pair; the private half as PKCS 8 PEM."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(pem.decode()), _public_half(private)


def sign_bytes(private_pem: Secret, content: bytes) -> tuple[bytes, PublicKey]:
    """The signature over these bytes, and who made it. Raises KeyRefused."""
    try:
        private = serialization.load_pem_private_key(private_pem.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefused("reading the signing key: not an unencrypted PEM private key") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyRefused("reading the signing key: not an ed25519 key")
    return private.sign(content), _public_half(private)


def _public_half(private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
