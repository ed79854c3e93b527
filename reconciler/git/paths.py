"""A path inside a tree as text.

Knows which names are plain and how the others are written. Knows no object. The rule: a path with an odd name (not
UTF-8, not printable, a component `..`, `.` or `.git`, a quote or a backslash) is written in quotes with escapes, as
git does, so it can be shown, never equals a path that somebody configured, and never leaves a folder (threat T10).
"""

import re

from reconciler.errors import Refused

LONGEST = 4096  # bytes of a path
DEEPEST = 64  # components

# Names that file systems take for `.git`: case, trailing dots and spaces, NTFS short names and streams.
_DOT_GIT = re.compile(rb"(\.git|git~\d)[ .]*(:.*)?", re.IGNORECASE)


def as_text(raw: bytes) -> str:
    """A path for people and for comparing: itself where it is plain, else quoted with octal escapes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _quoted(raw)
    if not text.isprintable() or '"' in text or "\\" in text:
        return _quoted(raw)
    if any(part in (b"", b".", b"..") or _DOT_GIT.fullmatch(part) for part in raw.split(b"/")):
        return _quoted(raw)
    return text


def is_odd(path: str) -> bool:
    """Whether a text of `as_text` stands for a name that nothing should be read from or written to."""
    return path.startswith('"')


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a path that we are about to write. Raises Refused on an odd, absolute or overlong one."""
    parts = tuple(path.split("/"))
    raw = path.encode(errors="surrogatepass")
    if is_odd(as_text(raw)) or len(raw) > LONGEST or len(parts) > DEEPEST:
        raise Refused(f"writing to path {as_text(raw)[:200]}: not a plain relative path", key="validation_error")
    return parts


def _quoted(raw: bytes) -> str:
    escaped = "".join(f"\\{byte:03o}" if byte < 0x20 or byte > 0x7E or byte in b'"\\' else chr(byte) for byte in raw)
    return f'"{escaped}"'
