"""Releases of Helm before and after their chart is rendered: what a chart is made of, its values, and what came out.

Knows a chart's folder and Helm's annotations; the tool is behind `ChartRenderer`. Rules: everything is in the
repository (nothing is fetched, so what a chart needs stands in its `charts/`, unpacked or as an archive); `${name}` is
filled into values after parsing, never into templates or into what they render to; what Helm would do beside keeping
objects is done (chart_hooks.py) or refused by name, never left out in silence. What lies in crds/ is
made where it is missing and never changed, as Helm does it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

from reconciler.errors import Place, Problem, ReconcilerError
from reconciler.names import BlobId
from reconciler.specs import chart_hooks
from reconciler.specs.asking import Read
from reconciler.specs.chart import DEFINITION, END_API, END_KIND, KEPT, ONCE, REMEMBERED, Chart
from reconciler.specs.chart_archives import SUFFIX, NotOpened, packed, unpacked
from reconciler.specs.finding import VALIDATION, Hints
from reconciler.specs.kinds import Release
from reconciler.specs.manifest_files import ManifestFile
from reconciler.specs.objects import Placed
from reconciler.specs.sealed import NotOpened as NotUnsealed
from reconciler.specs.sealed import Opener, is_sealed, opened_values
from reconciler.specs.source import TreeEntry, is_lfs_pointer
from reconciler.specs.spec import Spec
from reconciler.specs.stand_ins import Form, Hidden, hidden_in, standing
from reconciler.specs.substitute import Filling, TooMuch
from reconciler.specs.tree import Tree

CHART_FILE: Final = "Chart.yaml"
VALUES_SUFFIX: Final = ".values.json"  # beside the chart's folder, not in it: a template could read it as a file
MOST_FILES: Final = 2000
MOST_UNPACKED: Final = 16 * 1024 * 1024  # bytes of all its archives
MOST_VALUES: Final = 4 * 1024 * 1024  # characters
LONGEST_NAME: Final = 53  # of a release of Helm
POLICY: Final = "helm.sh/resource-policy"
KEEP: Final = "keep"  # the one policy there is: Helm leaves the object behind
MARKS: Final = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"

_ACTION = re.compile(rb"\{\{(.*?)\}\}", re.DOTALL)
_COMMENT = re.compile(rb"/\*.*?\*/", re.DOTALL)
_ENCRYPTED: Final = b"ENC[AES256_GCM,"
_LOOKUP = re.compile(rb"(?<![\w.$\"-])lookup(?![\w\"-])")

Look = Callable[[Iterable[TreeEntry]], Mapping[str, ManifestFile]]  # files -> what they say, by path
Item = Mapping[str, Any]


class ChartRenderer(Protocol):
    """What renders charts."""

    def identity(self) -> str:
        """What renders, with its version. Raises Unavailable where there is none."""

    def render(self, files: Mapping[str, bytes], folder: str, release: str, namespace: str) -> bytes:
        """What the chart in a folder of these files renders to for a release, with the values beside it.

        Raises Rejected where it cannot be rendered, or not twice alike, Unavailable where not here and now.
        """


@dataclass(frozen=True, slots=True)
class OneRelease:
    """A renderer of one release's chart: a `Renderer`."""

    charts: ChartRenderer
    release: str
    namespace: str

    def identity(self) -> str:
        """With whom it renders for, because templates see that."""
        return f"{self.charts.identity()} {self.namespace}/{self.release}"

    def render(self, files: Mapping[str, bytes], folder: str) -> bytes:
        """What the chart in a folder renders to."""
        return self.charts.render(files, folder, self.release, self.namespace)


