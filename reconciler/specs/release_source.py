"""A release's source: which files it is, and for manifests the objects they say with everything filled in.

Knows the order in which objects are filled in, checked and given what the release says of its workload. Rules: a
kustomization or a chart counts as what it renders to; compose is kept as blobs for those who render it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.errors import Place, Problem, Rejected
from reconciler.names import BlobId
from reconciler.specs.asking import Read
from reconciler.specs.cache import ParseCache
from reconciler.specs.canaries import check_canary, tracked
from reconciler.specs.chart import Chart
from reconciler.specs.charts import ChartRenderer, OneRelease, chart_parts, kept_by_helm
from reconciler.specs.colours import coloured
from reconciler.specs.finding import VALIDATION, Finding, Hints
from reconciler.specs.ignoring import check_ignored
from reconciler.specs.images import image_name, images_of, replace_images
from reconciler.specs.jobs import set_apart
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.kustomization import closures
from reconciler.specs.manifest_files import ManifestFile, manifest_files
from reconciler.specs.metrics import check_metrics
from reconciler.specs.objects import Placed, default_namespaces, flattened, is_object, named_in, object_ref, once
from reconciler.specs.put_in import Compared, put_in
from reconciler.specs.reader import Reader
from reconciler.specs.readiness import check_kinds
from reconciler.specs.rendering import Renderer, Rendering, Unrendered
from reconciler.specs.sealed import NotOpened, Opener, holds_values, is_sealed, opened
from reconciler.specs.source import TreeEntry
from reconciler.specs.spec import Spec
from reconciler.specs.stand_ins import OTHERS, Form, Hidden
from reconciler.specs.substitute import Filling, Steps, TooMuch
from reconciler.specs.tree import Tree
from reconciler.specs.workload import put_workload

NOTHING: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": []}
LOCKED = Unrendered("permission_denied", "opening its encrypted values: no age identity is here")
MOST_TEXT = 16 * 1024 * 1024  # characters of one release's objects, filled in


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """What a release's source says. `objects` and `images` are empty where somebody else renders it."""

    type: SourceKind
    path: str
    files: tuple[tuple[str, BlobId], ...] = ()
    objects: tuple[dict[str, Any], ...] = field(default=(), repr=False)  # Secrets with their values among them
    images: tuple[str, ...] = ()
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)  # of the objects, in their order
    unrendered: Unrendered | None = None  # why nobody knows here what it says
    chart: Chart | None = None  # of a release of Helm
    jobs: tuple[dict[str, Any], ...] = field(default=(), repr=False)  # run on their own, see specs/jobs.py
    in_the_open: tuple[str, ...] = ()  # Secrets whose values stand in Git as plain text
    pins: Mapping[str, str] = field(default_factory=dict)  # digests that were put beside tags, by image as written
    loose: Mapping[str, str] = field(default_factory=dict, compare=False)  # by image: why it has none

    @property
    def resolved(self) -> bool:
        """Whether its objects are everything that it says. Else its files stand for it."""
        return self.type is not SourceKind.COMPOSE and self.unrendered is None


@dataclass(slots=True)
class _Material:
    """What one source is made of. `read`: what is read of it as manifests, and under which path it is told."""

    files: tuple[tuple[str, BlobId], ...]
    problems: list[Problem]
    read: tuple[tuple[str, BlobId], ...] = ()
    rendered: str = ""  # the file that says how: a kustomization, or a Chart.yaml
    entries: tuple[TreeEntry, ...] = ()
    more: Mapping[str, bytes] = field(default_factory=dict)
    chart: Chart | None = None
    unrendered: Unrendered | None = None
    hidden: tuple[Hidden, ...] = ()  # encrypted values that it is rendered without
    others: Mapping[Form, Mapping[str, bytes]] = field(default_factory=dict)  # `more` with other stand-ins
    compared: dict[Form, BlobId] = field(default_factory=dict)  # what it renders to with those


