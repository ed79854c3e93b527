"""What a secret looks like when it got out: the encodings that text meets on its way, and a search for all of them.

The haystack and the needles are both reduced to letters and digits, so that line breaks, wrapping, quotes, diff marks
and separators hide nothing. A long secret is looked for in pieces: a beginning that was cut off is a leak, too.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

PIECE = 14  # letters and digits; fewer could stand somewhere by chance
_BREAKS = re.compile(rb"\\+(?:[nrtfv]|x0[ad]|u000[ad])|(?:%0[AaDd])")  # line breaks that were escaped
_DROPPED = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))


def forms(secret: str | bytes) -> Iterator[tuple[str, bytes]]:
    """The name of an encoding, and the secret in it; bytes are a binary key, of which no text is looked for."""
    raw = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
    if isinstance(secret, bytes):
        yield from (("hex", raw.hex().encode()), ("HEX", raw.hex().upper().encode()), *_base64(raw))
        return
    yield "raw", raw
    yield "reversed", raw[::-1]
    yield "utf-16", secret.encode("utf-16-le", "surrogatepass")
    for name, spelled in _spelled(raw):
        yield name, spelled
        yield from ((f"{name}, then {again}", twice) for again, twice in _base64(spelled) if name.startswith("base64"))


def encoded(text: str) -> Iterator[tuple[str, bytes]]:
    """What an encoder writes, whole: how a leak looks in a sink. The names are those of a class of encodings."""
    raw = text.encode("utf-8", "surrogatepass")
    yield "raw", raw
    yield "split over lines", b"\n".join(raw[start : start + 7] for start in range(0, len(raw), 7))
    yield "wrapped and indented", b"\n+   ".join(raw[start : start + 9] for start in range(0, len(raw), 9))
    yield "wrapped in JSON", json.dumps(re.sub("(.{8})", "\\1\n", text)).encode()
    yield "reversed", raw[::-1]
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "hex with colons", raw.hex(":").encode()
    yield "URL", quote(raw, safe="").encode()
    yield "URL, every byte", "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "form", quote_plus(raw).encode()
    yield "JSON", json.dumps(text).encode()
    yield "JSON in JSON", json.dumps(json.dumps(text)).encode()
    yield "HTML", html.escape(text).encode()
    yield "character references", "".join(f"&#{ord(sign)};" for sign in text).encode()
    yield "repr", repr(text).encode()
    yield "repr of bytes", repr(raw).encode()
    yield "quoted-printable", binascii.b2a_qp(raw)
    for offset in range(3):
        padded = b"\x00" * offset + raw + b"\x00" * 5
        yield f"base64 at {offset}", base64.b64encode(padded)
        yield f"base64url at {offset}", base64.urlsafe_b64encode(padded)
        yield f"base64 at {offset}, wrapped", base64.encodebytes(padded + bytes(40))
        yield f"base64 twice at {offset}", base64.b64encode(base64.b64encode(padded))
    yield "a beginning", raw[: len(raw) * 3 // 4]


class Searcher:
    """Looks for named secrets in bytes."""

    def __init__(self, secrets: Mapping[str, str | bytes]) -> None:
        self._needles: dict[bytes, tuple[str, str]] = {}
        for name, text in secrets.items():
            for form, needle in forms(text):
                for piece in _pieces(squashed(needle)):
                    self._needles.setdefault(piece, (name, form))

    def __len__(self) -> int:
        return len(self._needles)

    def found(self, content: bytes) -> list[str]:
        """`secret as form` for each that is there; empty where none is."""
        reduced = squashed(content)
        hits = {f"{name} as {form}" for needle, (name, form) in self._needles.items() if needle in reduced}
        return sorted(hits)


def squashed(content: bytes) -> bytes:
    """Letters and digits alone."""
    return _BREAKS.sub(b"", content).translate(None, _DROPPED)


def _spelled(raw: bytes) -> Iterator[tuple[str, bytes]]:
    text = raw.decode("utf-8", "surrogatepass")
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "URL", quote(raw, safe="").encode()
    yield "url", re.sub(b"%..", lambda found: found[0].lower(), quote(raw, safe="").encode())
    yield "form", quote_plus(raw).encode()
    yield "JSON", json.dumps(text).encode()
    yield "JSON in JSON", json.dumps(json.dumps(text)).encode()
    yield "HTML", html.escape(text).encode()
    yield "character references", "".join(f"&#{ord(sign)};" for sign in text).encode()
    yield "partly references", "".join(s if s.isascii() and s.isalnum() else f"&#{ord(s)};" for s in text).encode()
    yield "repr", repr(raw)[2:].encode()
    yield "quoted-printable", binascii.b2a_qp(raw)
    yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The part that does not depend on what stands before and after, at each of the three offsets."""
    for offset in range(3):
        whole = base64.b64encode(b"\x00" * offset + raw)
        begin = (offset * 8 + 5) // 6
        end = (offset + len(raw)) * 8 // 6
        yield f"base64 at {offset}", whole[begin:end]


def _pieces(needle: bytes) -> Iterator[bytes]:
    """The beginning, the middle and the end: whatever was cut off, one is left of a leak that is of use."""
    if len(needle) <= PIECE:
        yield needle
        return
    half = (len(needle) - PIECE) // 2
    yield from (needle[:PIECE], needle[half : half + PIECE], needle[-PIECE:])
