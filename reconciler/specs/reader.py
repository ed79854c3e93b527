"""The parent's side of the child that reads files (child.py).

Knows processes, pipes and deadlines; understands no answer. Rules: one child reads many files, several at a time where
that is quicker; a crash, a hang or a flood costs only the file that it was about, because then each is asked about
alone, and a fresh child goes on with the next; nothing that comes back is more than bytes to be validated; the child
gets no environment and no open file of ours.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

from reconciler.specs.child import LENGTH, LONGEST_ANSWER, QUESTION, READY, framed, split
from reconciler.specs.nursery import TO_START, Child, Nursery, Origin, nursery

SPECS = b"s"
MANIFESTS = b"m"
PER_FILE = 2.0  # seconds of wall clock
LONGEST_EXCUSE = 200  # characters
_LOST = b'{"lost"'
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that could not be read safely. `again`: trying later may help, so this is not to be remembered."""

    why: str
    again: bool


class _Ended(Exception):
    """The child's pipe closed, or its time is over."""


class Reader:
    """Asks children, one for each sort of question. Starts one only when it is asked; close it, or use `with`.

    Children come from the nurseries unless one is given for all, or a command that starts one.
    """

    def __init__(
        self, command: Sequence[str] = (), per_file: float = PER_FILE, children: Nursery | None = None
    ) -> None:
        self._command = tuple(command)
        self._per_file = per_file
        self._children = children
        self._open: dict[Origin, Child] = {}
        self.started = 0  # children, for tests and metrics

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: bytes, content: bytes) -> bytes | Lost:
        """The child's answer in JSON, or why there is none."""
        origin = Origin.CAREFUL if question == SPECS else Origin.QUICK
        try:
            child = self._open.get(origin) or self._start(origin)
        except _Ended:
            return Lost("the process that reads files did not start", again=True)
        try:
            answer = _exchange(child, QUESTION.pack(question, len(content)) + content, self._per_file)
        except TimeoutError:
            self._end(origin)
            return Lost(f"reading it takes longer than {self._per_file:g} s", again=True)
        except _Ended:
            return self._post_mortem(origin)
        return _refusal(answer) if answer.startswith(_LOST) else answer

    def ask_many(self, question: bytes, contents: Sequence[bytes]) -> Sequence[bytes | None]:
        """The child's answers in JSON in one exchange; None for each file that has to be asked about alone.

        A crash, a hang or a flood costs all of them here: who is to blame shows when each is asked about alone.
        """
        answer = self.ask(question.upper(), b"".join(map(framed, contents)))
        with contextlib.suppress(ValueError):
            found = list(split(answer)) if isinstance(answer, bytes) else []
            if len(found) == len(contents):
                return [None if one.startswith(_LOST) else one for one in found]
        return [None] * len(contents)

    def close(self) -> None:
        """End the children, if there are any."""
        for origin in tuple(self._open):
            self._end(origin)

    def _start(self, origin: Origin) -> Child:
        self.started += 1
        try:
            child = _Started(self._command) if self._command else (self._children or nursery(origin)).start()
        except OSError:
            raise _Ended from None
        self._open[origin] = child
        for pipe in (child.to, child.back):
            os.set_blocking(pipe, False)
        try:
            if _exchange(child, b"", TO_START) != READY:
                raise _Ended
        except (TimeoutError, _Ended):
            self._end(origin)
            raise _Ended from None
        return child

    def _post_mortem(self, origin: Origin) -> Lost:
        code = self._end(origin, self._per_file)
        if code is not None and -code in _CRASHES:
            return Lost(f"reading it crashes ({signal.Signals(-code).name})", again=False)
        return Lost("the process that read it ended", again=True)

    def _end(self, origin: Origin, patience: float = 0.0) -> int | None:
        child = self._open.pop(origin, None)
        return child.end(patience) if child is not None else None


class _Started:
    """A child that a command starts."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={}, cwd="/", close_fds=True, start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101  both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._pipes = (self._process.stdin, self._process.stdout)
        self.to, self.back = (pipe.fileno() for pipe in self._pipes)

    def end(self, patience: float = 0.0) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if patience:
                self._process.wait(patience)
        self._process.kill()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        return self._process.wait()


def _refusal(answer: bytes) -> Lost:
    """The child's own word that it could not answer; what it says is not trusted to be short or harmless."""
    with contextlib.suppress(ValueError, RecursionError):
        match json.loads(answer):
            case {"lost": str(why)} if len(why) <= LONGEST_EXCUSE and why.isprintable():
                return Lost(why, again=False)
    return Lost("the process that read it makes no sense", again=True)


def _exchange(child: Child, question: bytes, seconds: float) -> bytes:
    """Write a question, read one answer. Raises TimeoutError, or _Ended when the pipe closes or the answer floods."""
    deadline = monotonic() + seconds
    to_write, read, wanted = memoryview(question), bytearray(), LENGTH.size
    out, back = child.to, child.back
    to_write = to_write[_write(out, to_write) :] if to_write else to_write  # most questions fit into the pipe
    with selectors.PollSelector() as selector:  # a file is one question: no descriptor is made and closed for each
        selector.register(back, selectors.EVENT_READ)
        if to_write:
            selector.register(out, selectors.EVENT_WRITE)
        while len(read) < wanted or to_write:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                if key.fd == out:
                    to_write = to_write[_write(out, to_write) :]
                    if not to_write:
                        selector.unregister(out)
                else:
                    read += _read(back, wanted - len(read))
                    if len(read) == LENGTH.size == wanted:
                        wanted += _length(read)
    return bytes(read[LENGTH.size :])


def _length(head: bytearray) -> int:
    length = int(LENGTH.unpack(head)[0])
    if length > LONGEST_ANSWER:
        raise _Ended
    return length


def _write(fd: int, content: memoryview) -> int:
    try:
        return os.write(fd, content)
    except BlockingIOError:
        return 0
    except OSError:
        raise _Ended from None


def _read(fd: int, most: int) -> bytes:
    try:
        content = os.read(fd, min(most, 1 << 20))
    except BlockingIOError:
        return b""
    except OSError:
        raise _Ended from None
    if not content:
        raise _Ended
    return content
