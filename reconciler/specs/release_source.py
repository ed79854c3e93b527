"""A release's source: which files it is, and for manifests the objects they say with everything filled in.

Knows the shape that every Kubernetes object has and no kind's fields but those of containers. Rules: names that become
part of an address are checked here; an object is said once in a cluster; helm, kustomize and compose are kept as blobs
for those who render them.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.names import BlobId, ObjectRef
from reconciler.specs.asking import Asking, Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.cluster_scoped import CLUSTER_SCOPED, declared_cluster_scoped, group_of
from reconciler.specs.finding import CONFLICT, VALIDATION, Finding, Hints
from reconciler.specs.images import image_name, images_of, replace_images
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.fields import LABEL
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.nodes import SOURCE_LIMITS, pointer
from reconciler.specs.reader import MANIFESTS, Reader
from reconciler.specs.source import TreeEntry, is_lfs_pointer
from reconciler.specs.spec import Spec
from reconciler.specs.substitute import Filling, Steps, TooMuch
from reconciler.specs.tree import Tree

MOST_TEXT = 16 * 1024 * 1024  # characters of one release's objects, filled in
_API_VERSION = re.compile(r"([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?v[0-9a-z]+", re.ASCII)
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}", re.ASCII)
_NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9][-A-Za-z0-9._:]{0,252}", re.ASCII)  # RBAC names hold ':'
_NAMESPACE = re.compile(LABEL, re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Placed:
    """An object, the file it is in, its way within the document, and the document's known places."""

    value: dict[str, Any]
    path: str
    way: Steps
    places: Mapping[str, list[int]]

    def place(self, *steps: str | int) -> Place:
        """Where a part of it is written; the nearest known part around it."""
        way = [*self.way, *steps]
        while True:
            match self.places.get(pointer(way)):
                case [int(line), int(column)]:
                    return Place(self.path, line, column)
            if not way:
                return Place(self.path)
            way.pop()


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
    flat = [item for document in placed for item in _flattened(document, problems)]
    good = [item for item in flat if _is_object(item, problems)]
    objects = [item.value for item in good]
    _default_namespaces(objects, str(spec.namespace))
    _once(good, problems)
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


def _flattened(document: Placed, problems: list[Problem]) -> list[Placed]:
    match document.value:
        case {"apiVersion": "v1", "kind": "List", "items": list(items)}:
            parts = [
                Placed(item, document.path, (*document.way, "items", number), document.places)
                for number, item in enumerate(items)
            ]
            return [one for part in parts for one in _flattened(part, problems)]
        case {}:
            return [document]
        case _:
            problems.append(
                Problem(document.place(), VALIDATION, "an object is a mapping with apiVersion, kind and metadata.name")
            )
            return []


def _is_object(item: Placed, problems: list[Problem]) -> bool:
    metadata = item.value.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    wanted = (
        (item.value.get("apiVersion"), _API_VERSION, ("apiVersion",), "such as apps/v1"),
        (item.value.get("kind"), _KIND, ("kind",), "such as Deployment"),
        (fields.get("name"), _NAME, ("metadata", "name"), "letters, digits, '-', '.' and ':'"),
        (
            fields.get("namespace", "default"),
            _NAMESPACE,
            ("metadata", "namespace"),
            "lower case letters, digits and '-'",
        ),
    )
    good = True
    for value, pattern, steps, words in wanted:
        if not (isinstance(value, str) and pattern.fullmatch(value)):
            good = False
            name = ".".join(steps)
            problems.append(Problem(item.place(*steps), VALIDATION, f"an object needs {name}, {words}"))
    return good


def _default_namespaces(objects: list[dict[str, Any]], namespace: str) -> None:
    without = CLUSTER_SCOPED | declared_cluster_scoped(objects)
    for item in objects:
        if (group_of(item["apiVersion"]), item["kind"]) not in without:
            item["metadata"] = {**item["metadata"], "namespace": item["metadata"].get("namespace", namespace)}


def object_ref(item: Mapping[str, Any]) -> ObjectRef:
    """The identity of a checked object."""
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item["metadata"]
    return ObjectRef(group, version, item["kind"], metadata.get("namespace", ""), metadata["name"])


def identity(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What makes two objects the same: group, kind, namespace and name, whatever the version."""
    ref = object_ref(item)
    return ref.group, ref.kind, ref.namespace, ref.name


def _once(items: list[Placed], problems: list[Problem]) -> None:
    first: dict[tuple[str, str, str, str], Placed] = {}
    for item in items:
        before = first.setdefault(identity(item.value), item)
        if before is not item:
            message = f"{object_ref(item.value)} is also at {before.place()}"
            problems.append(Problem(item.place(), CONFLICT, message, "keep one of them"))


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
