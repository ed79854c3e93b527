"""The desired state at a revision: blobs -> specs -> resolved -> units, each cached by what it is made of.

Nothing is checked out and nothing is parsed twice: parse results are kept by blob id, whole sides by tree id, and a new
side takes over from the last one every value that is made of the same, so that a change costs and keeps what changed.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.errors import ReconcilerError, Unavailable
from reconciler.git import history, trees
from reconciler.git.mirror import Mirror
from reconciler.machine.pinning import PinBook
from reconciler.names import BlobId, Revision, UnitKind, UnitRef
from reconciler.plan.make import Side
from reconciler.plan.units import Cutter, Unit
from reconciler.ports import Bundles, Opener, Renderer
from reconciler.specs.cache import ParseCache
from reconciler.specs.charts import ChartRenderer
from reconciler.specs.desired import Desired
from reconciler.specs.image_pins import pinned
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.load import Loaded, load, uninterrupted
from reconciler.specs.pins import Pin
from reconciler.specs.pins import pinned as environments_pinned
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.source import TreeEntry
from reconciler.state.bundle import Bundle
from reconciler.state.observed import Failure

KEPT_SIDES = 16  # trees: the tip, the accepted ones, those of open pull requests; and as many plain ones
LARGEST_BLOB = 8 * 1024 * 1024  # bytes; what specs and sources may be is bounded far below by their parsers


@dataclass(frozen=True, slots=True)
class Plain:
    """What a revision says by itself: no environment's `revision` is followed."""

    entries: tuple[TreeEntry, ...]
    desired: Desired
    units: Mapping[UnitRef, Unit]


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A side as its contents were accepted, and what it was made of."""

    book: PinBook
    moves: int
    side: Side
    pinned: Side

    def made_of(self, side: Side, ref: UnitRef, pins: Mapping[str, str]) -> bool:
        """Whether a release is made of the very same values here and there."""
        mine, theirs = self.side.desired.sources.get(ref.name), side.desired.sources.get(ref.name)
        same = mine is theirs and self.side.units.get(ref) is side.units[ref]
        return same and self.pinned.desired.sources[ref.name].pins == pins


@dataclass(slots=True)
class Desires:
    """Sides by revision (a commit or a tree id).

    A pin is to be a commit of the tracked branch (G19). What a commit holds it answers itself, by its own history; a
    tree has none, so that the branch as it stands answers for it, and the answer ends when the branch moves.
    """

    mirror: Mirror
    cache: ParseCache
    bundles: Bundles
    key: bytes = field(repr=False)
    branch: str = ""  # the tracked one
    renderer: Renderer | None = None
    opener: Opener | None = None
    charts: ChartRenderer | None = None
    accepted_pins: Callable[[], PinBook] = PinBook
    _sides: OrderedDict[str, Side] = field(default_factory=OrderedDict)
    _last: tuple[Loaded, Side] | None = None  # what the next one takes over where nothing changed
    _plains: OrderedDict[str, Plain] = field(default_factory=OrderedDict)
    _pinned: dict[Revision, _Pinned] = field(default_factory=dict)
    _pinned_last: _Pinned | None = None
    _judged_at: dict[str, Revision | None] = field(default_factory=dict)  # trees with pins -> the branch's tip then
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def at(self, revision: Revision) -> Side:
        """The desired state of a commit or a tree, and its units. Problems are in it, never raised."""
        with self._lock:
            known = self._sides.get(revision)
            moved = revision in self._judged_at and self._judged_at[revision] != self._tip()
            if known is None or moved or self._renders_again(known.desired):
                known = self._make(revision)
                self._sides[revision] = known
            self._sides.move_to_end(revision)
            while len(self._sides) > KEPT_SIDES:
                gone = self._sides.popitem(last=False)[0]
                self._judged_at.pop(gone, None)
                self._pinned.pop(Revision(gone), None)
            return self._as_accepted(revision, known)

    def _as_accepted(self, revision: Revision, side: Side) -> Side:
        """The side with the pins of those contents that were accepted with pins."""
        book = self.accepted_pins()
        if not book.moves:
            return side
        before = self._pinned.get(revision)
        if before is None or before.side is not side or before.book is not book or before.moves != book.moves:
            releases = [ref for ref in side.units if ref.kind is UnitKind.RELEASE]
            pins = {ref: book.of(str(ref), side.units[ref].artifact) or {} for ref in releases}
            before = _Pinned(book, book.moves, side, self.pinned(side, pins, known=self._pinned_last))
            self._pinned[revision] = self._pinned_last = before
        return before.pinned

    def pinned(
        self,
        side: Side,
        pins: Mapping[UnitRef, Mapping[str, str]],
        loose: Mapping[UnitRef, Mapping[str, str]] = MappingProxyType({}),
        known: _Pinned | None = None,
    ) -> Side:
        """A side with digests beside the tags of some releases. `loose`: why other images of them have none.

        `known`: another one, of which is taken over what is made of the very same. It changes what this costs.
        """
        sources, units = dict(side.desired.sources), dict(side.units)
        changed: list[UnitRef] = []
        taken = False
        for ref in pins.keys() | loose.keys():
            wanted, why = pins.get(ref, {}), loose.get(ref, {})
            if not (wanted or why) or ref.name not in sources:
                continue
            if known is not None and known.made_of(side, ref, wanted):
                sources[ref.name], units[ref] = known.pinned.desired.sources[ref.name], known.pinned.units[ref]
                taken = True
                continue
            sources[ref.name] = pinned(sources[ref.name], wanted, why)
            changed.append(ref)
        if not changed and not taken:
            return side
        desired = replace(side.desired, sources=MappingProxyType(sources))
        cutter = Cutter(self.key, {})
        return Side(desired, units | {ref: cutter.pinned(desired, units[ref]) for ref in changed})

    def plain(self, revision: Revision) -> Plain:
        """What a commit says by itself, whatever its environments are pinned to."""
        with self._lock:
            known = self._plains.get(revision)
            if known is None or self._renders_again(known.desired):
                known = self._plains[revision] = self._make_plain(revision)
            self._plains.move_to_end(revision)
            while len(self._plains) > KEPT_SIDES:
                self._plains.popitem(last=False)
            return known

    def _renders_again(self, desired: Desired) -> bool:
        """Whether something was not rendered because its tool was missing, and the tool is here now."""
        tools = {SourceKind.KUSTOMIZE: self.renderer, SourceKind.HELM: self.charts}
        return any(_is_there(tools[kind]) for kind in desired.lacks_tool)

    def forget(self) -> None:
        """Drop what is kept: the bundles on disk changed."""
        with self._lock:
            self._sides.clear()
            self._plains.clear()
            self._judged_at.clear()
            self._pinned.clear()
            self._pinned_last = None
            self._last = None

    @uninterrupted()
    def _make(self, revision: Revision) -> Side:
        entries = self._entries(revision)
        loaded_before, side_before = self._last or (None, None)
        with Reader() as reader:  # starts a child only where something was never parsed before
            loaded = load(entries, self._read, self.cache, reader, loaded_before)
            pins = self._pins(loaded, revision)
            known = side_before.desired if side_before is not None else None
            desired = resolve(
                loaded, entries, self._read, self.cache, reader, known, pins, self.renderer, self.opener, self.charts
            )
        digests = {
            version: bundle.digest
            for version, bundle in self.found_bundles(desired).items()
            if isinstance(bundle, Bundle)
        }
        side = Side(desired, Cutter(self.key, digests).cut(desired, side_before))
        self._last = (loaded, side)
        return side

    @uninterrupted()
    def _make_plain(self, revision: Revision) -> Plain:
        entries = self._entries(revision)
        loaded_before, side_before = self._last or (None, None)
        with Reader() as reader:
            loaded = load(entries, self._read, self.cache, reader, loaded_before)
            known = side_before.desired if side_before is not None else None
            desired = resolve(
                loaded, entries, self._read, self.cache, reader, known, {}, self.renderer, self.opener, self.charts
            )
        return Plain(entries, desired, Cutter(self.key, {}).cut(desired))

    def _entries(self, revision: Revision) -> tuple[TreeEntry, ...]:
        return tuple(TreeEntry(e.path, e.blob, e.mode) for e in trees.entries(self.mirror.repository, revision))

    def _read(self, blob: BlobId) -> bytes:
        content = trees.read_blob(self.mirror.repository, blob, LARGEST_BLOB)
        if content is None:
            raise Unavailable(f"reading blob {blob}: it is larger than {LARGEST_BLOB} bytes", key="validation_error")
        return content

    def _tip(self) -> Revision | None:
        return self.mirror.refs().get(f"refs/heads/{self.branch}")

    def _pins(self, loaded: Loaded, revision: Revision) -> Mapping[str, Pin]:
        wanted = environments_pinned(loaded.specs)
        self._judged_at.pop(revision, None)
        if not wanted:
            return {}
        holder: Revision | None = revision
        if not history.is_commit(self.mirror.repository, revision):
            holder = self._judged_at[revision] = self._tip()
        return {name: self._pin(name, Revision(str(spec.spec.revision)), holder) for name, spec in wanted.items()}

    def _pin(self, environment: str, revision: Revision, holder: Revision | None) -> Pin:
        repository = self.mirror.repository
        if not history.is_commit(repository, revision):
            return Pin(wrong=f"there is no commit {revision} here")
        if holder is None or not history.is_ancestor(repository, revision, holder):
            return Pin(wrong=f"commit {revision} is not on the tracked branch")
        plain = self.plain(revision)
        if not plain.desired.may_plan(environment) or environment not in plain.desired.environments:
            return Pin(wrong=f"what commit {revision} says of {environment} cannot be read or is not right")
        return Pin(plain.desired.releases_in(environment), plain.entries)

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


def _is_there(tool: Renderer | ChartRenderer | None) -> bool:
    try:
        return tool is not None and bool(tool.identity())
    except Unavailable:
        return False
