"""The files of a revision to specs, each valid by itself, and every problem with its place.

Knows tree entries, the cache and the child; knows no reference between specs. Rules: a blob is read once, however many
paths it stands under; nothing is parsed when nothing changed; a file that may hold specs and cannot be read is named in
`unreadable`, so that nothing is ever taken for removed because of it.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.errors import Place, Problem
from reconciler.specs.answer import NOTHING, Answer, Invalid, decode, unread
from reconciler.specs.asking import Asking, Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.finding import VALIDATION, Finding
from reconciler.specs.kinds import AnySpec
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.reader import SPECS, Reader
from reconciler.specs.sharing import Shared
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

LFS = "Git LFS keeps this file's content elsewhere"
LARGEST = SPEC_LIMITS.size // 1024  # KiB


@dataclass(frozen=True, slots=True)
class FileSays:
    """What one file says, at its path."""

    specs: tuple[Spec[AnySpec], ...] = ()
    problems: tuple[Problem, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """The specs of a revision by path and line, every problem, and how much work it was.

    `files` are those that were read to the end: a later revision that has the same file takes over the same values.
    """

    specs: tuple[Spec[AnySpec], ...] = ()
    problems: tuple[Problem, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    unreadable: tuple[str, ...] = ()  # paths of files that may hold specs and could not be read to the end
    read: int = 0  # blobs whose bytes were fetched
    parsed: int = 0  # blobs that were parsed
    files: Mapping[TreeEntry, FileSays] = field(default_factory=dict, compare=False, repr=False)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Without the cyclic collector, which would look through all that is being kept again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@uninterrupted()
def load(
    entries: Iterable[TreeEntry],
    read: Read,
    cache: ParseCache,
    reader: Reader | None = None,
    before: Loaded | None = None,
) -> Loaded:
    """Every spec of a tree. `read` gives a blob's bytes; what it raises goes through.

    `before`: another revision, of which unchanged files are taken over. It changes what this costs, never the answer.
    """
    known = before.files if before is not None else {}
    files: list[TreeEntry] = []
    problems: list[Problem] = []
    unreadable: list[str] = []
    for entry in sorted(entry for entry in entries if entry.is_yaml):
        problem = None if entry in known else _unfollowable(entry)
        if problem is None:
            files.append(entry)
        else:
            problems.append(problem)
            unreadable.append(problem.place.path)
    asking = Asking(SPECS, _look, partial(decode, shared=Shared()), unread)
    answers = asking.answers([entry.blob for entry in files if entry not in known], read, cache, reader)
    specs: list[Spec[AnySpec]] = []
    invalid: list[Invalid] = []
    kept: dict[TreeEntry, FileSays] = {}
    for entry in files:
        says = known.get(entry) or _says(entry, answers[entry.blob])
        specs += says.specs
        invalid += says.invalid
        problems += says.problems
        if says.whole:
            kept[entry] = says
        else:
            unreadable.append(entry.path)
    problems.sort()
    return Loaded(tuple(specs), tuple(problems), tuple(invalid), tuple(unreadable), asking.read, asking.parsed, kept)


def _says(entry: TreeEntry, answer: Answer) -> FileSays:
    return FileSays(
        tuple(spec.at(entry.path) for spec in answer.specs),
        answer.problems(entry.path),
        tuple(replace(item, place=replace(item.place, path=entry.path)) for item in answer.invalid),
        answer.whole,
    )


def _unfollowable(entry: TreeEntry) -> Problem | None:
    place = Place(printable(entry.path))
    if is_strange(entry.path):
        return Problem(place, VALIDATION, "this path is not one that can be used", "rename the file")
    if not entry.followable:
        return Problem(place, VALIDATION, f"{says_link(entry)}, and those are not followed", "put the file itself here")
    return None


def _look(content: bytes) -> bytes | None:
    """The answer that needs no child: the file holds no spec, or cannot be read as one."""
    if is_lfs_pointer(content):
        return unread(Finding(0, 0, LFS, "commit the file itself (git lfs untrack)"))
    if not mentions_specs(content):
        return NOTHING
    if too_large(content):
        return unread(Finding(0, 0, f"the file is larger than {LARGEST} KiB", "split it into several files"))
    return None