# A release, its environment and its files' paths and blobs -> the source that the very same values had before.
Known = Callable[[Spec[Release], Spec[Environment] | None, tuple[tuple[str, BlobId], ...]], ReleaseSource | None]


class Sources:
    """Reads the sources of a revision's releases."""

    def __init__(
        self,
        entries: Iterable[TreeEntry],
        read: Read,
        cache: ParseCache | None,
        reader: Reader | None,
        renderer: Renderer | None = None,
        opener: Opener | None = None,
        charts: ChartRenderer | None = None,
    ) -> None:
        self._tree = Tree(entries)
        self._read = read
        self._cache = cache
        self._reader = reader
        self._renderer = renderer
        self._opener = opener
        self._charts = charts
        self._texts: dict[BlobId, bytes] = {}

    def read(
        self, releases: Iterable[tuple[Spec[Release], Spec[Environment] | None]], known: Known = lambda *_: None
    ) -> dict[str, tuple[ReleaseSource, tuple[Problem, ...]]]:
        """By release: its source, and what is wrong with it. `known` has those that were right before."""
        asked = tuple(releases)
        hints = Hints()
        kustomized = self._kustomized(release for release, _ in asked if _is(release, SourceKind.KUSTOMIZE))
        found: dict[str, tuple[ReleaseSource, tuple[Problem, ...]]] = {}
        wanted: list[tuple[Spec[Release], Spec[Environment] | None, _Material]] = []
        for release, environment in asked:
            charted = self._charted(release, environment, hints) if _is(release, SourceKind.HELM) else None
            material = charted or kustomized.get(release.name) or self._files(release)
            there = known(release, environment, material.files) if not material.problems else None
            if there is not None:
                found[release.name] = (there, ())
                continue
            found[release.name] = (ReleaseSource(release.spec.source.type, release.spec.source.path), ())  # its place
            wanted.append((release, environment, material))
        for release, _, material in wanted:
            if material.rendered and not material.problems and material.unrendered is None:
                self._render(release, material)
        blobs = [blob for _, _, material in wanted for _, blob in material.read]
        blobs += [blob for _, _, material in wanted for blob in material.compared.values()]
        answers = manifest_files(blobs, self._content, self._cache, self._reader)
        for release, environment, material in wanted:
            source = _source(release, environment, material, answers, hints, self._opener)
            found[release.name] = (source, tuple(material.problems))
        return found

    def _kustomized(self, releases: Iterable[Spec[Release]]) -> dict[str, "_Material"]:
        """What each release's kustomization is made of."""
        roots = {release.name: (release.spec.source.path, release.place_of("source", "path")) for release in releases}
        return {
            name: _Material(
                tuple((entry.path, entry.blob) for _, entry in sorted(closure.entries.items())),
                closure.problems,
                rendered=closure.file,
                entries=tuple(closure.entries[path] for path in sorted(closure.entries)),
            )
            for name, closure in closures(self._tree, roots, self._said).items()
        }

    def _charted(
        self, release: Spec[Release], environment: Spec[Environment] | None, hints: Hints
    ) -> "_Material | None":
        """What its chart is made of; without its environment, nobody knows what to fill into its values."""
        if environment is None:
            return None
        variables = variables_of(release, environment)
        parts = chart_parts(self._tree, release, variables, self._said, self._read, hints, self._opener)
        others = {form: parts.more(form) for form in OTHERS} if parts.hidden else {}
        return _Material(
            parts.named,
            parts.problems,
            rendered=parts.file,
            entries=parts.entries,
            more=parts.more(),
            chart=parts.chart,
            unrendered=LOCKED if parts.locked else None,
            hidden=parts.hidden,
            others=others,
        )

    def _said(self, files: Iterable[TreeEntry]) -> dict[str, ManifestFile]:
        wanted = tuple(files)
        answers = manifest_files((entry.blob for entry in wanted), self._read, self._cache, self._reader)
        return {entry.path: answers[entry.blob] for entry in wanted}

    def _render(self, release: Spec[Release], material: "_Material") -> None:
        folder = material.rendered.rpartition("/")[0]
        renderer = self._renderer
        if material.chart is not None:
            one = (release.name, str(release.spec.namespace))
            renderer = OneRelease(self._charts, *one) if self._charts is not None else None
        rendering = Rendering(renderer, self._read, self._cache)
        try:
            text = rendering.text(folder, material.entries, material.more)
        except Rejected as error:
            place = Place(material.rendered)
            material.problems.append(Problem(place, error.key, error.message, error.own_hint))
            return
        if not isinstance(text, Unrendered):
            self._compare(rendering, folder, material)
            self._texts[text.blob] = text.content
            material.read = ((material.rendered, text.blob),)
        else:
            material.unrendered = text

    def _compare(self, rendering: Rendering, folder: str, material: "_Material") -> None:
        """Render it with other stand-ins too; what is refused with those is left out."""
        for form, more in material.others.items():
            try:
                text = rendering.text(folder, material.entries, more)
            except Rejected:
                continue
            if isinstance(text, Unrendered):
                material.unrendered = text
                return
            self._texts[text.blob] = text.content
            material.compared[form] = text.blob

    def _content(self, blob: BlobId) -> bytes:
        text = self._texts.get(blob)
        return text if text is not None else self._read(blob)

    def _files(self, release: Spec[Release]) -> "_Material":
        asked: list[tuple[str, tuple[str | int, ...]]] = [(release.spec.source.path, ("source", "path"))]
        asked += [(path, ("source", "values", number)) for number, path in enumerate(release.spec.source.values)]
        files: dict[str, TreeEntry] = {}
        problems = []
        for path, steps in asked:
            found = self._tree.under(path)
            files.update({entry.path: entry for entry in found.files})
            for where, message, hint in found.wrong:
                problems.append(Problem(release.place_of(*steps), VALIDATION, f"{where}: {message}", hint))
        if _is(release, SourceKind.MANIFESTS) and files and not any(entry.is_yaml for entry in files.values()):
            place = release.place_of("source", "path")
            problems.append(Problem(place, VALIDATION, f"{release.spec.source.path}: no *.yaml or *.yml stands there"))
        named = tuple((path, files[path].blob) for path in sorted(files))
        if _is(release, SourceKind.MANIFESTS):
            named = tuple((path, blob) for path, blob in named if files[path].is_yaml)
            return _Material(named, problems, read=named)
        return _Material(named, problems)


