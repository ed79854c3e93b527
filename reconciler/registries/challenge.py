"""How a registry says what it wants to see: the header WWW-Authenticate (RFC 9110, 11.6.1), read strictly.

Knows text. What the header names is the registry's word: whether a token may be fetched there is decided by who asks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 4096  # characters of a header
_PART = re.compile(r'\s*,?\s*([A-Za-z][A-Za-z0-9_-]*)(?:\s*=\s*(?:"([^"\\]*)"|([^\s",]+))|\s+|$)')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is wanted: `basic`, or a token of `realm`, for `service`."""

    basic: bool
    realm: str = ""
    service: str = ""


def read_challenge(headers: Iterator[str] | list[str]) -> Challenge | None:
    """A token where it is asked for, else a password; None where neither is."""
    found: dict[str, Mapping[str, str]] = {}
    for header in headers:
        found |= _schemes(header[:LONGEST])
    bearer = found.get("bearer", {})
    if bearer.get("realm"):
        return Challenge(basic=False, realm=bearer["realm"], service=bearer.get("service", ""))
    return Challenge(basic=True) if "basic" in found else None


def _schemes(header: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    scheme, position = "", 0
    while match := _PART.match(header, position):
        name, quoted, plain = match[1].lower(), match[2], match[3]
        if quoted is None and plain is None:
            scheme = name
            found[scheme] = {}
        elif scheme:
            found[scheme][name] = quoted if quoted is not None else plain
        position = match.end()
        if match.end() == match.start():
            break
    return found
