"""The files of a revision to specs, each valid by itself, and every problem with its place.

Knows tree entries, the cache and the child; knows no reference between specs. Rules: a blob is read once, however many
paths it stands under; nothing is parsed when nothing changed; a file that may hold specs and cannot be read is named in
`unreadable`, so that nothing is ever taken for removed because of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.errors import Place, Problem
from reconciler.names import BlobId
from reconciler.specs.answer import NOTHING, Answer, Invalid, decode, unread
from reconciler.specs.cache import ParseCache
from reconciler.specs.finding import VALIDATION, Finding
from reconciler.specs.kinds import AnySpec
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.reader import SPECS, Lost, Reader
from reconciler.specs.source import (
    TreeEntry,
    is_lfs_pointer,
    is_strange,
    mentions_specs,
    printable,
    says_link,
    too_large,
)
from reconciler.specs.spec import Spec
from reconciler.specs.version import reading_version

Read = Callable[[BlobId], bytes]
KEEP_EVERY = 1_000  # answers
LARGEST = SPEC_LIMITS.size // 1024  # KiB


@dataclass(frozen=True, slots=True)
class Loaded:
    """The specs of a revision by path and line, every problem, and how much work it was."""

    specs: tuple[Spec[AnySpec], ...] = ()
    problems: tuple[Problem, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    unreadable: tuple[str, ...] = ()  # paths of files that may hold specs and could not be read to the end
    read: int = 0  # blobs whose bytes were fetched
    parsed: int = 0  # blobs that were parsed


def load(entries: Iterable[TreeEntry], read: Read, cache: ParseCache, reader: Reader | None = None) -> Loaded:
    """Every spec of a tree. `read` gives a blob's bytes; what it raises goes through."""
    files: list[TreeEntry] = []
    problems: list[Problem] = []
    unreadable: list[str] = []
    for entry in sorted(entry for entry in entries if entry.is_yaml):
        problem = _unfollowable(entry)
        if problem is None:
            files.append(entry)
        else:
            problems.append(problem)
            unreadable.append(problem.place.path)
    work = _Work(read, cache, reader)
    answers = work.answers({entry.blob: entry.path for entry in files})
    specs: list[Spec[AnySpec]] = []
    invalid: list[Invalid] = []
    for entry in files:
        answer = answers[entry.blob]
        specs += [replace(spec, place=replace(spec.place, path=entry.path)) for spec in answer.specs]
        invalid += [replace(item, place=replace(item.place, path=entry.path)) for item in answer.invalid]
        problems += answer.problems(entry.path)
        if not answer.whole:
            unreadable.append(entry.path)
    problems.sort()
    return Loaded(tuple(specs), tuple(problems), tuple(invalid), tuple(unreadable), work.read_count, work.parsed)


def _unfollowable(entry: TreeEntry) -> Problem | None:
    place = Place(printable(entry.path))
    if is_strange(entry.path):
        return Problem(place, VALIDATION, "this path is not one that can be used", "rename the file")
    if not entry.followable:
        return Problem(place, VALIDATION, f"{says_link(entry)}, and those are not followed", "put the file itself here")
    return None


class _Work:
    """One load: what is kept, what has to be read, what has to be asked."""

    def __init__(self, read: Read, cache: ParseCache, reader: Reader | None) -> None:
        self._read = read
        self._cache = cache
        self._reader = reader
        self._fresh: dict[BlobId, bytes] = {}
        self.read_count = 0
        self.parsed = 0

    def answers(self, blobs: Mapping[BlobId, str]) -> dict[BlobId, Answer]:
        version = reading_version()
        kept = self._cache.get_many(version, blobs.keys())
        found = {blob: answer for blob, content in kept.items() if (answer := _decoded(content, blob)) is not None}
        missing = [blob for blob in blobs if blob not in found]
        if missing:
            with self._reader or Reader() as reader:
                for blob in missing:
                    found[blob] = self._answer(blob, reader)
                    if len(self._fresh) >= KEEP_EVERY:
                        self._keep(version)
            self._keep(version)
        return found

    def _keep(self, version: str) -> None:
        self._cache.put_many(version, self._fresh)
        self._fresh = {}

    def _answer(self, blob: BlobId, reader: Reader) -> Answer:
        content = self._read(blob)
        self.read_count += 1
        if is_lfs_pointer(content):
            pointer = Finding(
                0, 0, "Git LFS keeps this file's content elsewhere", "commit the file itself (git lfs untrack)"
            )
            answer: bytes | Lost = unread(pointer)
        elif too_large(content) and mentions_specs(content):
            answer = unread(Finding(0, 0, f"the file is larger than {LARGEST} KiB", "split it into several files"))
        elif not mentions_specs(content):
            answer = NOTHING
        else:
            self.parsed += 1
            answer = reader.ask(SPECS, content)
        if isinstance(answer, bytes):
            decoded = _decoded(answer, blob)
            if decoded is not None:
                self._fresh[blob] = answer
                return decoded
            answer = Lost("the answer of the process that read it makes no sense", again=True)
        lost = unread(Finding(0, 0, f"could not be read safely: {answer.why}"))
        if not answer.again:
            self._fresh[blob] = lost
        return decode(lost, blob)


def _decoded(content: bytes, blob: BlobId) -> Answer | None:
    try:
        return decode(content, blob)
    except (ValueError, RecursionError):  # pydantic's ValidationError and JSON's error are ValueErrors
        return None
