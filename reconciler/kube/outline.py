"""What a look needs of an object that did not move: its metadata in a few words, without anything that it holds.

The rule it keeps: an outline is told by the server in the look that uses it. What is kept from one look to the next is
only how bytes read: for the same bytes the same outline.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reconciler.kube import marks
from reconciler.kube.known import Version, version_of
from reconciler.kube.marks import Marks
from reconciler.kube.projection import autoscaler_owns_replicas
from reconciler.kube.wanted import Place
from reconciler.kube.wire import metadata_of
from reconciler.state.observed import Json

MOST: Final = 50_000  # outlines that are kept; half a KiB each or so


@dataclass(frozen=True, slots=True)
class Outline:
    """One object without its content."""

    place: Place
    version: Version
    owner: str  # as Marks.owner
    ours: bool
    event: str
    generation: int
    autoscaled: bool  # an autoscaler set its number of replicas
    deleting: bool


def outline_of(group: str, kind: str, metadata: Json, owner: Marks) -> Outline:
    """By its metadata."""
    body = {"metadata": metadata}
    return Outline(
        (group, kind, metadata.get("namespace", ""), metadata["name"]),
        version_of(metadata),
        owner.owner(body),
        owner.is_ours(body),
        marks.event_of(body),
        marks.generation_of(body),
        autoscaler_owns_replicas(body),
        bool(metadata.get("deletionTimestamp")),
    )


class Outlines:
    """Of one cluster. Lists ask from several threads, each with a name of its own."""

    def __init__(self, owner: Marks) -> None:
        self._owner = owner
        self._read: dict[str, dict[bytes, Outline]] = {}

    def read(self, name: str, group: str, kind: str, items: Iterable[bytes]) -> list[Outline]:
        """The outlines of a list; only what differs from that list's last answer is read."""
        before = self._read.get(name, {})
        now: dict[bytes, Outline] = {}
        for item in items:
            key = hashlib.sha256(item).digest()
            now[key] = before.get(key) or outline_of(group, kind, metadata_of(item), self._owner)
        self._keep(name, now)
        return list(now.values())

    @property
    def kept(self) -> int:
        """How many are kept."""
        return sum(map(len, list(self._read.values())))

    def _keep(self, name: str, now: dict[bytes, Outline]) -> None:
        self._read.pop(name, None)
        if self.kept + len(now) > MOST:
            self._read.clear()
        if len(now) <= MOST:
            self._read[name] = now
