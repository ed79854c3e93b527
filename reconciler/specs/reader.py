"""The parent's side of the child that reads files (child.py).

Knows processes, pipes and deadlines; understands no answer. Rules: one child reads many files; a crash, a hang or a
flood costs only the file that was being read, and a fresh child goes on with the next; nothing that comes back is more
than bytes to be validated; the child gets no environment and no open file of ours.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from reconciler.specs.child import LENGTH, LONGEST_ANSWER, QUESTION, READY

SPECS = b"s"
MANIFESTS = b"m"
PER_FILE = 2.0  # seconds of wall clock
LONGEST_EXCUSE = 200  # characters
TO_START = 60.0  # seconds; a loaded machine imports slowly
_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_START = f"import sys; sys.path.insert(0, {_PACKAGE_ROOT!r}); from reconciler.specs.child import main; main()"
COMMAND = (sys.executable, "-I", "-c", _START)
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that could not be read safely. `again`: trying later may help, so this is not to be remembered."""

    why: str
    again: bool


class _Ended(Exception):
    """The child's pipe closed, or its time is over."""


class Reader:
    """Asks children, one after the other. Starts one only when something is asked; close it, or use `with`."""

    def __init__(self, command: Sequence[str] = COMMAND, per_file: float = PER_FILE) -> None:
        self._command = tuple(command)
        self._per_file = per_file
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0  # children, for tests and metrics

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: bytes, content: bytes) -> bytes | Lost:
        """The child's answer in JSON, or why there is none."""
        try:
            process = self._process or self._start()
        except _Ended:
            return Lost("the process that reads files did not start", again=True)
        try:
            answer = _exchange(process, QUESTION.pack(question, len(content)) + content, self._per_file)
        except TimeoutError:
            self._end()
            return Lost(f"reading it takes longer than {self._per_file:g} s", again=True)
        except _Ended:
            return self._post_mortem(process)
        return _refusal(answer) if answer.startswith(b'{"lost"') else answer

    def close(self) -> None:
        """End the child, if there is one."""
        self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={}, cwd="/", close_fds=True, start_new_session=True, bufsize=0,
        )  # fmt: skip
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        try:
            if _exchange(self._process, b"", TO_START) != READY:
                raise _Ended
        except (TimeoutError, _Ended):
            self._end()
            raise _Ended from None
        return self._process

    def _post_mortem(self, process: subprocess.Popen[bytes]) -> Lost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._per_file)
        code = process.returncode
        self._end()
        if code is not None and -code in _CRASHES:
            return Lost(f"reading it crashes ({signal.Signals(-code).name})", again=False)
        return Lost("the process that read it ended", again=True)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _refusal(answer: bytes) -> Lost:
    """The child's own word that it could not answer; what it says is not trusted to be short or harmless."""
    with contextlib.suppress(ValueError, RecursionError):
        match json.loads(answer):
            case {"lost": str(why)} if len(why) <= LONGEST_EXCUSE and why.isprintable():
                return Lost(why, again=False)
    return Lost("the process that read it makes no sense", again=True)


def _exchange(process: subprocess.Popen[bytes], question: bytes, seconds: float) -> bytes:
    """Write a question, read one answer. Raises TimeoutError, or _Ended when the pipe closes or the answer floods."""
    if process.stdin is None or process.stdout is None:
        raise _Ended
    deadline = monotonic() + seconds
    to_write, read, wanted = memoryview(question), bytearray(), LENGTH.size
    out, back = process.stdin.fileno(), process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
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
