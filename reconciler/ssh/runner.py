"""Asking the bash runner on a host: one request, one framed answer.

Knows the frame of runner.sh and what each refusal means for the loop. Knows no bundle and no hook. The rule: an answer
counts only whole, between two lines that carry this request's nonce; anything else is a connection that was lost, so
asking again is always safe to consider.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Final

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted
from reconciler.ssh.command import program_line
from reconciler.ssh.session import Output, Session
from reconciler.ssh.text import one_line

PARTS: Final = ("runner_delivery.sh", "runner.sh")  # functions first: the second one acts at its end
KEPT: Final = 4 << 20  # an answer's log, stderr and outputs in base64 and some more
LINE: Final = re.compile(rb"([a-z_]{1,32})=([^\n]*)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal of the runner means."""

    kind: type[ReconcilerError]
    key: str
    hint: str = ""


REFUSALS: Final = {
    "older_generation": Refusal(Refused, "resource_conflict", "a newer plan has this host; look at that one"),
    "generation_unreadable": Refusal(Refused, "resource_conflict", "put the file back from the audit branch's number"),
    "busy": Refusal(Unavailable, "resource_locked", "it is tried again when that operation has ended"),
    "locked": Refusal(Unavailable, "resource_locked"),
    "request_differs": Refusal(Rejected, "resource_conflict"),
    "hook_missing": Refusal(Rejected, "script_hook_missing", "deliver this bundle to the host first"),
    "hook_changed": Refusal(Untrusted, "artifact_checksum_mismatch", "find out who changed files below OPSPILOT_ROOT"),
    "content_differs": Refusal(Untrusted, "artifact_checksum_mismatch"),
    "cut": Refusal(Unavailable, "ssh_unreachable"),
    "not_stored": Refusal(Unavailable, "artifact_missing", "what was damaged on the host is sent again"),
    "no_space": Refusal(Rejected, "preflight_failed", "free disk or inodes on that host; what ran before still stands"),
    "protocol": Refusal(Rejected, "internal_error"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The `key=value` lines of an answer, in order; a key may stand more than once."""

    lines: tuple[tuple[str, bytes], ...]

    def all(self, key: str) -> tuple[bytes, ...]:
        """Every value of a key."""
        return tuple(value for name, value in self.lines if name == key)

    def one(self, key: str) -> bytes:
        """The value of a key that stands exactly once. Raises ValueError."""
        found = self.all(key)
        if len(found) != 1:
            raise ValueError(f"{key} stands {len(found)} times")
        return found[0]

    def text(self, key: str) -> str:
        """The same as ASCII."""
        return self.one(key).decode("ascii")

    def whole(self, key: str) -> int:
        """The same as a number of at most 15 digits. Raises ValueError."""
        if not re.fullmatch(rb"0|[1-9][0-9]{0,14}", self.one(key)):
            raise ValueError(f"{key} is not a number")
        return int(self.one(key))

    def content(self, key: str) -> bytes:
        """The bytes that a base64 value stands for."""
        return decoded(self.one(key))


def decoded(value: bytes) -> bytes:
    """Strict base64. Raises ValueError."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


class Runner:
    """The runner of one host."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._line = program_line(len(program()), become=session.address.become)

    @property
    def name(self) -> str:
        """The host, for messages."""
        return str(self._session.address)

    def ask(
        self, verb: str, fields: Sequence[str | int] = (), *, content: Iterable[bytes] = (), timeout: timedelta
    ) -> Answer:
        """One request and its answer. Raises what a refusal means, Unavailable where no whole answer came."""
        nonce = secrets.token_hex(16)
        request = _request((nonce, verb, *fields))
        output = self._session.run(self._line, stdin=_chain(program(), request, content), timeout=timeout, keep=KEPT)
        lines = _framed(output.stdout, nonce)
        if lines is None:
            raise self._no_answer(verb, output)
        answer = Answer(tuple(_parsed(line) for line in lines))
        if answer.all("state") == (b"refused",):
            raise self._refusal(verb, answer)
        return answer

    def misread(self, verb: str, error: ValueError) -> Rejected:
        """An answer in our frame with another shape than ours."""
        return Rejected(f"reading the answer of {self.name} to {verb}: {error}", key="internal_error")

    def _no_answer(self, verb: str, output: Output) -> ReconcilerError:
        said = one_line(output.stderr or output.stdout)
        if output.exit_code and said.startswith("sudo:"):
            return Rejected(
                f"asking {self.name} to {verb}: {said}",
                key="permission_denied",
                hint=f"allow {self._session.address.user} to sudo without a password, or set become: false",
            )
        if output.exit_code == 127:
            return Rejected(
                f"asking {self.name} to {verb}: {said}",
                key="preflight_failed",
                hint="the host needs bash, coreutils, flock and setsid",
            )
        return Unavailable(
            f"asking {self.name} to {verb}: no whole answer (exit code {output.exit_code}): {said}",
            key="ssh_unreachable",
        )

    def _refusal(self, verb: str, answer: Answer) -> ReconcilerError:
        try:
            reason, said = answer.text("reason"), one_line(answer.content("message"))
        except ValueError as error:
            return self.misread(verb, error)
        refusal = REFUSALS.get(reason, REFUSALS["protocol"])
        return refusal.kind(f"asking {self.name} to {verb}: {said or reason}", key=refusal.key, hint=refusal.hint)


@cache
def program() -> bytes:
    """The runner, as it is sent. ASCII, so that bash counts characters as we count bytes."""
    content = b"".join(files("reconciler.ssh").joinpath(name).read_bytes() for name in PARTS)
    content.decode("ascii")
    return content


def _request(fields: Sequence[str | int]) -> bytes:
    texts = [str(value) for value in fields]
    if any("\0" in text for text in texts):
        raise Rejected("asking a host: a value holds a NUL character", key="validation_error")
    return b"".join(text.encode() + b"\0" for text in texts)


def _chain(first: bytes, second: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first + second
    yield from rest


def _framed(stdout: bytes, nonce: str) -> list[bytes] | None:
    """The lines between the two lines of the nonce; what stands before them, such as a login banner, is ignored."""
    _, begun, rest = stdout.partition(f"\nopspilot-begin {nonce}\n".encode())
    body, ended, _ = rest.partition(f"opspilot-end {nonce}\n".encode())
    if not begun or not ended:
        return None
    return body.split(b"\n")[:-1]


def _parsed(line: bytes) -> tuple[str, bytes]:
    match = LINE.fullmatch(line)
    return (match[1].decode(), match[2]) if match else ("", line)
