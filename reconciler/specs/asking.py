"""Answers about blobs: from the cache where it has them, else from the child.

Knows when to ask and what to keep, not what an answer means. Rules: a blob is asked about once; an answer that makes no
sense is none, whether it was kept or just given; a failure that may pass is not kept.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Generic, TypeVar

from reconciler.names import BlobId
from reconciler.specs.cache import MemoryCache, ParseCache
from reconciler.specs.finding import Finding
from reconciler.specs.reader import Lost, Reader
from reconciler.specs.version import reading_version

A = TypeVar("A")
Read = Callable[[BlobId], bytes]
KEEP_EVERY = 1_000  # answers


class Asking(Generic[A]):
    """One round of questions of one sort.

    `look` answers what needs no child; `decode` reads an answer and raises ValueError; `unread` words a failure.
    """

    def __init__(
        self,
        question: bytes,
        look: Callable[[bytes], bytes | None],
        decode: Callable[[bytes, BlobId], A],
        unread: Callable[[Finding], bytes],
    ) -> None:
        self._question = question
        self._look = look
        self._decode = decode
        self._unread = unread
        self._fresh: dict[BlobId, bytes] = {}
        self.read = 0  # blobs whose bytes were fetched
        self.parsed = 0  # blobs that the child was asked about

    def answers(
        self, blobs: Iterable[BlobId], read: Read, cache: ParseCache | None = None, reader: Reader | None = None
    ) -> Mapping[BlobId, A]:
        """The answer about each blob."""
        cache = cache if cache is not None else MemoryCache()
        wanted = list(dict.fromkeys(blobs))
        version = f"{reading_version()}:{self._question.decode()}"
        found: dict[BlobId, A] = {}
        for blob, content in cache.get_many(version, wanted).items():
            kept = self._decoded(content, blob)
            if kept is not None:
                found[blob] = kept
        with nullcontext(reader) if reader is not None else Reader() as asked:
            for blob in wanted:
                if blob not in found:
                    found[blob] = self._answer(blob, read(blob), asked)
                if len(self._fresh) >= KEEP_EVERY:
                    self._keep(cache, version)
        self._keep(cache, version)
        return found

    def _keep(self, cache: ParseCache, version: str) -> None:
        if self._fresh:
            cache.put_many(version, self._fresh)
            self._fresh = {}

    def _answer(self, blob: BlobId, content: bytes, reader: Reader) -> A:
        self.read += 1
        answer: bytes | Lost | None = self._look(content)
        if answer is None:
            self.parsed += 1
            answer = reader.ask(self._question, content)
        if isinstance(answer, bytes):
            decoded = self._decoded(answer, blob)
            if decoded is not None:
                self._fresh[blob] = answer
                return decoded
            answer = Lost("the answer of the process that read it makes no sense", again=True)
        lost = self._unread(Finding(0, 0, f"could not be read safely: {answer.why}"))
        if not answer.again:
            self._fresh[blob] = lost
        return self._decode(lost, blob)

    def _decoded(self, content: bytes, blob: BlobId) -> A | None:
        try:
            return self._decode(content, blob)
        except (ValueError, RecursionError):  # pydantic's ValidationError and JSON's error are ValueErrors
            return None
