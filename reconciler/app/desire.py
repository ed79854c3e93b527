"""The desired state at a revision: blobs -> specs -> resolved -> units, each cached by what it is made of.

Nothing is checked out and nothing is parsed twice: parse results are kept by blob id, whole sides by tree id, and a new
side takes over from the last one every value that is made of the same, so that a change costs and keeps what changed.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.git import trees
from reconciler.git.mirror import Mirror
from reconciler.names import BlobId, Revision
from reconciler.plan.make import Side
from reconciler.plan.units import Cutter
from reconciler.ports import Bundles
from reconciler.specs.cache import ParseCache
from reconciler.specs.desired import Desired
from reconciler.specs.load import Loaded, load, uninterrupted
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import TreeEntry
from reconciler.state.bundle import Bundle
from reconciler.state.observed import Failure

KEPT_SIDES = 16  # trees: the tip, the accepted ones, those of open pull requests
LARGEST_BLOB = 8 * 1024 * 1024  # bytes; what specs and sources may be is bounded far below by their parsers


@dataclass(slots=True)
class Desires:
    """Sides by revision (a commit or a tree id)."""

    mirror: Mirror
    cache: ParseCache
    bundles: Bundles
    key: bytes = field(repr=False)
    _sides: OrderedDict[str, Side] = field(default_factory=OrderedDict)
    _last: tuple[Loaded, Side] | None = None  # what the next one takes over where nothing changed
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def at(self, revision: Revision) -> Side:
        """The desired state of a commit or a tree, and its units. Problems are in it, never raised."""
        with self._lock:
            known = self._sides.get(revision)
            if known is None:
                known = self._make(revision)
                self._sides[revision] = known
            self._sides.move_to_end(revision)
            while len(self._sides) > KEPT_SIDES:
                self._sides.popitem(last=False)
            return known

    def forget(self) -> None:
        """Drop what is kept: the bundles on disk changed."""
        with self._lock:
            self._sides.clear()
            self._last = None

    @uninterrupted()
    def _make(self, revision: Revision) -> Side:
        repository = self.mirror.repository
        entries = tuple(TreeEntry(e.path, e.blob, e.mode) for e in trees.entries(repository, revision))

        def read(blob: BlobId) -> bytes:
            content = trees.read_blob(repository, blob, LARGEST_BLOB)
            if content is None:
                raise Unavailable(
                    f"reading blob {blob}: it is larger than {LARGEST_BLOB} bytes", key="validation_error"
                )
            return content

        loaded_before, side_before = self._last or (None, None)
        with Reader() as reader:  # starts a child only where something was never parsed before
            loaded = load(entries, read, self.cache, reader, loaded_before)
            known = side_before.desired if side_before is not None else None
            desired = resolve(loaded, entries, read, self.cache, reader, known)
        digests = {
            version: bundle.digest
            for version, bundle in self.found_bundles(desired).items()
            if isinstance(bundle, Bundle)
        }
        side = Side(desired, Cutter(self.key, digests).cut(desired, side_before))
        self._last = (loaded, side)
        return side

    def found_bundles(self, desired: Desired) -> Mapping[str, Bundle | Failure]:
        """The verified bundle of each version that an environment names, or why there is none."""
        wanted = {env.spec.bundle.version for env in desired.environments.values() if env.spec.bundle is not None}
        found: dict[str, Bundle | Failure] = {}
        for version in sorted(wanted):
            try:
                found[version] = self.bundles.load(version)
            except ReconcilerError as error:
                found[version] = Failure(error.key, error.message)
        return found
