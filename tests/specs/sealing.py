"""Encrypts as SOPS does, for tests whose recipient is made anew. The real program is asked in test_real_sops.py."""

import base64
import hashlib
import os
from typing import Any

import pyrage
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.specs.sealed import BOUND


def sealed(body: dict[str, Any], recipient: str, *, every: bool = False) -> dict[str, Any]:
    """A Secret with its values and its environment encrypted; with `every`, of a file of values everything is."""
    key = os.urandom(32)
    mac = hashlib.sha512()

    def leaf(text: str, additional: str, kind: str = "str") -> str:
        nonce = os.urandom(32)
        made = AESGCM(key).encrypt(nonce, text.encode(), additional.encode())
        parts = [base64.b64encode(part).decode() for part in (made[:-16], nonce, made[-16:])]
        return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]".format(*parts, kind)

    def walk(value: Any, way: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: walk(part, (*way, name)) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part, way) for part in value]
        mac.update(str(value).encode())
        if every and isinstance(value, int):
            return leaf(str(value), f"{':'.join(way)}:", "int")
        encrypts = way[0] in ("data", "stringData") or way[-1] == BOUND or (every and value)
        return leaf(value, f"{':'.join(way)}:") if encrypts else value

    made = walk(body, ())
    at = "2026-01-01T00:00:00Z"
    to = pyrage.x25519.Recipient.from_str(recipient)
    enc = pyrage.encrypt(key, [to], armored=True).decode()
    about = {"age": [{"recipient": recipient, "enc": enc}], "lastmodified": at}
    return {**made, "sops": {**about, "mac": leaf(mac.hexdigest().upper(), at)}}
