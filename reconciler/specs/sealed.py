"""Secrets that SOPS encrypted to the reconciler's age recipient: opened in memory, or a reason why not.

Knows SOPS's format for YAML (https://getsops.io/docs/#encryption-protocol): each leaf is AES-256-GCM under one data key
with the way to it as additional data, the data key is encrypted with age, and a MAC covers every value in order. Rules:
of objects only values of a Secret may be encrypted; the environment that it is for stands inside the encryption, so
that nobody can copy it to another; what does not verify is not used, and no message holds a value. Of a file of values
for a chart any text may be encrypted, and each goes on as Hidden (stand_ins.py).
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.specs.finding import VALIDATION
from reconciler.specs.stand_ins import Hidden

MARK = "sops"  # the field that SOPS adds to what it encrypted
BOUND = "opspilot.spec/environment"  # the annotation that names the environment; encrypted like the values
REGEX = f"^(data|stringData|{BOUND})$"
HINT = f"sops encrypt --age RECIPIENT --encrypted-regex '{REGEX}' FILE"
HINT_OF_VALUES = "sops encrypt --age RECIPIENT FILE"
BROKEN = "artifact_checksum_mismatch"
DENIED = "credential_scope_denied"
KEY_BYTES = 32
MOST_KEYS = 100  # of recipients
_LEAF = re.compile(r"ENC\[AES256_GCM,data:([^,]*),iv:([^,]*),tag:([^,]*),type:([a-z]+)\]")
Steps = tuple[str, ...]


class Opener(Protocol):
    """The reconciler's age identity."""

    @property
    def recipient(self) -> str:
        """What people encrypt to."""

    def open(self, armored: str) -> bytes | None:
        """What was encrypted to this recipient; None where it was not."""

    def tag(self, clear: str) -> str:
        """What says whether a value is the same as another, under a key that never leaves the reconciler."""


