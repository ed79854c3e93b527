"""The child in which files are read: untrusted bytes go to C code here and nowhere else.

Knows two questions: `s`, which specs a file holds, and `m`, which objects a file of manifests holds. Rules: it holds no
secret, opens no file, and takes no more memory or processor time than its limits; whatever is in the bytes, the worst
that happens is that this process ends, and the parent (reader.py) blames the one file it was reading.

Frames: a question is one byte, four bytes of length, content; an answer is four bytes of length and JSON. A question
in upper case is about several files: its content and its answer are one such frame for each, without the byte. Whoever
asks so gives the benefit of the doubt: the answer may be about a spec that is not valid (quick.py).
"""

import contextlib
import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

MEMORY = 512 * 1024 * 1024  # bytes of address space on top of what it has when ready
SECONDS = 3  # of processor time per file; the parent's clock usually ends first
LONGEST_ANSWER = 32 * 1024 * 1024  # bytes
_PAGE = resource.getpagesize()
QUESTION = struct.Struct(">cI")
LENGTH = struct.Struct(">I")
READY = b'{"ready": true}'
_UNUSUAL = b'{"lost": "to be asked about alone"}'
_SAMPLE = b"apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: a}\nspec: {port: 22, become: sudo}\n"


Answer = Callable[[bytes], dict[str, Any] | bytes]
Answers = Mapping[bytes, Answer]  # by question


def main() -> None:
    """Import, then answer until the parent closes the pipe."""
    serve(careful())


def quick() -> Answers:
    """Import what reads files in which nothing needs to be said, and manifests. The models are left out: a process
    without them is forked in a third of the time."""
    from reconciler.specs.manifests import manifests
    from reconciler.specs.quick import quick

    quick(_SAMPLE)  # what is made at the first use is made once, and not in every child again
    manifests(_SAMPLE)
    return MappingProxyType({b"S": lambda one: quick(one) or _UNUSUAL, b"m": manifests, b"M": manifests})


def careful() -> Answers:
    """Import everything that reading needs, which takes longer than reading."""
    from reconciler.specs.check import check
    from reconciler.specs.document import documents
    from reconciler.specs.manifests import manifests
    from reconciler.specs.quick import quick

    documents()

    def specs(content: bytes) -> dict[str, Any]:
        return check(content).as_json()

    return MappingProxyType({b"s": specs, b"S": lambda one: quick(one) or specs(one), b"m": manifests, b"M": manifests})


def serve(answers: Answers) -> None:
    """Answer until the parent closes the pipe."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory()
    _send(sink, READY)
    while head := source.read(QUESTION.size):
        question, length = QUESTION.unpack(head)
        content = source.read(length)
        _limit_time()
        _send(sink, (_answer if question.islower() else _each)(answers[question], content))


def _each(answer: Answer, contents: bytes) -> bytes:
    found = b""
    for content in split(contents):
        found += framed(_answer(answer, content))
        if len(found) > LONGEST_ANSWER:
            return _lost("they say too much")
    return found


def framed(content: bytes) -> bytes:
    """A content with its length before it."""
    return LENGTH.pack(len(content)) + content


def split(contents: bytes) -> Iterator[bytes]:
    """Framed contents, one by one. Raises ValueError where they do not end with their last one."""
    at, end = 0, len(contents)
    while at < end:
        start = at + LENGTH.size
        if start > end:
            raise ValueError("a length that is broken off")
        at = start + LENGTH.unpack_from(contents, at)[0]
        if at > end:
            raise ValueError("a content that is broken off")
        yield contents[start:at]


def _answer(answer: Answer, content: bytes) -> bytes:
    try:
        said = answer(content)
        text = said if isinstance(said, bytes) else _written(said)
    except Exception as error:  # noqa: BLE001  the child's own loop: one file must not end the others
        return _lost(f"{type(error).__name__} while reading it")
    return text if len(text) <= LONGEST_ANSWER else _lost("it says too much")


def _written(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _lost(why: str) -> bytes:
    return json.dumps({"lost": why}).encode()


def _send(sink: BinaryIO, answer: bytes) -> None:
    sink.write(framed(answer))
    sink.flush()


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):  # not every system has /proc or these limits
        statm = os.open("/proc/self/statm", os.O_RDONLY)  # without pathlib: what a fresh copy touches, it has to copy
        pages = int(os.read(statm, 64).split()[0])
        os.close(statm)
        most = pages * _PAGE + MEMORY
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
