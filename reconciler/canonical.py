"""Canonical JSON and digests over it: the only way content becomes a digest (contracts: G9).

RFC 8785 JSON, sha256, and a schema version inside every digested value, so that a change of meaning changes the digest.
"""

import hashlib
import hmac
from typing import Any

from reconciler.names import Digest

SCHEMA_VERSION = 1


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value (tuples count as arrays). Raises ValueError on what JSON cannot carry."""
    import rfc8785  # lazily: `--help` and `explain` need no digests

    return rfc8785.dumps(_plain(value))


def digest_of(kind: str, value: Any) -> Digest:
    """The digest of a value of a named kind ("artifact", "plan", "ticket", ...), 64 hex digits."""
    return Digest(hashlib.sha256(canonical_json({"kind": kind, "schema": SCHEMA_VERSION, "value": value})).hexdigest())


def keyed_tag(key: bytes, text: str) -> str:
    """An HMAC that says whether a secret value changed without letting anybody guess it; 64 hex digits."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)  # RFC 8785 numbers are doubles; a larger integer keeps its digits as text
    return value
