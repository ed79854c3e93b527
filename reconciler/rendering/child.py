"""The parent's side of the cell: starts it, bounds its time and what it says, and ends it.

Knows processes and pipes. Rule: whatever the tool does, it ends, and what came back is bytes of a bounded size.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from reconciler.rendering import cell

WALL_CLOCK = 30.0  # seconds; the processor time ends first, unless the machine is loaded
MOST_OUTPUT = 16 * 1024 * 1024  # bytes
MOST_WORDS = 64 * 1024  # bytes of what it says on stderr
SLOW = "it takes too long"
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended. `code` is negative for a signal; None where it was ended by us, and `why` says why."""

    code: int | None
    output: bytes = field(repr=False)
    words: str
    cut_off: bool  # from every network
    why: str = ""


def run(mode: str, root: Path, tool: Path, arguments: Sequence[str], seconds: float = WALL_CLOCK) -> Ran:
    """Run the tool in a cell. Raises OSError where no process can be started."""
    command = [sys.executable, "-I", "-S", cell.__file__, mode, str(root), str(tool), *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={}, cwd="/", close_fds=True, start_new_session=True, bufsize=0,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101  both are pipes
    assert process.stderr is not None  # noqa: S101
    said = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    most = {process.stdout.fileno(): MOST_OUTPUT, process.stderr.fileno(): MOST_WORDS}
    out, err = said
    try:
        why = _read(said, most, out, seconds)
        code = _ended(process, why)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    words = bytes(said[err])
    for first in (cell.CUT_OFF, cell.CONNECTED):
        if words.startswith(first):
            return Ran(code, bytes(said[out]), _text(words[len(first) :]), first == cell.CUT_OFF, why)
    return Ran(code, b"", _text(words), False, why or "the limited child did not start")  # noqa: FBT003


def _read(said: dict[int, bytearray], most: dict[int, int], out: int, seconds: float) -> str:
    """Read both until they end; why that was given up, or an empty text."""
    deadline = monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for pipe in said:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - monotonic()
            if left <= 0:
                return SLOW
            for key, _ in selector.select(left):
                block = os.read(key.fd, _BLOCK)
                if not block:
                    selector.unregister(key.fd)
                elif len(said[key.fd]) + len(block) <= most[key.fd]:
                    said[key.fd] += block
                elif key.fd == out:
                    return f"it says more than {most[out] // 1024 // 1024} MiB"
    return ""


def _ended(process: subprocess.Popen[bytes], why: str) -> int | None:
    if why:
        return None
    try:
        return process.wait(WALL_CLOCK)
    except subprocess.TimeoutExpired:
        return None


def _text(words: bytes) -> str:
    return words.decode("utf-8", "replace")