def variables_of(release: Spec[Release], environment: Spec[Environment]) -> dict[str, str]:
    """The closed set that `${name}` in a release's source is filled from; the release's own win."""
    return {**environment.spec.variables, **release.spec.variables}


def _is(release: Spec[Release], kind: SourceKind) -> bool:
    return release.spec.source.type is kind


def _source(
    release: Spec[Release],
    environment: Spec[Environment] | None,
    material: "_Material",
    answers: Mapping[BlobId, ManifestFile],
    hints: Hints,
    opener: Opener | None,
) -> ReleaseSource:
    spec = release.spec
    problems = material.problems
    if (
        not material.read or environment is None or material.unrendered is not None
    ):  # without its environment, nobody knows what to fill in
        return ReleaseSource(spec.source.type, spec.source.path, material.files, unrendered=material.unrendered)
    rendered = bool(material.rendered)
    placed: list[Placed] = []
    try:
        for path, blob in material.read:
            for finding in answers[blob].findings:
                problems.append(_unplaced(finding, path) if rendered else finding.at(path))
            placed += [_opened(one, material, environment.name, opener) for one in answers[blob].placed(path)]
    except _NoKey:
        why = Unrendered("permission_denied", "opening its encrypted Secrets: no age identity is here")
        return ReleaseSource(spec.source.type, spec.source.path, material.files, unrendered=why)
    filled = placed
    if material.chart is None:  # the values of a chart were filled in before it was rendered
        filled = _all_filled(placed, variables_of(release, environment), problems, hints)
    flat = [item for document in filled for item in flattened(document, problems)]
    good = [item for item in flat if is_object(item, problems)]
    if material.hidden:
        others = {form: answers[blob] for form, blob in material.compared.items()}
        good = list(put_in(good, material.rendered, Compared(material.hidden, others), problems))
    if material.chart is not None:
        good = kept_by_helm(good, release, problems)
    if rendered and not good and not problems:  # an empty release would delete everything
        problems.append(Problem(Place(material.rendered), VALIDATION, "it renders to nothing"))
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
    check_kinds(release, objects, problems)
    items = [(item.value, item.place()) for item in good]
    check_canary(release, items, problems)
    check_metrics(release, objects, problems)
    standing, jobs = set_apart(release, items, problems)
    sent = coloured(release, tracked(release, standing), problems)
    check_ignored(release, [item for item, _ in standing], problems, hints)
    return ReleaseSource(
        spec.source.type,
        spec.source.path,
        material.files,
        tuple(item for item, _ in sent),
        images_of(objects),
        tuple(place for _, place in sent),
        in_the_open=tuple(str(object_ref(item.value)) for item in good if not item.sealed and holds_values(item.value)),
        chart=material.chart,
        jobs=jobs,
    )


