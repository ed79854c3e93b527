"""SSH keys: public ones as values, and the private one that we sign with.

Knows the wire form of ed25519, ecdsa-nistp256 and RSA keys (RFC 4253 section 6.6, RFC 5656, RFC 8709) and how each
checks a signature. Knows no message format. The rule: parsing is strict and complete, keys with which anything can be
signed (small-order points, short RSA) are refused, and the private key cannot be printed, copied or pickled.
"""

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from reconciler.errors import Refused, Untrusted
from reconciler.git import sshsig, wire

_FIELD = 2**255 - 19
_MASK = 2**255 - 1  # without the sign of x
# y of the points whose order divides 8; `cryptography` accepts forgeries for them (measured: L5).
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
_RSA_BITS = range(2048, 16385)
_RSA_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA512]] = {
    "rsa-sha2-256": hashes.SHA256,
    "rsa-sha2-512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key by its wire form. Two lines for the same key are equal, whatever their comments say."""

    kind: str
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read `TYPE BASE64 [COMMENT]`. Raises Untrusted on a type we do not check, or a key that is not sound."""
        parts = line.split()
        try:
            blob = base64.b64decode(parts[1], validate=True)
        except (IndexError, binascii.Error, ValueError) as error:
            raise Untrusted("reading a public key: it is no line `type base64 comment`") from error
        key = cls.of_blob(blob)
        if key.kind != parts[0]:
            raise Untrusted("reading a public key: its type and its content differ")
        return key

    @classmethod
    def of_blob(cls, blob: bytes) -> Self:
        """Read the wire form. Raises Untrusted as `parse` does."""
        key = cls(wire.Reader(blob).text(), blob)
        key._checker()
        return key

    @property
    def line(self) -> str:
        """`TYPE BASE64`, without a comment: how keys are compared and printed."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as ssh-keygen prints it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip('=')}"

    def check(self, signature: bytes, signed: bytes) -> None:
        """Raise Untrusted unless this key made this wire-form signature over these bytes."""
        reader = wire.Reader(signature)
        algorithm, content = reader.text(), reader.string()
        reader.end()
        checker = self._checker()
        try:
            if isinstance(checker, ed25519.Ed25519PublicKey) and algorithm == self.kind:
                checker.verify(content, signed)
            elif isinstance(checker, ec.EllipticCurvePublicKey) and algorithm == self.kind:
                numbers = wire.Reader(content)
                encoded = utils.encode_dss_signature(numbers.integer(), numbers.integer())
                numbers.end()
                checker.verify(encoded, signed, ec.ECDSA(hashes.SHA256()))
            elif isinstance(checker, rsa.RSAPublicKey) and algorithm in _RSA_HASHES:
                checker.verify(content, signed, padding.PKCS1v15(), _RSA_HASHES[algorithm]())
            else:
                raise Untrusted(f"checking a signature: {algorithm[:40]!r} does not go with a {self.kind} key")
        except (InvalidSignature, ValueError) as error:
            raise Untrusted(f"checking a signature: {self.fingerprint} did not make it") from error

    def _checker(self) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        reader = wire.Reader(self.blob)
        kind = reader.text()
        try:
            match kind:
                case "ssh-ed25519":
                    point = reader.string()
                    reader.end()
                    y = int.from_bytes(point, "little") & _MASK
                    if len(point) != 32 or y >= _FIELD or y in _SMALL_ORDER:
                        raise Untrusted("reading a public key: its point is not one that a key has")
                    return ed25519.Ed25519PublicKey.from_public_bytes(point)
                case "ecdsa-sha2-nistp256":
                    curve, point = reader.text(), reader.string()
                    reader.end()
                    if curve != "nistp256":
                        raise Untrusted("reading a public key: its curve is not nistp256")
                    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
                case "ssh-rsa":
                    exponent, modulus = reader.integer(), reader.integer()
                    reader.end()
                    if modulus.bit_length() not in _RSA_BITS:
                        raise Untrusted(f"reading a public key: RSA of {modulus.bit_length()} bits")
                    return rsa.RSAPublicNumbers(exponent, modulus).public_key()
                case _:
                    raise Untrusted(f"reading a public key: keys of type {kind[:40]!r} are not checked here")
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Untrusted(f"reading a public key: {error}") from error


NEEDED = "it takes an OpenSSH ed25519 private key without a passphrase"


class SigningKey:
    """An ed25519 private key. It signs, and cannot be printed, copied or pickled."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = PublicKey("ssh-ed25519", wire.string(b"ssh-ed25519") + wire.string(point))

    @classmethod
    def generate(cls) -> Self:
        """A new key, in memory only until `save`."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an OpenSSH private key file without passphrase. Raises Refused on another, or one others may read."""
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                    raise Refused(
                        f"reading the signing key {path}: others may read it",
                        key="permission_denied",
                        hint=f"chmod 600 {path}",
                    )
                key = load_ssh_private_key(file.read(65536), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Refused(f"reading the signing key {path}: {error}", key="validation_error", hint=NEEDED) from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise Refused(
                f"reading the signing key {path}: it is not an ed25519 key", key="validation_error", hint=NEEDED
            )
        return cls(key)

    def save(self, path: Path) -> None:
        """Write an OpenSSH private key file that only we may read, and that was not there before."""
        content = self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refused(f"writing the signing key {path}: {error}", key="permission_denied") from error

    def sign(self, message: bytes, namespace: str) -> str:
        """An armored SSHSIG over a message in a namespace."""
        signature = wire.string(b"ssh-ed25519") + wire.string(self._key.sign(sshsig.to_sign(message, namespace)))
        return sshsig.armored(self.public.blob, namespace, signature)

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"

    def __str__(self) -> NoReturn:
        raise TypeError("a signing key is not printed")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a signing key is not printed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signing key is not copied or pickled")
