"""Five kinds of failure, by what the loop does next, and Problems: what is wrong with what a person wrote.

    ReconcilerError
      SpecError      the files are wrong       -> failure status, wait for a commit      carries every Problem
      Refused        a rule said no            -> held, wait for a person
      Unavailable    the far side is away      -> look again later                       carries retry_after
      Rejected       the far side said no      -> failed, no retry without a change
      Untrusted      signature, host key, checksum, identity -> stop this environment, tell a person

Each carries a key of the catalogue. Messages are lower case, "doing what to which object: what they said", and hold no
secret. Adapters wrap everything else at their door; anything that is none of these is a bug.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler import catalogue

SOON = timedelta(seconds=15)  # where nobody said when looking again helps


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the repository. Line and column count from 1; 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with what somebody wrote, with its place and, where one is known, a way forward."""

    place: Place
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.key}: {self.message}{hint}"


class ReconcilerError(Exception):
    """A failure with a catalogue key. `message` says doing what to which object and what they said."""

    default_key = "internal_error"

    def __init__(self, message: str, *, key: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key or self.default_key
        if self.key not in catalogue.errors():
            raise AssertionError(f"error key {self.key!r} is not in the catalogue")
        self.own_hint = hint

    @property
    def code(self) -> int:
        """The catalogue's number of this error."""
        return catalogue.errors()[self.key].code

    def hint(self, locale: str = "en") -> str:
        """What to do next: the message's own hint where there is one, else the catalogue's."""
        return self.own_hint or hint_of(self.key, locale)


class SpecError(ReconcilerError):
    """What is written in the repository is wrong; only a commit helps."""

    default_key = "validation_error"

    def __init__(self, problems: Sequence[Problem], message: str = "") -> None:
        self.problems = tuple(sorted(problems))
        first = f"{len(self.problems)} problem(s); first: {self.problems[0]}" if self.problems else "no detail"
        super().__init__(
            message or first, key=self.problems[0].key if len({p.key for p in self.problems}) == 1 else None
        )


class Refused(ReconcilerError):
    """A rule of the gate, of a guard or of a scope said no; a person has to act."""

    default_key = "approval_required"


class LeftBehind(Refused):
    """Refused, and something that was begun stands there and may still act; a person has to look."""


class Unavailable(ReconcilerError):
    """The far side is away or busy; looking again later helps."""

    default_key = "internal_error"

    def __init__(self, message: str, *, key: str | None = None, hint: str = "", retry_after: timedelta = SOON) -> None:
        super().__init__(message, key=key, hint=hint)
        self.retry_after = retry_after


class Rejected(ReconcilerError):
    """The far side understood and said no; trying the same again is useless."""

    default_key = "release_apply_failed"


class Withdrawn(Rejected):
    """The credential is not taken any more; the same again is useless, another one under its name helps."""

    default_key = "cluster_permission_insufficient"


class Untrusted(ReconcilerError):
    """An identity, signature or checksum is not what was pinned; stop here and tell a person."""

    default_key = "artifact_signature_invalid"


def hint_of(key: str, locale: str = "en") -> str:
    """The catalogue's hint for a key in a language, English where the language has none, else an empty string."""
    hints = catalogue.errors()[key].hint
    return hints.get(locale) or hints.get("en", "")
