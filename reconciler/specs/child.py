"""The child in which files are read: untrusted bytes go to C code here and nowhere else.

Knows two questions: `s`, which specs a file holds, and `m`, which objects a file of manifests holds. Rules: it holds no
secret, opens no file, and takes no more memory or processor time than its limits; whatever is in the bytes, the worst
that happens is that this process ends, and the parent (reader.py) blames the one file it was reading.

Frames: a question is one byte, four bytes of length, content; an answer is four bytes of length and JSON.
"""

import contextlib
import json
import resource
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

MEMORY = 512 * 1024 * 1024  # bytes of address space on top of what it has when ready
SECONDS = 3  # of processor time per file; the parent's clock usually ends first
LONGEST_ANSWER = 32 * 1024 * 1024  # bytes
QUESTION = struct.Struct(">cI")
LENGTH = struct.Struct(">I")
READY = b'{"ready": true}'


Answers = Mapping[bytes, Callable[[bytes], dict[str, Any]]]  # by question


def main() -> None:
    """Import, then answer until the parent closes the pipe."""
    serve(ready())


def ready() -> Answers:
    """Import everything that reading needs, which takes longer than reading."""
    from reconciler.specs.check import check
    from reconciler.specs.document import documents
    from reconciler.specs.manifests import manifests

    documents()
    return MappingProxyType({b"s": lambda content: check(content).as_json(), b"m": manifests})


def serve(answers: Answers) -> None:
    """Answer until the parent closes the pipe."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory()
    _send(sink, READY)
    while head := source.read(QUESTION.size):
        question, length = QUESTION.unpack(head)
        content = source.read(length)
        _limit_time()
        _send(sink, _answer(answers[question], content))


def _answer(answer: Callable[[bytes], dict[str, Any]], content: bytes) -> bytes:
    try:
        text = json.dumps(answer(content), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except Exception as error:  # noqa: BLE001  the child's own loop: one file must not end the others
        return _lost(f"{type(error).__name__} while reading it")
    return text if len(text) <= LONGEST_ANSWER else _lost("it says too much")


def _lost(why: str) -> bytes:
    return json.dumps({"lost": why}).encode()


def _send(sink: BinaryIO, answer: bytes) -> None:
    sink.write(LENGTH.pack(len(answer)))
    sink.write(answer)
    sink.flush()


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):  # not every system has /proc or these limits
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 16)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))


def _limit_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + SECONDS, hard))


if __name__ == "__main__":
    main()
