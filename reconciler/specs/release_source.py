"""A release's source: which files it is, and for manifests the objects they say with everything filled in.

Knows the order in which objects are filled in, checked and given what the release says of its workload. Rule: helm,
kustomize and compose are kept as blobs for those who render them.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.names import BlobId
from reconciler.specs.asking import Asking, Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.finding import VALIDATION, Finding, Hints
from reconciler.specs.images import image_name, images_of, replace_images
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.nodes import SOURCE_LIMITS
from reconciler.specs.objects import Placed, default_namespaces, flattened, is_object, once
from reconciler.specs.reader import MANIFESTS, Reader
from reconciler.specs.source import TreeEntry, is_lfs_pointer
from reconciler.specs.spec import Spec
from reconciler.specs.substitute import Filling, Steps, TooMuch
from reconciler.specs.tree import Tree
from reconciler.specs.workload import put_workload

MOST_TEXT = 16 * 1024 * 1024  # characters of one release's objects, filled in


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """What a release's source says. `objects` and `images` are empty where somebody else renders it."""

    type: SourceKind
    path: str
    files: tuple[tuple[str, BlobId], ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    images: tuple[str, ...] = ()
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)  # of the objects, in their order


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """What the child says of a file of manifests."""

    documents: tuple[tuple[int, int, Any, Mapping[str, list[int]]], ...]
    findings: tuple[Finding, ...]


# A release, its environment and its files' paths and blobs -> the source that the very same values had before.
Known = Callable[[Spec[Release], Spec[Environment] | None, tuple[tuple[str, BlobId], ...]], ReleaseSource | None]


class Sources:
    """Reads the sources of a revision's releases."""

    def __init__(
        self, entries: Iterable[TreeEntry], read: Read, cache: ParseCache | None, reader: Reader | None
    ) -> None:
        self._tree = Tree(entries)
        self._read = read
        self._cache = cache
        self._reader = reader

    def read(
        self, releases: Iterable[tuple[Spec[Release], Spec[Environment] | None]], known: Known = lambda *_: None
    ) -> dict[str, tuple[ReleaseSource, tuple[Problem, ...]]]:
        """By release: its source, and what is wrong with it. `known` has those that were right before."""
        found: dict[str, tuple[ReleaseSource, tuple[Problem, ...]]] = {}
        wanted: list[tuple[Spec[Release], Spec[Environment] | None]] = []
        files: dict[str, tuple[TreeEntry, ...]] = {}
        problems: dict[str, list[Problem]] = {}
        for release, environment in releases:
            these, wrong = self._files(release)
            there = known(release, environment, _named(release, these)) if not wrong else None
            if there is not None:
                found[release.name] = (there, ())
                continue
            files[release.name], problems[release.name] = these, wrong
            found[release.name] = (ReleaseSource(release.spec.source.type, release.spec.source.path), ())  # its place
            wanted.append((release, environment))
        blobs = [
            entry.blob
            for release, _ in wanted
            if _is_manifests(release)
            for entry in files[release.name]
            if entry.is_yaml
        ]
        answers = Asking(MANIFESTS, _look, _decode, _unread).answers(blobs, self._read, self._cache, self._reader)
        hints = Hints()
        for release, environment in wanted:
            own = problems[release.name]
            source = _source(release, environment, files[release.name], answers, own, hints)
            found[release.name] = (source, tuple(own))
        return found

    def _files(self, release: Spec[Release]) -> tuple[tuple[TreeEntry, ...], list[Problem]]:
        asked: list[tuple[str, tuple[str | int, ...]]] = [(release.spec.source.path, ("source", "path"))]
        asked += [(path, ("source", "values", number)) for number, path in enumerate(release.spec.source.values)]
        files: dict[str, TreeEntry] = {}
        problems = []
        for path, steps in asked:
            found = self._tree.under(path)
            files.update({entry.path: entry for entry in found.files})
            for where, message, hint in found.wrong:
                problems.append(Problem(release.place_of(*steps), VALIDATION, f"{where}: {message}", hint))
        if _is_manifests(release) and files and not any(entry.is_yaml for entry in files.values()):
            place = release.place_of("source", "path")
            problems.append(Problem(place, VALIDATION, f"{release.spec.source.path}: no *.yaml or *.yml stands there"))
        return tuple(files[path] for path in sorted(files)), problems


