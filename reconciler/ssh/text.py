"""Bytes that a host sent -> text that is safe to show, and secrets taken out of it.

Knows no host. What a host says is opaque (threats T14, T32): it is capped before it comes here, and nothing in it moves
a cursor, ends a line twice, reorders what a person reads, or is ever used in a command or a path.
"""

import re
from collections.abc import Iterable
from typing import Final

from reconciler.plan.hide import hidden
from reconciler.secret import MASK

ODD: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
SECRET_NAMES: Final = re.compile(r"PASS|TOKEN|SECRET|CREDENTIAL|PRIVATE|_KEY$|CERTIFICATE_KEY")
SHORTEST_SECRET: Final = 4  # characters; masking shorter ones would only make the log unreadable


def printable(content: bytes) -> str:
    """UTF-8 with everything else, and every control character but newline and tab, written as an escape."""
    text = content.decode("utf-8", errors="backslashreplace").replace("\r\n", "\n")
    return ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(content: bytes, limit: int = 300) -> str:
    """The beginning of it as one line, for a message."""
    text = hidden(" ".join(printable(content[: limit * 4]).split()))
    return text if len(text) <= limit else f"{text[:limit]}..."


def secrets_of(variables: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The values of hook variables whose names say that they are secret; longest first."""
    found = {value for name, value in variables if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these values, also as they look after `printable`, and without what is written as a secret."""
    for secret in secrets:
        for shown in (secret, printable(secret.encode())):
            text = text.replace(shown, MASK)
    return hidden(text)