@dataclass(slots=True)
class ChartParts:
    """What one release is rendered from. `entries` are the chart's files, `named` those and the value files."""

    file: str
    entries: tuple[TreeEntry, ...] = ()
    named: tuple[tuple[str, BlobId], ...] = ()
    problems: list[Problem] = field(default_factory=list)
    chart: Chart | None = None
    archives: dict[str, bytes] = field(default_factory=dict)  # by path, packed again; no longer among `entries`
    values: dict[str, Any] = field(default_factory=dict, repr=False)  # Hidden where they were encrypted
    locked: bool = False  # some are encrypted, and nobody here opens them

    def more(self, form: Form = Form.PLAIN) -> dict[str, bytes]:
        """The file of values that lies beside the chart, and its archives."""
        values = json.dumps(standing(self.values, form), sort_keys=True).encode()
        return {values_file(self.file.rpartition("/")[0]): values, **self.archives}

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """The encrypted values that the chart is rendered without, each once."""
        return tuple({one.tag: one for one in hidden_in(self.values)}.values())


def values_file(folder: str) -> str:
    """Where the values of the chart in a folder lie."""
    return f"{folder}{VALUES_SUFFIX}"


def chart_parts(
    tree: Tree,
    release: Spec[Release],
    variables: Mapping[str, str],
    look: Look,
    read: Read,
    hints: Hints,
    opener: Opener | None = None,
) -> ChartParts:
    """What a release's chart is made of, and what is wrong with that."""
    folder = release.spec.source.path.rstrip("/")
    parts = ChartParts(f"{folder}/{CHART_FILE}")
    place = release.place_of("source", "path")
    found = tree.under(folder)
    parts.problems += [Problem(place, VALIDATION, f"{where}: {message}", hint) for where, message, hint in found.wrong]
    parts.entries = tuple(sorted(found.files))
    values: list[TreeEntry] = []
    for number, path in enumerate(release.spec.source.values):
        there = tree.under(path)
        at = release.place_of("source", "values", number)
        parts.problems += [Problem(at, VALIDATION, f"{where}: {message}", hint) for where, message, hint in there.wrong]
        if not there.wrong and not tree.is_file(path):
            parts.problems.append(Problem(at, VALIDATION, f"{path}: values are a file"))
        values += there.files
    parts.named = tuple(sorted({(entry.path, entry.blob) for entry in (*parts.entries, *values)}))
    if not found.wrong and not tree.is_file(parts.file):
        message = f"{folder}: no {CHART_FILE} stands there"
        parts.problems.append(Problem(place, VALIDATION, message, "name the folder of a chart"))
    if len(release.name) > LONGEST_NAME:
        message = f"a release of Helm has a name of at most {LONGEST_NAME} characters"
        parts.problems.append(Problem(release.place_of("metadata", "name"), VALIDATION, message))
    if len(parts.entries) > MOST_FILES:
        parts.problems.append(Problem(place, VALIDATION, f"the chart has more than {MOST_FILES} files"))
    if parts.problems:
        return parts
    _check_files(parts, folder, read)
    said = look([entry for entry in parts.entries if entry.path == parts.file] + values)
    metadata = _metadata(parts, said[parts.file])
    sealed = _Sealed(parts, release.name, release.spec.environment, opener)
    parts.values = _values(parts, said, values, variables, hints, sealed)
    parts.chart = Chart(metadata, standing(parts.values, None))
    return parts


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Opens files of values."""

    parts: ChartParts
    release: str
    environment: str
    opener: Opener | None

    def opened(self, document: Placed) -> dict[str, Any]:
        """The values of one; none where it cannot be opened, which is a problem then, or said of the release."""
        if self.opener is None:
            self.parts.locked = True
            return {}
        try:
            return opened_values(document.value, self.environment, self.opener, self.release)
        except NotUnsealed as error:
            message = f"opening values that SOPS encrypted: {error.message}"
            self.parts.problems.append(Problem(document.place(*error.steps), error.key, message, error.hint))
            return {}


def _check_files(parts: ChartParts, folder: str, read: Read) -> None:
    left = MOST_UNPACKED
    for entry in parts.entries:
        steps = entry.path.removeprefix(f"{folder}/").split("/")
        wrong: tuple[str, str] | None
        try:
            if _is_archive(steps):
                files = unpacked(_readable(read(entry.blob)), left)
                left -= sum(map(len, files.values()))
                parts.archives[entry.path] = packed(files)
                wrong = _wrong_within(files)
            else:
                wrong = _wrong(steps, partial(read, entry.blob))
        except ReconcilerError as error:
            wrong = error.message, ""
        except NotOpened as error:
            wrong = f"the archive is not opened: {error}", "make it with `helm dependency build`, or unpack it"
        if wrong:
            parts.problems.append(Problem(Place(entry.path), VALIDATION, *wrong))
    parts.entries = tuple(entry for entry in parts.entries if entry.path not in parts.archives)


def _below(steps: list[str]) -> list[str]:
    """The way within the chart, of those that lie in each other, that a file belongs to."""
    while len(steps) > 2 and steps[0] == "charts":
        steps = steps[2:]
    return steps


def _is_archive(steps: list[str]) -> bool:
    match _below(steps):
        case ["charts", name]:
            return name.endswith(SUFFIX)
    return False


def _readable(content: bytes) -> bytes:
    if is_lfs_pointer(content):
        raise NotOpened("Git LFS keeps its content elsewhere")
    return content


def _wrong_within(files: Mapping[str, bytes]) -> tuple[str, str] | None:
    for path, content in files.items():
        steps = path.split("/")
        wrong = _wrong(steps, lambda content=content: content)  # type: ignore[misc]
        if _is_archive(steps):
            wrong = "it holds another archive", "unpack it"
        if wrong:
            return f"{path} in the archive: {wrong[0]}", wrong[1]
    return None


def _wrong(steps: list[str], content: Callable[[], bytes]) -> tuple[str, str] | None:
    match _below(steps):
        case ["charts", name] if name.endswith(".tar.gz"):
            return f"Helm opens archives that are called *{SUFFIX} only", "unpack it into a folder beside"
        case ["values.yaml"] if _ENCRYPTED in content():
            hint = "put them into a file beside the chart, and name it in source.values"
            return "the chart's own values are encrypted, and Helm would take what stands there for the values", hint
        case ["templates", *_]:
            if any(_LOOKUP.search(_COMMENT.sub(b"", action)) for action in _ACTION.findall(content())):
                hint = "take it from values; what is approved must not depend on what stands on the cluster later"
                return "a template uses lookup, so nobody can tell what it renders to", hint
    return None


def _metadata(parts: ChartParts, file: ManifestFile) -> dict[str, str]:
    parts.problems += [finding.at(parts.file) for finding in file.findings]
    documents = file.placed(parts.file)
    value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, dict) or not all(value.get(key) for key in ("name", "version")):
        if not parts.problems:
            parts.problems.append(Problem(Place(parts.file), VALIDATION, "a chart has a name and a version"))
        return {}
    return {key: str(value[key]) for key in REMEMBERED if value.get(key) is not None}


def _values(
    parts: ChartParts,
    said: Mapping[str, ManifestFile],
    files: Iterable[TreeEntry],
    variables: Mapping[str, str],
    hints: Hints,
    sealed: _Sealed,
) -> dict[str, Any]:
    """The value files as one, later ones winning, with their holes filled; what was encrypted is nobody's text."""
    merged: dict[str, Any] = {}
    left = MOST_VALUES
    for entry in files:
        parts.problems += [finding.at(entry.path) for finding in said[entry.path].findings]
        for document in said[entry.path].placed(entry.path):
            if is_sealed(document.value):
                merged = _over(merged, sealed.opened(document))
                continue
            value, left = _filled(document, variables, left, parts.problems, hints)
            if isinstance(value, dict):
                merged = _over(merged, value)
            elif value is not None:
                parts.problems.append(Problem(document.place(), VALIDATION, "values are one mapping"))
    return merged


