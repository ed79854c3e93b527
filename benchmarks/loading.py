"""Loading many specs: cold, after a restart, and when one file changed.

The peer of a cold load is what one would write in an hour: `yaml.safe_load` and jsonschema over a work tree. It runs on
a tenth of the files and is scaled, because it takes so long. A restart is compared with our own cold start, one changed
file with git's own answer to what changed.
"""

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import jsonschema
import yaml

from benchmarks.measure import Result, compared
from benchmarks.specs_tree import Tree
from reconciler.app.desire import Desires
from reconciler.bundle.folder import FolderBundles
from reconciler.git import trees
from reconciler.git.bare import BareRepository
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.names import BlobId, Revision
from reconciler.plan.make import Side
from reconciler.specs.cache import MemoryCache, ParseCache, SqliteCache
from reconciler.specs.load import Loaded, load
from reconciler.specs.nursery import Origin, nursery
from reconciler.specs.reader import Reader
from reconciler.specs.source import TreeEntry

PART = 10  # the peer reads every so many files
CHANGES = 20  # changed files in one run
SCHEMAS = Path(__file__).parent.parent / "schemas"


def loading(folder: Path, specs: int, runs: int) -> Iterator[Result]:
    """The rows about loading."""
    tree = Tree.make(folder, specs)
    tree.write_out(folder / "checkout")
    yield _cold(tree, folder, runs)
    yield _restart(tree, folder, runs)
    yield from _changed(tree, folder, runs)


def load_at(repository: BareRepository, revision: Revision, cache: ParseCache) -> Loaded:
    """Read, parse and validate what a revision holds; ends whatever it started."""
    with Reader() as reader:
        return load(trees.entries(repository, revision), lambda blob: content(repository, blob), cache, reader)


def close_nurseries() -> None:
    """End what was started to read."""
    for origin in Origin:
        nursery(origin).close()


def content(repository: BareRepository, blob: BlobId) -> bytes:
    """A blob's bytes."""
    found = trees.read_blob(repository, blob, 1 << 20)
    assert found is not None
    return found


def desires(folder: Path, tree: Tree, cache: Path) -> Desires:
    """As a reconciler has them, with a mirror of the tree."""
    mirror = Mirror(folder / "mirror", Remote(str(tree.path)), tree.repository.transport)
    mirror.sync()
    return Desires(mirror, SqliteCache(cache), FolderBundles((), ()), b"k" * 32)


def _cold(tree: Tree, folder: Path, runs: int) -> Result:
    caches = (folder / f"cold-{number}.sqlite" for number in count())
    schemas = {
        path.stem: jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
        for path in SCHEMAS.glob("*.json")
    }
    files = sorted((folder / "checkout").rglob("*.yaml"))[::PART]
    loaded: list[Loaded] = []

    def ours() -> None:
        loaded.append(load_at(tree.repository, tree.tip, SqliteCache(next(caches))))
        close_nurseries()  # what they imported and read counts

    def obvious() -> None:
        for path in files:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            schemas[document["kind"].lower()].validate(document)

    return compared(
        "load.cold",
        f"read from Git, parse and validate {tree.shape.specs:,} specs, and keep the answers",
        ours,
        (f"yaml.safe_load + jsonschema, on every {PART}th file, x {PART}", obvious),
        runs=runs,
        times=(1, tree.shape.specs / len(files)),
        goal=15.0,
        counts=lambda: {"parsed": loaded[-1].parsed, "problems": len(loaded[-1].problems)},
    )


def _restart(tree: Tree, folder: Path, runs: int) -> Result:
    kept = folder / "kept.sqlite"
    load_at(tree.repository, tree.tip, SqliteCache(kept))
    close_nurseries()
    loaded: list[Loaded] = []

    def restart() -> None:
        loaded.append(load_at(tree.repository, tree.tip, SqliteCache(kept)))
        close_nurseries()

    def cold() -> None:
        load_at(tree.repository, tree.tip, MemoryCache())
        close_nurseries()

    return compared(
        "load.restart",
        f"a new process finds {tree.shape.specs:,} specs in its cache",
        restart,
        ("our own cold load", cold),
        runs=runs,
        goal=10.0,
        counts=lambda: {"parsed": loaded[-1].parsed, "blobs read": loaded[-1].read},
    )


def _changed(tree: Tree, folder: Path, runs: int) -> Iterator[Result]:
    """One changed file, as far as load goes, and as far as the units that planning needs."""
    kept = SqliteCache(folder / "changed.sqlite")
    start = tree.tip
    tags = (f"v1.{number}.0" for number in count(1))
    steps = [(tree.tip, tree.change(7, next(tags))) for _ in range(CHANGES * (runs + 1))]
    pending, blobs = iter(steps), list[int]()

    def read_changed() -> None:
        for _ in range(CHANGES):
            old, new = next(pending)
            changes = trees.changed(tree.repository, old, new)
            entries = [TreeEntry(one.path, one.new_blob, one.new_mode) for one in changes if one.new_blob]
            with Reader() as reader:
                loaded = load(entries, lambda blob: content(tree.repository, blob), kept, reader)
            blobs.append(loaded.parsed)

    def names() -> None:
        subprocess.run(
            ["git", f"--git-dir={tree.path}", "diff", "--name-only", start, steps[0][1]],
            check=True,
            capture_output=True,
        )

    peer = ("git diff --name-only", names)
    yield compared(
        "load.changed",
        "find, read, parse, validate and keep one changed file",
        read_changed,
        peer,
        runs=runs,
        times=(CHANGES, 1.0),
        goal=1.0,
        counts=lambda: {"parsed": blobs[-1]},
        note="in a child of its own, whose start is most of it",
    )
    made = desires(folder, tree, folder / "side.sqlite")
    made.at(start)
    sides, again, units = iter(steps), 3, list[Side]()

    def side() -> None:
        for _ in range(again):
            units.append(made.at(next(sides)[1]))
        del units[:-1]

    yield compared(
        "side.changed",
        f"the same, then everything that planning needs of all {tree.shape.specs:,} specs",
        side,
        peer,
        runs=runs,
        times=(again, 1.0),
        counts=lambda: {"units": len(units[-1].units)},
    )
