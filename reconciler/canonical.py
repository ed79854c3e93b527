"""Canonical JSON and digests over it: the only way content becomes a digest (contracts: G9).

RFC 8785 JSON, sha256, and a schema version inside every digested value, so that a change of meaning changes the digest.
"""

import hashlib
import hmac
import json
from typing import Any

from reconciler.names import Digest

SCHEMA_VERSION = 1


_SAFE = 2**53 - 1  # RFC 8785 numbers are doubles; a larger integer keeps its digits as text
# Where there is neither a fraction nor a letter beyond ASCII, this is what RFC 8785 says, several times as fast.
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class _Unusual(Exception):
    """A value that only the whole of RFC 8785 can write."""


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value (tuples count as arrays). Raises ValueError on what JSON cannot carry."""
    try:
        text = _ENCODE(_simple(value))
    except _Unusual:
        text = None
    if text is not None and text.isascii():
        return text.encode("ascii")
    import rfc8785  # lazily: few values need it

    return rfc8785.dumps(_plain(value))


def digest_of(kind: str, value: Any) -> Digest:
    """The digest of a value of a named kind ("artifact", "plan", "ticket", ...), 64 hex digits."""
    return Digest(hashlib.sha256(canonical_json({"kind": kind, "schema": SCHEMA_VERSION, "value": value})).hexdigest())


def keyed_tag(key: bytes, text: str) -> str:
    """An HMAC that says whether a secret value changed without letting anybody guess it; 64 hex digits."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _simple(value: Any) -> Any:
    """As `_plain`. Raises _Unusual on numbers with fractions and on what is no JSON."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if isinstance(value, dict):
        return {key if type(key) is str else str(key): _simple(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if kind is int:
        return value if -_SAFE <= value <= _SAFE else str(value)
    if isinstance(value, str):
        return value
    raise _Unusual


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE:
        return str(value)
    return value