def _filled(
    document: Placed, variables: Mapping[str, str], most: int, problems: list[Problem], hints: Hints
) -> tuple[Any, int]:
    def unknown(way: tuple[str | int, ...], name: str) -> None:
        hint = hints.near(name, variables) or "define it in the release or the environment; $${ keeps a ${"
        problems.append(Problem(document.place(*way), VALIDATION, f'there is no variable "{name[:80]}"', hint))

    filling = Filling(variables, unknown, most)
    try:
        return filling.fill(document.value), filling.left
    except TooMuch:
        message = f"the values are larger than {MOST_VALUES:,} characters"
        problems.append(Problem(document.place(), VALIDATION, message))
        return {}, 0


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm puts one file of values over another: mappings are merged, all else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        before = merged.get(key)
        merged[key] = _over(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def kept_by_helm(items: Iterable[Placed], release: Spec[Release], problems: list[Problem]) -> list[Placed]:
    """The checked objects of a release with Helm's marks, without its tests; what cannot be kept so is a problem."""
    namespace = str(release.spec.namespace)
    good, rest = _definitions(list(items), problems)
    for item in rest:
        metadata = item.value["metadata"]
        annotations = metadata.get("annotations") if isinstance(metadata.get("annotations"), dict) else {}
        what = f"{item.value['kind']} {metadata['name']}"
        if chart_hooks.is_test(item.value):
            continue
        wrong = chart_hooks.wrong(item.value) or _not_kept(item.value, annotations, namespace)
        if wrong:
            problems.append(Problem(item.place(), VALIDATION, f"what it renders to: {what} {wrong[0]}", wrong[1]))
            continue
        if chart_hooks.is_run(item.value):
            good.append(replace(item, value=chart_hooks.kept(item.value)))
            continue
        said = {**annotations, **(KEPT if annotations.get(POLICY) == KEEP else {})}
        labels = metadata.get("labels") if isinstance(metadata.get("labels"), dict) else {}
        if not chart_hooks.moments(item.value):  # a hook is no part of what Helm remembers
            said |= dict(zip(MARKS, (release.name, namespace), strict=True))
            labels = {**labels, MANAGED_BY: "Helm"}
        marked = {**metadata, **({"labels": labels} if labels else {}), **({"annotations": said} if said else {})}
        good.append(replace(item, value={**item.value, "metadata": marked}))
    return good


def _definitions(items: list[Placed], problems: list[Problem]) -> tuple[list[Placed], list[Placed]]:
    """What lies in crds/, marked to be made once, and the rest. Helm's marks are not on it: not in its release."""
    kinds = [(item.value["apiVersion"], item.value["kind"]) for item in items]
    end = kinds.index((END_API, END_KIND)) if (END_API, END_KIND) in kinds else -1
    good = []
    for item in items[: max(end, 0)]:
        metadata = item.value["metadata"]
        if item.value["kind"] != DEFINITION:
            message = f"crds/ holds {item.value['kind']} {metadata['name']}, which is no definition of a kind"
            problems.append(Problem(item.place(), VALIDATION, message, "put it into templates/"))
            continue
        annotations = metadata.get("annotations") if isinstance(metadata.get("annotations"), dict) else {}
        good.append(
            replace(item, value={**item.value, "metadata": {**metadata, "annotations": {**annotations, **ONCE}}})
        )
    return good, items[end + 1 :]


def _not_kept(body: Item, annotations: Item, namespace: str) -> tuple[str, str] | None:
    if annotations.get(POLICY, KEEP) != KEEP:
        return f"says {POLICY}: {str(annotations[POLICY])[:80]}, and there is only {KEEP}", "say that, or take it out"
    if body["kind"] == "Namespace" and body["metadata"]["name"] == namespace:
        return "is where Helm keeps the release, and has to exist before it", "put it into a release of its own"
    return None
