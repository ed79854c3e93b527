"""An audit entry as a commit message, and back.

Knows subject, body, trailers and the mark that keeps CI away. Knows no commit. The rule: text of others stays on its
line, so nobody writes a trailer by naming something cleverly, and `git interpret-trailers` reads what is here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.errors import Rejected
from reconciler.names import Revision

SKIP_CI = "[skip ci]"
REPLACES = "Replaces"  # the trailer that names files which a later entry may write again
LONGEST_SUBJECT = 200
LONGEST_TRAILER = 1000

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: what a person reads, trailers to search by, and the files that it adds by path.

    A file never overwrites another one, except those named in `replaces`. An entry with at least one file that is not
    replaceable is appended once, however often it is tried.
    """

    subject: str
    trailers: Mapping[str, str]
    files: Mapping[str, bytes]
    body: str = ""
    replaces: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it stands on the branch. `at` is when it was written, UTC."""

    revision: Revision
    at: datetime
    entry: Entry

    @property
    def files(self) -> Mapping[str, bytes]:
        """What it added or replaced, by path."""
        return self.entry.files


def message_of(entry: Entry) -> str:
    """The commit message. Raises Rejected on a trailer whose name git would not read."""
    for name in entry.trailers:
        if not _KEY.fullmatch(name) or name == REPLACES:
            raise Rejected(f"writing an audit entry: {name[:60]!r} is no name of a trailer", key="validation_error")
    lines = [f"{name}: {_line(value, LONGEST_TRAILER)}".rstrip() for name, value in entry.trailers.items()]
    lines += [f"{REPLACES}: {path}" for path in sorted(entry.replaces)]
    subject = _line(entry.subject, LONGEST_SUBJECT) or "(no subject)"
    return "\n\n".join(part for part in (subject, _paragraphs(entry.body), SKIP_CI, "\n".join(lines)) if part) + "\n"


def entry_of(message: str, files: Mapping[str, bytes]) -> Entry:
    """What `message_of` wrote; trailers that come more than once are joined."""
    head, _, tail = message.rstrip("\n").rpartition(f"\n\n{SKIP_CI}")
    trailers: dict[str, str] = {}
    replaces: set[str] = set()
    for line in tail.strip("\n").split("\n"):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if name == REPLACES:
            replaces.add(value)
        elif colon:
            trailers[name] = f"{trailers[name]}, {value}" if name in trailers else value
    subject, _, body = head.partition("\n\n")
    return Entry(subject, trailers, files, body, frozenset(replaces))


def _line(text: str, longest: int) -> str:
    line = _NOT_ON_A_LINE.sub(" ", text).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _paragraphs(text: str) -> str:
    lines = (_NOT_ON_A_LINE.sub(" ", line).rstrip() for line in text.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
