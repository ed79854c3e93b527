"""Takes secrets out of what is said and shown and never compared: a hook's log, a server's refusal, a spec on a screen.

Knows how secrets are written down (mask.py) and, where the caller does, the object that words are about. Rule: what is
hidden is MASK, never a mark; a mark says whether two values are equal, which words of strangers must not tell.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from reconciler.plan.mask import NAMES, SECRET_IN_TEXT, mask_object, mask_value, parts_of
from reconciler.plan.wrapped import without_lines, without_wrapped
from reconciler.secret import MASK

SHORTEST = 4  # characters; hiding shorter ones would only make the words unreadable
LINE = 8  # characters of a secret's line, or of one within something encoded, that is no word by chance
_KEY = b"of no use: every mark made with it is replaced"
_MARK = re.compile(r"<secret [0-9a-f]{32}>")
_PAIR = re.compile(r"""["']?[\w.-]{1,80}["']?\s*(?:=|:\s)\s*["']?(.*?)["']?,?""")  # of .env, .ini, YAML, JSON
_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END [A-Z ]{0,40}-----)?")
_FLAGS = NAMES + r"|certificate[_-]key"
_WORDS = (
    re.compile(r"(AGE-SECRET-KEY-1\w*)", re.IGNORECASE),
    re.compile(r"(LS0tLS1CRUdJTi(?!BDRVJU)[\w+/=-]*)"),  # a PEM that is no certificate, in base64
    re.compile(rf"(?<![\w-])--?[\w.-]{{0,40}}(?:{_FLAGS})[\w.-]{{0,40}}[ \t]+(?!-)[\"']?([^\s\"']+)", re.IGNORECASE),
    # the pairs of a JSON document that stands within a text of another one
    re.compile(rf"(?:{_FLAGS})[\w.-]{{0,40}}\\+[\"'][ \t]*:[ \t]*\\+[\"']([^\"'\\]+)", re.IGNORECASE),
)


def hidden(text: str) -> str:
    """A text without the secrets in it that can be told by how they are written."""
    text = _BLOCK.sub(MASK, text)
    for pattern in (*SECRET_IN_TEXT, *_WORDS):
        text = pattern.sub(_without, text)
    return _MARK.sub(MASK, text)


def hidden_of(text: str, *about: Any) -> str:
    """The same, and without any secret value of the objects that the text is about: as a server quotes it, in base64,
    and line by line where it has several, for a text may hold a part of it; also where that is broken over lines."""
    values = {value for body in about for value in (*_taken(body, mask_object(body, _KEY)), *_decoded(body))}
    forms = sorted({form for value in values for form in _spelled(value)}, key=len, reverse=True)
    for spelled in forms:
        text = text.replace(spelled, MASK)
    text = without_wrapped(text, forms, MASK)
    return hidden(without_lines(text, {form for value in values for form in _in_lines(value)}, MASK))


def hidden_value(value: Any, *, name: str = "") -> Any:
    """A JSON value with MASK in place of every secret; `name` is the field it stands under."""
    return _unmarked(mask_value(value, _KEY, name=name))


def _without(found: re.Match[str]) -> str:
    before, _, after = parts_of(found)
    return f"{before}{MASK}{after}"


def _unmarked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return _MARK.sub(MASK, value) if isinstance(value, str) else value


def _taken(original: Any, masked: Any) -> Iterator[str]:
    """The texts within an object that masking takes out. What is a map or a list after masking was one before."""
    if isinstance(masked, Mapping):
        for key, value in original.items():
            yield from _taken(value, masked.get(str(key)))
    elif isinstance(masked, list):
        for value, without in zip(original, masked, strict=False):
            yield from _taken(value, without)
    elif original != masked:
        yield from _texts(original)


def _decoded(about: Any) -> Iterator[str]:
    """The values of a Secret's `data` as those who mount it see them."""
    data = about.get("data") if isinstance(about, Mapping) and about.get("kind") == "Secret" else None
    for value in (data if isinstance(data, Mapping) else {}).values():
        with contextlib.suppress(ValueError):  # binascii.Error and UnicodeDecodeError are of this kind
            yield from _texts(base64.b64decode(str(value)).decode())


def _spelled(value: str) -> Iterator[str]:
    """A secret as it may stand in a text."""
    for piece in {value, *_pieces(value)}:
        quoted = json.dumps(piece)[1:-1]
        yield from (piece, quoted, json.dumps(quoted)[1:-1], quote(piece, safe=""), quote_plus(piece))
        raw = piece.encode("utf-8", "surrogatepass")
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(raw).decode()
            if len(raw) >= LINE:
                yield from (_within(encode(bytes(offset) + raw).decode(), offset, len(raw)) for offset in range(3))


def _in_lines(value: str) -> Iterator[str]:
    """A secret as a line may hold a part of it: one word, or encoded, whatever was encoded before it."""
    if not re.search(r"\s", value):
        yield value
    raw = value.encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (encode(bytes(offset) + raw).decode()[offset and offset + 1 :] for offset in range(3))


def _pieces(value: str) -> Iterator[str]:
    """What programs read of a secret that is a file: it without its last line break, its lines, and their values."""
    if len(value.strip()) >= SHORTEST:
        yield value.strip()
    lines = [line.strip() for line in value.splitlines()]
    pairs = [found[1] for line in lines if (found := _PAIR.fullmatch(line)) is not None]
    yield from (text for text in (*lines, *pairs) if len(text) >= LINE and not text.startswith("-----"))


def _within(encoded: str, offset: int, length: int) -> str:
    """The part that says nothing but the secret, whatever was encoded before and after it."""
    return encoded[(offset * 8 + 5) // 6 : (offset + length) * 8 // 6]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) >= SHORTEST:
        yield str(value)
