"""The SSHSIG format.

Knows what is signed and how a signature is wrapped (OpenSSH, PROTOCOL.sshsig). Knows no key's arithmetic. The rule:
one version, one namespace, two hashes, nothing reserved, nothing after the end; what git and ssh-keygen write is
read, and what is written here they read.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from reconciler.errors import Untrusted
from reconciler.git import wire

_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = "sha512"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LONGEST = 65536  # characters of an armored signature


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a signature says of itself: key, namespace, hash, and the signature proper, all in wire form."""

    public_key: bytes
    namespace: str
    hash_name: str
    signature: bytes


def to_sign(message: bytes, namespace: str, hash_name: str = _HASH) -> bytes:
    """The bytes that a key signs for a message."""
    digest = _HASHES[hash_name](message).digest()
    parts = (namespace.encode(), b"", hash_name.encode(), digest)
    return _MAGIC + b"".join(wire.string(part) for part in parts)


def armored(public_key: bytes, namespace: str, signature: bytes) -> str:
    """Wrap a signature as text, lines of 70 as ssh-keygen does, a line end after the last."""
    parts = (public_key, namespace.encode(), b"", _HASH.encode(), signature)
    content = _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(wire.string(part) for part in parts)
    text = base64.b64encode(content).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def opened(text: str) -> Envelope:
    """Unwrap an armored signature. Raises Untrusted on anything but exactly one."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(text) > _LONGEST or len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Untrusted("reading a signature: it is not one armored SSH signature")
    try:
        content = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("reading a signature: it is not base64") from error
    reader = wire.Reader(content)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != _VERSION:
        raise Untrusted("reading a signature: it is not SSHSIG version 1")
    public_key, namespace, reserved = reader.string(), reader.text(), reader.string()
    envelope = Envelope(public_key, namespace, reader.text(), reader.string())
    reader.end()
    if reserved or not namespace or envelope.hash_name not in _HASHES:
        raise Untrusted("reading a signature: its namespace, reserved field or hash is not one that we know")
    return envelope
