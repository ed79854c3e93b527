"""Answers about blobs: from the cache where it has them, else from the child.

Knows when to ask and what to keep, not what an answer means. Rules: a blob is asked about once, with others where that
gives an answer and else alone; an answer that makes no sense is none, whether it was kept or just given; a failure that
may pass is not kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
MOST_FILES = 64  # in one exchange: together they have the time of one file, which is far more than they need
MOST_BYTES = 48 * 1024  # so that a question fits into a pipe


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
            for batch in self._batches((blob for blob in wanted if blob not in found), read, found):
                found.update(self._answered(batch, asked))
                if len(self._fresh) >= KEEP_EVERY:
                    self._keep(cache, version)
        self._keep(cache, version)
        return found

    def _batches(self, blobs: Iterable[BlobId], read: Read, found: dict[BlobId, A]) -> Iterator[Mapping[BlobId, bytes]]:
        """What a child has to be asked about, as much as goes into one exchange; the others are answered at once."""
        batch: dict[BlobId, bytes] = {}
        size = 0
        for blob in blobs:
            content = read(blob)
            self.read += 1
            answer = self._look(content)
            if answer is not None:
                found[blob] = self._kept(blob, answer, self._decode(answer, blob))
                continue
            if batch and (len(batch) == MOST_FILES or size + len(content) > MOST_BYTES):
                yield batch
                batch, size = {}, 0
            batch[blob] = content
            size += len(content)
        if batch:
            yield batch

    def _answered(self, batch: Mapping[BlobId, bytes], reader: Reader) -> Iterator[tuple[BlobId, A]]:
        """What cannot be answered with the others, for whatever reason, is asked about alone."""
        self.parsed += len(batch)
        answers = reader.ask_many(self._question, tuple(batch.values()))
        for (blob, content), answer in zip(batch.items(), answers, strict=True):
            decoded = self._decoded(answer, blob) if answer is not None else None
            if answer is not None and decoded is not None:
                yield blob, self._kept(blob, answer, decoded)
            else:
                yield blob, self._answer(blob, content, reader)

    def _kept(self, blob: BlobId, answer: bytes, decoded: A) -> A:
        self._fresh[blob] = answer
        return decoded

    def _keep(self, cache: ParseCache, version: str) -> None:
        if self._fresh:
            cache.put_many(version, self._fresh)
            self._fresh = {}

    def _answer(self, blob: BlobId, content: bytes, reader: Reader) -> A:
        answer = reader.ask(self._question, content)
        if isinstance(answer, bytes):
            decoded = self._decoded(answer, blob)
            if decoded is not None:
                return self._kept(blob, answer, decoded)
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