class NotOpened(Exception):
    """Why a Secret cannot be opened, and where in it. The words hold no value."""

    def __init__(self, message: str, *steps: str, key: str = VALIDATION, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.steps = steps
        self.key = key
        self.hint = hint


def is_sealed(value: Any) -> bool:
    """Whether SOPS encrypted this object, or somebody wants us to think so."""
    return isinstance(value, dict) and MARK in value


def opened(value: Mapping[str, Any], environment: str, opener: Opener, *, whole: bool) -> dict[str, Any]:
    """The Secret as it was before it was encrypted. Raises NotOpened.

    `whole`: it stands as SOPS wrote it, so that its MAC can be verified; a kustomization changes order and names.
    """
    if value.get("kind") != "Secret":
        raise NotOpened("only a Secret may be encrypted", "kind", hint="put what is secret into a Secret")
    about = value[MARK]
    if not isinstance(about, dict) or about.get("key_groups") or about.get("shamir_threshold"):
        raise NotOpened("its sops block is not one that can be read here", MARK, hint=HINT)
    walk = _Walk(AESGCM(_data_key(about, opener)))
    clear = walk.value({name: part for name, part in value.items() if name != MARK}, ())
    _check_bound(walk, _named(clear, ("metadata", "annotations", BOUND)), environment)
    if whole:
        _check_mac(walk, about)
    _check_text(clear)
    return _unbound(clear)


def opened_values(value: Mapping[str, Any], environment: str, opener: Opener, release: str) -> dict[str, Any]:
    """A file of a release's values as it was, without the key that names its environment; what was encrypted is Hidden.

    Raises NotOpened.
    """
    about = value[MARK]
    if not isinstance(about, dict) or about.get("key_groups") or about.get("shamir_threshold"):
        raise NotOpened("its sops block is not one that can be read here", MARK, hint=HINT_OF_VALUES)
    walk = _Walk(AESGCM(_data_key(about, opener)), opener, (BOUND,), release)
    clear: dict[str, Any] = walk.value({name: part for name, part in value.items() if name != MARK}, ())
    said = clear.pop(BOUND, None)
    _check_bound(walk, said.clear if isinstance(said, Hidden) else said, environment)
    _check_mac(walk, about)
    return clear


def _data_key(about: Mapping[str, Any], opener: Opener) -> bytes:
    listed = about.get("age")
    for entry in (listed if isinstance(listed, list) else [])[:MOST_KEYS]:
        match entry:
            case {"recipient": str(recipient), "enc": str(armored)} if recipient == opener.recipient:
                found = opener.open(armored)
                if found is not None and len(found) == KEY_BYTES:
                    return found
    raise NotOpened(
        "it is not encrypted to this reconciler", MARK, key=DENIED, hint=f"its recipient is {opener.recipient}: {HINT}"
    )


@dataclass(slots=True)
class _Walk:
    """One way through an object: opens what is encrypted, and hashes every value in its order."""

    cipher: AESGCM = field(repr=False)
    hides: Opener | None = None  # of values: each encrypted one is Hidden, and may stand anywhere
    bound: Steps = ("metadata", "annotations", BOUND)
    release: str = ""
    mac: Any = field(default_factory=hashlib.sha512)
    sealed: set[Steps] = field(default_factory=set)

    def value(self, value: Any, way: Steps, place: Steps = ()) -> Any:
        """`place` counts in lists, which `way` does not: SOPS does not."""
        match value:
            case dict():
                return {
                    str(name): self.value(part, (*way, str(name)), (*place, str(name))) for name, part in value.items()
                }
            case list():
                return [self.value(part, way, (*place, str(number))) for number, part in enumerate(value)]
            case str() if value.startswith("ENC["):
                return self._leaf(value, way, place)
            case None:
                return None
            case _:
                self.mac.update(_bytes(value))
                return value

    def _leaf(self, text: str, way: Steps, place: Steps) -> Any:
        if not (self.hides or way == self.bound or (len(way) == 2 and way[0] in ("data", "stringData"))):
            message = "only values of data and stringData may be encrypted"
            raise NotOpened(message, *way, hint=HINT)
        clear, kind = self.opened(text, f"{':'.join(way)}:", *way)
        self.mac.update(clear)
        self.sealed.add(way)
        said = _as_text(clear, kind)
        if self.hides is None:
            return said  # None is no value of a Secret: said later, without the value
        if said is None:
            message = f"{'.'.join(way)[:80]} is no text"
            raise NotOpened(
                message, *way, hint="quote it, or leave it in plain: --encrypted-regex names what is secret"
            )
        return Hidden(said, self.hides.tag(json.dumps([self.release, place, said])))

    def opened(self, text: str, additional: str, *steps: str) -> tuple[bytes, str]:
        """A leaf's content and its type. Raises NotOpened."""
        found = _LEAF.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            content, nonce, tag = (base64.b64decode(part, validate=True) for part in found.groups()[:3])
            return self.cipher.decrypt(nonce, content + tag, additional.encode()), found[4]
        except (ValueError, binascii.Error, InvalidTag):
            pass  # the error may hold what was read
        raise NotOpened("it was changed after it was encrypted", *steps, key=BROKEN, hint="encrypt it again")


def _as_text(clear: bytes, kind: str) -> str | None:
    try:
        return clear.decode("utf-8") if kind == "str" else None
    except UnicodeDecodeError:
        return None


def _bytes(value: Any) -> bytes:
    """As SOPS turns a value into bytes: Go's spelling of booleans and numbers."""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0").encode()
    return str(value).encode("utf-8", "surrogatepass")  # True and False are spelled alike in both


def _check_mac(walk: _Walk, about: Mapping[str, Any]) -> None:
    mac, at = about.get("mac"), about.get("lastmodified")
    if about.get("mac_only_encrypted") or not isinstance(mac, str) or not isinstance(at, str):
        raise NotOpened("its MAC does not cover every value", MARK, key=BROKEN, hint=HINT)
    said, _ = walk.opened(mac, at, MARK)
    if said != walk.mac.hexdigest().upper().encode():
        raise NotOpened("it was changed after it was encrypted", MARK, key=BROKEN, hint="encrypt it again")


def _check_bound(walk: _Walk, said: Any, environment: str) -> None:
    if walk.bound not in walk.sealed:
        what, hint = ("key", HINT_OF_VALUES) if walk.hides else ("annotation", HINT)
        message = f"the {what} {BOUND} does not name its environment inside the encryption"
        raise NotOpened(message, walk.bound[0], key=DENIED, hint=f"add {BOUND}: {environment}, then {hint}")
    if said != environment:
        raise NotOpened("it was encrypted for another environment", walk.bound[0], key=DENIED)


def _named(value: Any, way: Steps) -> Any:
    for step in way:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _check_text(clear: Mapping[str, Any]) -> None:
    for part in ("data", "stringData"):
        values = clear.get(part)
        if values is not None and not isinstance(values, dict):
            raise NotOpened(f"{part} is no mapping", part)
        for name, value in (values or {}).items():
            if not isinstance(value, str):
                raise NotOpened(f"{part}.{name[:80]} is no text", part, hint="quote it before you encrypt it")


def _unbound(clear: dict[str, Any]) -> dict[str, Any]:
    annotations = {name: text for name, text in clear["metadata"]["annotations"].items() if name != BOUND}
    metadata = {name: part for name, part in clear["metadata"].items() if name != "annotations"}
    return {**clear, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def holds_values(body: Mapping[str, Any]) -> bool:
    """Whether this is a Secret that says values itself."""
    return body["kind"] == "Secret" and bool(body.get("data") or body.get("stringData"))