class _NoKey(Exception):
    """Something is encrypted, and this process opens nothing."""


def _opened(document: Placed, material: "_Material", environment: str, opener: Opener | None) -> Placed:
    """The document as it was before it was encrypted, if it was; an empty one where it cannot be opened."""
    document = replace(document, places={}) if material.rendered else document
    if not is_sealed(document.value):
        return document
    if opener is None:
        raise _NoKey
    try:
        clear = opened(document.value, environment, opener, whole=not material.rendered)
    except NotOpened as error:
        message = f"opening what SOPS encrypted{_in_object(document.value)}: {error.message}"
        material.problems.append(Problem(document.place(*error.steps), error.key, message, error.hint))
        return replace(document, value=NOTHING)
    return replace(document, value=clear, sealed=True)


def _all_filled(
    placed: Iterable[Placed], variables: Mapping[str, str], problems: list[Problem], hints: Hints
) -> list[Placed]:
    """Every document with its holes filled; what was encrypted is nobody's text and stays as it is."""
    filled = []
    left = MOST_TEXT
    for document in placed:
        if not document.sealed:
            document, left = _filled(document, variables, left, problems, hints)
        filled.append(document)
    return filled


def _unplaced(finding: Finding, path: str) -> Problem:
    """Lines of what was rendered are lines of no file."""
    return Problem(Place(path), finding.key, f"what it renders to: {finding.message}", finding.hint)


def _in_object(value: Any) -> str:
    named = named_in(value)
    return f" (in {named})" if named else ""


def _filled(
    document: Placed, variables: Mapping[str, str], most: int, problems: list[Problem], hints: Hints
) -> tuple[Placed, int]:
    """The document with its holes filled, and how many characters the release's other documents may still have."""

    def unknown(way: Steps, name: str) -> None:
        hint = hints.near(name, variables) or "define it in the release or the environment; $${ keeps a ${"
        message = f'there is no variable "{name[:80]}"{"" if document.places else _in_object(document.value)}'
        problems.append(Problem(document.place(*way), VALIDATION, message, hint))

    filling = Filling(variables, unknown, most)
    try:
        value = filling.fill(document.value)
    except TooMuch:
        problems.append(Problem(document.place(), VALIDATION, f"the source is larger than {MOST_TEXT:,} characters"))
        return replace(document, value=NOTHING), 0
    return replace(document, value=value), filling.left
