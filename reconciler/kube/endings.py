"""Until when a connection works: what its certificates and its token say of themselves.

Reads dates and nothing else; a token is never shown, and what it says is not believed for anything but a reminder: the
API server alone judges it. A token that names no end, or is no JWT, has none here.
JWT: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
"""

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from reconciler.kube.connection import Connection
from reconciler.secret import Secret
from reconciler.state.observed import Ending


def endings(connection: Connection, serving: bytes) -> tuple[Ending, ...]:
    """What ends when, in order of time. `serving`: the API server's certificate in DER, empty where none was seen."""
    return tuple(sorted(_endings(connection, serving), key=lambda ending: (ending.at, ending.what)))


def _endings(connection: Connection, serving: bytes) -> Iterator[Ending]:
    from cryptography import x509  # lazily: `--help` needs no certificates

    if connection.certificate is not None:
        leaf = x509.load_pem_x509_certificates(connection.certificate.chain_pem.encode())[0]
        yield Ending("the client certificate", leaf.not_valid_after_utc)
    if serving:
        yield Ending("the API server's certificate", x509.load_der_x509_certificate(serving).not_valid_after_utc)
    if connection.token is not None:
        end = _token_end(connection.token)
        if end is not None:
            yield Ending("the token", end)


def _token_end(token: Secret) -> datetime | None:
    """`exp` of a JWT. None where the token is none or says no time that a calendar has."""
    parts = token.reveal().split(".")
    claims = _claims(parts[1]) if len(parts) == 3 else None
    end = claims.get("exp") if isinstance(claims, dict) else None
    if not isinstance(end, int | float) or isinstance(end, bool):
        return None
    try:
        return datetime.fromtimestamp(int(end), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _claims(part: str) -> Any:
    """Errors of the parsers quote what they could not read, so none of them leaves."""
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
