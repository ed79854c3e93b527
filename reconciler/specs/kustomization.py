"""What a kustomization names, read before anything renders it: its folders, and what it may not ask for.

Knows the fields of a kustomization file (https://kubectl.docs.kubernetes.io/references/kustomize/). Rules: the list of
fields is closed, so that what a later tool invents is refused until somebody looked at it; a path leads to a file or a
folder of the same revision, never to an address, and never out of the repository; nothing runs code.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.specs.finding import VALIDATION
from reconciler.specs.manifest_files import ManifestFile
from reconciler.specs.objects import Placed
from reconciler.specs.source import TreeEntry
from reconciler.specs.tree import Tree

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MOST_FOLDERS = 64  # that one release's kustomization is made of
MOST_FILES = 2_000
MOST_NAMED = 5_000  # paths in one kustomization file
PLAIN = frozenset(
    {
        "apiVersion", "kind", "metadata", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels", "images",
        "commonAnnotations", "replicas", "generatorOptions", "vars", "sortOptions",
    }
)  # fmt: skip
FOLDERS_TOO = ("resources", "bases", "components")  # each may name files and folders
FILES = ("crds", "configurations", "patchesStrategicMerge")
WITH_PATHS = ("patches", "patchesJson6902", "replacements")
GENERATORS = ("configMapGenerator", "secretGenerator")
RUNS_CODE = frozenset({"generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator"})
HINT_CODE = "charts, plugins and functions are not run here; write what they make into the repository"
_PATH = re.compile(r"[A-Za-z0-9._+/ -]{1,1024}", re.ASCII)
_ADDRESS = re.compile(r"\.git(/|$)|//|^(www\.)?github\.com|^(gitlab|bitbucket)\.|(^|/)_git/", re.IGNORECASE)

Look = Callable[[Iterable[TreeEntry]], Mapping[str, ManifestFile]]  # kustomization files -> what they say, by path


@dataclass(slots=True)
class Closure:
    """Everything that one kustomization is made of. `file` is empty where there is none."""

    file: str = ""
    entries: dict[str, TreeEntry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    closure: Closure
    place: Place  # where the release names it
    seen: set[str] = field(default_factory=set)
    left: list[tuple[str, Place]] = field(default_factory=list)


def closures(tree: Tree, roots: Mapping[str, tuple[str, Place]], look: Look) -> dict[str, Closure]:
    """By release: what its kustomization is made of. `roots`: the folder that each names, and where it does."""
    walks = {
        release: _Walk(Closure(), place, left=[(_folder(path), place)]) for release, (path, place) in roots.items()
    }
    while any(walk.left for walk in walks.values()):
        files: dict[str, list[tuple[_Walk, TreeEntry]]] = {}
        for walk in walks.values():
            folders, walk.left = walk.left, []
            for folder, place in folders:
                file = _entered(tree, walk, folder, place)
                if file is not None:
                    files.setdefault(file.path, []).append((walk, file))
        read = look({pair[1] for pairs in files.values() for pair in pairs})
        for path, pairs in files.items():
            for walk, _ in pairs:
                walk.closure.problems += [finding.at(path) for finding in read[path].findings]
                _followed(tree, walk, path, read[path].placed(path))
    return {release: walk.closure for release, walk in walks.items()}


def _folder(path: str) -> str:
    """A source may name the folder, or the kustomization file in it."""
    folder, _, name = path.rpartition("/")
    return folder if folder and name in NAMES else path.rstrip("/")


def _entered(tree: Tree, walk: _Walk, folder: str, place: Place) -> TreeEntry | None:
    """Take a folder in; its kustomization file."""
    if folder in walk.seen:
        return None
    walk.seen.add(folder)
    closure = walk.closure

    def wrong(message: str, hint: str = "") -> None:
        closure.problems.append(Problem(place, VALIDATION, message, hint))

    if len(walk.seen) > MOST_FOLDERS:
        wrong(f"it is made of more than {MOST_FOLDERS} folders")
        walk.left.clear()
        return None
    found = tree.under(folder)
    for where, message, hint in found.wrong:
        wrong(f"{where}: {message}", hint)
    closure.entries.update({entry.path: entry for entry in found.files})
    if len(closure.entries) > MOST_FILES:
        wrong(f"it is made of more than {MOST_FILES} files")
        return None
    prefix = f"{folder}/" if folder else ""
    mine = [entry for entry in found.files if entry.path in {prefix + name for name in NAMES}]
    if len(mine) == 1:
        closure.file = closure.file or mine[0].path
        return mine[0]
    if len(mine) > 1:
        wrong(f"{folder}: more than one of {', '.join(NAMES)} stands there", "keep one of them")
    elif not found.wrong:
        wrong(f"{folder}: none of {', '.join(NAMES)} stands there", "name the folder that holds one")
    return None


def _followed(tree: Tree, walk: _Walk, path: str, documents: tuple[Placed, ...]) -> None:
    """Judge one kustomization file, and note the folders that it leads to."""
    problems = walk.closure.problems
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        if not any(problem.place.path == path for problem in problems):
            problems.append(Problem(Place(path), VALIDATION, "a kustomization is one mapping"))
        return
    document = documents[0]
    named = 0
    for key in document.value:
        named += 1
        if key in RUNS_CODE or key == "helmGlobals":
            problems.append(Problem(document.place(key), VALIDATION, f"{key} is not rendered here", HINT_CODE))
        elif not (key in PLAIN or key in FOLDERS_TOO or key in FILES or key in WITH_PATHS or key in GENERATORS):
            problems.append(Problem(document.place(key), VALIDATION, f'a kustomization has no field "{key[:60]}" here'))
    folder = posixpath.dirname(path)
    for text, place, may_be_folder in _paths(document):
        named += 1
        if named > MOST_NAMED:
            problems.append(Problem(Place(path), VALIDATION, f"it names more than {MOST_NAMED} files"))
            return
        target = _judged(tree, folder, text, place, problems, may_be_folder=may_be_folder)
        if target is not None:
            walk.left.append((target, place))


def _judged(
    tree: Tree, folder: str, text: Any, place: Place, problems: list[Problem], *, may_be_folder: bool
) -> str | None:
    """The folder that a path leads to, if it is one; what is wrong with it is noted."""

    def wrong(message: str, hint: str = "") -> None:
        problems.append(Problem(place, VALIDATION, message, hint))

    if not isinstance(text, str):
        wrong("a path is text")
        return None
    shown = text[:80] if text.isprintable() else "this"
    if not _PATH.fullmatch(text) or _ADDRESS.search(text) or text.startswith("/"):
        wrong(f"{shown}: only paths within the repository are followed", "commit what stands there, name its folder")
        return None
    target = posixpath.normpath(posixpath.join(folder, text))
    if target == ".." or target.startswith("../"):
        wrong(f"{shown}: this leads out of the repository")
        return None
    if target == ".":
        wrong(f"{shown}: this is the whole repository", "put the kustomization into a folder")
        return None
    if tree.is_file(target):
        return None
    if tree.is_folder(target) and may_be_folder:
        return target
    wrong(f"{shown}: {'no file stands there' if not may_be_folder else 'nothing stands there'}")
    return None


def _paths(document: Placed) -> Iterator[tuple[Any, Place, bool]]:
    """Every path in a kustomization, where it is written, and whether it may be a folder."""
    value = document.value
    for key in (*FOLDERS_TOO, *FILES):
        for number, item in enumerate(_list(value.get(key))):
            if key != "patchesStrategicMerge" or not (isinstance(item, str) and "\n" in item):  # else a patch itself
                yield item, document.place(key, number), key in FOLDERS_TOO
    for key in WITH_PATHS:
        for number, item in enumerate(_list(value.get(key))):
            if isinstance(item, dict) and item.get("path") not in (None, ""):
                yield item["path"], document.place(key, number, "path"), False
    for key in GENERATORS:
        for number, item in enumerate(_list(value.get(key))):
            for name in ("files", "envs"):
                for one in _list(item.get(name)) if isinstance(item, dict) else []:
                    text = one.partition("=")[2] if isinstance(one, str) and "=" in one and name == "files" else one
                    yield text, document.place(key, number), False
            if isinstance(item, dict) and item.get("env") not in (None, ""):
                yield item["env"], document.place(key, number), False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
