"""The one place where a failure becomes an exit code and words on stderr.

Knows the five kinds of failure and what is a defect. The rule: 0 done, 1 a problem was found, 2 not done, 3 a defect of
ours, 130 interrupted; no value of a variable is ever printed, text of others acts on no terminal; no core is dumped.
"""

import contextlib
import resource
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.errors import ReconcilerError

FOUND = 1
NOT_DONE = 2
DEFECT = 3
INTERRUPTED = 130
LONGEST = 4_000  # characters of one message
REPORT_TO = "please report it with these lines; they hold no values"


class Edge:
    """`with Edge(): ...` ends the process with the right code, whatever is raised inside."""

    def __init__(self) -> None:
        self.locale = "en"

    def __enter__(self) -> "Edge":
        with contextlib.suppress(OSError, ValueError):  # a dump of our memory would hold every key that is open
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        if isinstance(error, KeyboardInterrupt):
            raise SystemExit(INTERRUPTED)
        raise SystemExit(told(error, self.locale)) from None


def told(error: BaseException, locale: str = "en") -> int:
    """Say what went wrong; the exit code."""
    from reconciler.errors import ReconcilerError, SpecError

    if isinstance(error, BrokenPipeError):
        return FOUND
    if isinstance(error, SpecError) and error.problems:
        return _problems(error, locale)
    if isinstance(error, ReconcilerError):
        return _failure(error, locale)
    return _defect(error)


def _problems(error: "ReconcilerError", locale: str) -> int:
    from reconciler.errors import SpecError
    from reconciler.specs.annotate import as_lines

    assert isinstance(error, SpecError)  # noqa: S101  asked for just before
    sys.stderr.write(as_lines(error.problems, locale))
    return FOUND


def _failure(error: "ReconcilerError", locale: str) -> int:
    from reconciler.report.neutral import plain

    sys.stderr.write(f"error: {error.key} ({error.code}): {plain(error.message, cap=LONGEST)}\n")
    hint = error.hint(locale)
    if hint:
        sys.stderr.write(f"hint: {plain(hint, cap=LONGEST)}\n")
    return NOT_DONE


def _defect(error: BaseException) -> int:
    """Where, and of which type; never what it says, because messages of strangers may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = "".join(
        f"  {frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}\n" for frame in frames
    )
    sys.stderr.write(f"error: internal_error (36008): a defect of the reconciler: {type(error).__name__}\n{where}")
    sys.stderr.write(f"hint: {REPORT_TO}\n")
    return DEFECT