def variables_of(release: Spec[Release], environment: Spec[Environment]) -> dict[str, str]:
    """The closed set that `${name}` in a release's source is filled from; the release's own win."""
    return {**environment.spec.variables, **release.spec.variables}


def _named(release: Spec[Release], files: Iterable[TreeEntry]) -> tuple[tuple[str, BlobId], ...]:
    return tuple((entry.path, entry.blob) for entry in files if entry.is_yaml or not _is_manifests(release))


def _is_manifests(release: Spec[Release]) -> bool:
    return release.spec.source.type is SourceKind.MANIFESTS


def _source(
    release: Spec[Release],
    environment: Spec[Environment] | None,
    files: tuple[TreeEntry, ...],
    answers: Mapping[BlobId, ManifestFile],
    problems: list[Problem],
    hints: Hints,
) -> ReleaseSource:
    spec = release.spec
    named = _named(release, files)
    if not _is_manifests(release) or environment is None:  # without its environment, nobody knows what to fill in
        return ReleaseSource(spec.source.type, spec.source.path, named)
    variables = variables_of(release, environment)
    placed = []
    left = MOST_TEXT
    for path, blob in named:
        problems += [finding.at(path) for finding in answers[blob].findings]
        for line, column, value, places in answers[blob].documents:
            document = Placed(value, path, (), {"": [line, column], **places})
            filled, left = _filled(document, variables, left, problems, hints)
            placed.append(filled)
    flat = [item for document in placed for item in flattened(document, problems)]
    good = [item for item in flat if is_object(item, problems)]
    default_namespaces([item.value for item in good], str(spec.namespace))
    put_workload(good, release, problems, hints)
    objects = [item.value for item in good]
    once(good, problems)
    unused = set(spec.images) - replace_images(objects, spec.images)
    for name in sorted(unused):
        hint = hints.near(name, {image_name(image) for image in images_of(objects)})
        problems.append(
            Problem(release.place_of("images", name), VALIDATION, f"no container runs the image {name}", hint)
        )
    return ReleaseSource(
        spec.source.type,
        spec.source.path,
        named,
        tuple(objects),
        images_of(objects),
        tuple(item.place() for item in good),
    )


def _filled(
    document: Placed, variables: Mapping[str, str], most: int, problems: list[Problem], hints: Hints
) -> tuple[Placed, int]:
    """The document with its holes filled, and how many characters the release's other documents may still have."""

    def unknown(way: Steps, name: str) -> None:
        hint = hints.near(name, variables) or "define it in the release or the environment; $${ keeps a ${"
        problems.append(Problem(document.place(*way), VALIDATION, f'there is no variable "{name[:80]}"', hint))

    filling = Filling(variables, unknown, most)
    try:
        value = filling.fill(document.value)
    except TooMuch:
        problems.append(Problem(document.place(), VALIDATION, f"the source is larger than {MOST_TEXT:,} characters"))
        return Placed({"apiVersion": "v1", "kind": "List", "items": []}, document.path, (), document.places), 0
    return Placed(value, document.path, (), document.places), filling.left


def _look(content: bytes) -> bytes | None:
    if is_lfs_pointer(content):
        return _unread(Finding(0, 0, "Git LFS keeps this file's content elsewhere", "commit the file itself"))
    if len(content) > SOURCE_LIMITS.size:
        return _unread(
            Finding(0, 0, f"the file is larger than {SOURCE_LIMITS.size // 1024} KiB", "split it into several files")
        )
    return None


def _unread(finding: Finding) -> bytes:
    return json.dumps({"documents": [], "findings": [finding.as_json()]}).encode()


def _decode(content: bytes, _blob: BlobId) -> ManifestFile:
    match json.loads(content):
        case {"documents": list(documents), "findings": list(findings)}:
            return ManifestFile(
                tuple(_document(item) for item in documents), tuple(Finding.from_json(item) for item in findings)
            )
        case _:
            raise ValueError("not an answer")


def _document(item: Any) -> tuple[int, int, Any, Mapping[str, list[int]]]:
    match item:
        case [int(line), int(column), str(text), dict(places)]:
            return line, column, json.loads(text), places
        case _:
            raise ValueError("not a document")
