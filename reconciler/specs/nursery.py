"""Where the children that read files come from: a process that has imported what they need, and reads nothing itself.

Importing takes far longer than reading a file, so it is done once: each reader gets a child of its own, forked from a
process that never saw a byte of anybody's repository. There are two such processes, as forking costs by size: one
without the models for what is plain, one with them for what is wrong, started by the first wrong file. Rules: what one
child read is unknown to the next; the nursery holds no secret, no environment and no open file of ours; after a child
that ended by itself it starts anew, so that a crash teaches nothing about the memory of later ones.
"""

import atexit
import contextlib
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from reconciler.specs import child

REQUEST = struct.Struct(">ciI")  # word, process, milliseconds
REPLY = struct.Struct(">i")
READY = b"ready"
FORK, END = b"f", b"e"
TO_START = 60.0  # seconds; a loaded machine imports slowly
TO_ANSWER = 15.0  # seconds
_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_START = f"import sys; sys.path.insert(0, {_PACKAGE_ROOT!r}); from reconciler.specs.nursery import tend; tend(%d, %r)"


class Child(Protocol):
    """A started child: where to write and to read, and its end."""

    @property
    def to(self) -> int: ...
    @property
    def back(self) -> int: ...

    def end(self, patience: float = 0.0) -> int | None:
        """Kill it, after so many seconds in which it may end by itself; its exit code, negative for a signal."""


class Origin(StrEnum):
    """What the children of a nursery can answer; the names are functions of child.py."""

    QUICK = "quick"
    CAREFUL = "careful"


class Nursery:
    """Forks children on request. The process behind it starts with the first one. Safe for threads."""

    def __init__(self, origin: Origin = Origin.CAREFUL) -> None:
        self.origin = origin
        self.started = 0  # how often it had to import
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self) -> Child:
        """A fresh child. Raises OSError where none can be started."""
        with self._lock:
            try:
                return self._fork()
            except OSError:  # it was killed, or memory was short: once more with a new one
                self._close()
                return self._fork()

    @property
    def process(self) -> int | None:
        """The process behind it, for those who measure; None while none is needed."""
        return self._process.pid if self._process is not None else None

    def end(self, line: socket.socket, process: int, patience: float) -> int | None:
        """End a child of that line; None where its nursery is gone, and then it ends with its pipes."""
        with self._lock:
            if line is not self._line:
                return None
            try:
                return self._ask(END, process, patience)
            except OSError:
                self._close()  # an answer that comes late must not be taken for the next one's
                return None
            finally:
                if patience:
                    self._close()

    def close(self) -> None:
        """End it. Children that still read end with their pipes."""
        with self._lock:
            self._close()

    def forget(self) -> None:
        """In a forked copy of this process: the nursery is the other one's."""
        self._lock, self._line, self._process = threading.Lock(), None, None

    def _fork(self) -> Child:
        theirs_in, to = os.pipe()
        back, theirs_out = os.pipe()
        try:
            process = self._ask(FORK, 0, 0.0, theirs_in, theirs_out)
        except OSError:
            os.close(to)
            os.close(back)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        assert self._line is not None  # noqa: S101  it was just asked
        return _Forked(self, self._line, process, to, back)

    def _ask(self, word: bytes, process: int, patience: float, *descriptors: int) -> int:
        line = self._line or self._open()
        socket.send_fds(line, [REQUEST.pack(word, process, int(patience * 1000))], descriptors)
        answer = line.recv(REPLY.size)
        if len(answer) != REPLY.size:
            raise ConnectionError("the process that starts readers ended")
        return int(REPLY.unpack(answer)[0])

    def _open(self) -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line = near
        self.started += 1
        with far:
            self._process = subprocess.Popen(
                (sys.executable, "-I", "-c", _START % (far.fileno(), str(self.origin))),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={}, cwd="/", pass_fds=(far.fileno(),), start_new_session=True,
            )  # fmt: skip
        near.settimeout(TO_START)
        if near.recv(len(READY)) != READY:
            raise ConnectionError("the process that starts readers did not start")
        near.settimeout(TO_ANSWER)
        return near

    def _close(self) -> None:
        line, process, self._line, self._process = self._line, self._process, None, None
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.wait()


class _Forked:
    """A child of the nursery."""

    def __init__(self, origin: Nursery, line: socket.socket, process: int, to: int, back: int) -> None:
        self.to, self.back = to, back
        self.process = process
        self._origin = origin
        self._line = line

    def end(self, patience: float = 0.0) -> int | None:
        os.close(self.to)
        os.close(self.back)
        return self._origin.end(self._line, self.process, patience)


@cache
def nursery(origin: Origin) -> Nursery:
    """This process's nursery of a sort."""
    made = Nursery(origin)
    atexit.register(made.close)
    os.register_at_fork(after_in_child=made.forget)
    return made


def tend(descriptor: int, origin: str) -> None:
    """The far side: fork and bury until the parent closes the line."""
    answers: child.Answers = getattr(child, Origin(origin))()
    gc.freeze()
    with socket.socket(fileno=descriptor) as parent:
        parent.send(READY)
        while True:
            request, descriptors, _, _ = socket.recv_fds(parent, REQUEST.size, 2)
            if not request:
                return
            word, process, patience = REQUEST.unpack(request)
            reply = _bury(process, patience) if word == END else _fork(parent, descriptors, answers)
            for one in descriptors:
                os.close(one)
            parent.send(REPLY.pack(reply))


def _fork(parent: socket.socket, descriptors: list[int], answers: child.Answers) -> int:
    process = os.fork()
    if process:
        return process
    try:
        parent.close()
        for place, one in enumerate(descriptors):
            os.dup2(one, place)
            os.close(one)
        os.setsid()
        child.serve(answers)
    finally:
        os._exit(1)


def _bury(process: int, patience: int) -> int:
    """Only ever a child of ours that nobody has waited for: its number cannot be another's."""
    with contextlib.suppress(OSError):  # also where the system has no pidfd
        descriptor = os.pidfd_open(process)
        if patience:
            select.select([descriptor], [], [], patience / 1000)
        os.close(descriptor)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
