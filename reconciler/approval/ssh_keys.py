"""SSH public key lines, compared by what they are and never by their comment (contracts: G1, G5)."""

import base64
import binascii
import hashlib
from typing import NewType

KeyId = NewType("KeyId", str)  # "type blob" of a public key line, without its comment


def key_id(line: str) -> KeyId | None:
    """The identity of a public key line such as `ssh-ed25519 AAAA... comment`; None where it is none."""
    words = line.split()
    if len(words) < 2:
        return None
    kind, encoded = words[0], words[1]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if blob[:4] != len(kind).to_bytes(4, "big") or blob[4 : 4 + len(kind)] != kind.encode():
        return None
    return KeyId(f"{kind} {base64.b64encode(blob).decode()}")


def fingerprint(line: str) -> str:
    """What `ssh-keygen -l` prints for a key line; empty where it is none."""
    key = key_id(line)
    if key is None:
        return ""
    checksum = hashlib.sha256(base64.b64decode(key.split(" ")[1])).digest()
    return "SHA256:" + base64.b64encode(checksum).decode().removesuffix("=")
