"""A commit as a value, read from and written to its exact bytes.

Knows the format of commit objects. Knows no repository and checks no signature. The rule: what was signed is the
exact bytes without the signature header, never something normalised (threat T9), and a commit that has more than one
signature, or headers that do not parse, is read as such and can never count as verified.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from reconciler.errors import Rejected
from reconciler.names import Revision

_PERSON = re.compile(rb"(.*?) ?<([^<>]*)> (-?\d{1,12}) ([+-])(\d\d)(\d\d)", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f<>]+")
_SIGNATURES = (b"gpgsig", b"gpgsig-sha256")


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer; `at` keeps the offset that was written."""

    name: str
    email: str
    at: datetime

    def line(self) -> bytes:
        """As a commit header: names without what would end them, seconds since 1970, offset."""
        name, email = (_NOT_IN_NAMES.sub(" ", text).strip() for text in (self.name, self.email))
        minutes = int((self.at.utcoffset() or timedelta()).total_seconds()) // 60
        offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
        return f"{name or email or 'unknown'} <{email}> {int(self.at.timestamp())} {offset}".encode()


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `signatures` are the armored texts it carries (two are nobody's); `payload` is what they sign.

    `message` and names are text with whatever is no UTF-8 escaped.
    """

    id: Revision
    tree: str
    parents: tuple[Revision, ...]
    author: Person
    committer: Person
    message: str
    signatures: tuple[bytes, ...]
    payload: bytes

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


def parse(revision: Revision, raw: bytes) -> Commit:
    """Read the bytes of a commit object. Raises Rejected where git's own format is broken."""
    head, blank, message = raw.partition(b"\n\n")
    headers = _headers(head if blank else raw.removesuffix(b"\n"))
    kept = b"".join(
        name + b" " + value.replace(b"\n", b"\n ") + b"\n" for name, value in headers if name not in _SIGNATURES
    )
    names = [name for name, _ in headers]
    parents = [value for name, value in headers if name == b"parent"]
    expected = [b"tree", *[b"parent"] * len(parents), b"author", b"committer"]
    if names[: len(expected)] != expected or names.count(b"author") != 1 or names.count(b"committer") != 1:
        raise Rejected(f"reading commit {revision}: its headers are not a commit's", key="validation_error")
    values = [value for _, value in headers]
    return Commit(
        id=revision,
        tree=values[0].decode(errors="replace"),
        parents=tuple(Revision(parent.decode(errors="replace")) for parent in parents),
        author=_person(revision, values[len(parents) + 1]),
        committer=_person(revision, values[len(parents) + 2]),
        message=message.decode(errors="backslashreplace"),
        signatures=tuple(value for name, value in headers if name in _SIGNATURES),
        payload=kept + blank[1:] + message,
    )


def serialise(
    tree: str, parents: Sequence[Revision], author: Person, committer: Person, message: str, signature: str = ""
) -> bytes:
    """The bytes of a commit object; `signature` is armored text as signatures.sign gives it."""
    lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
    lines += [b"author " + author.line(), b"committer " + committer.line()]
    if signature:
        lines.append(b"gpgsig " + signature.rstrip("\n").replace("\n", "\n ").encode())
    text = message.replace("\x00", "").encode(errors="replace")
    return b"\n".join(lines) + b"\n\n" + text + (b"" if text.endswith(b"\n") else b"\n")


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and found:
            name, value = found[-1]
            found[-1] = (name, value + b"\n" + line[1:])
        else:
            name, _, value = line.partition(b" ")
            found.append((name, value))
    return found


def _person(revision: Revision, line: bytes) -> Person:
    match = _PERSON.fullmatch(line)
    if not match:
        raise Rejected(f"reading commit {revision}: no person can be read from its headers", key="validation_error")
    name, email, seconds, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == b"-" else 1)
    zone = timezone(offset) if abs(offset) < timedelta(hours=24) else UTC
    try:
        at = datetime.fromtimestamp(int(seconds), zone)
    except (OverflowError, ValueError, OSError) as error:
        raise Rejected(f"reading commit {revision}: its time is out of range", key="validation_error") from error
    return Person(name.decode(errors="backslashreplace"), email.decode(errors="backslashreplace"), at)
