"""What was found to be as wanted already, by the version at which it was seen: looked at again, it costs a comparison.

The rule it keeps: an object counts as known only at the very resourceVersion, and for the very content, that a full
look found equal. A content is kept as its digest. A server that was restored from a backup gives versions anew: the
times at which managers wrote are compared too.
"""

import hashlib
import json
from typing import Final, NamedTuple, TypeAlias

from reconciler.kube import marks
from reconciler.kube.wanted import Place, Wanted, place_of
from reconciler.specs.ways import words
from reconciler.state.observed import Json

MOST: Final = 50_000  # objects; 100 bytes each or so


class Version(NamedTuple):
    """Which object, as of which write."""

    uid: str
    resource_version: str
    times: str  # of its managers


Seen: TypeAlias = tuple[Version, str, bool]  # digest of what was sent, scaled


class Known:
    """Of one cluster. Looks ask from several threads; each call touches one key."""

    def __init__(self) -> None:
        self._seen: dict[Place, Seen] = {}

    def has(self, found: Wanted) -> bool:
        """Whether anything is remembered of its place."""
        return place_of(found.ref) in self._seen

    def holds(self, found: Wanted, version: Version) -> bool:
        """Whether the object at this version was found to be what is wanted."""
        seen = self._seen.get(place_of(found.ref))
        return seen is not None and seen[0] == version and seen == (version, *_sent(found))

    def remember(self, found: Wanted, version: Version) -> None:
        """It is what is wanted."""
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[place_of(found.ref)] = (version, *_sent(found))


def version_of(metadata: Json) -> Version:
    """Of a live object."""
    times = " ".join(str(entry.get("time")) for entry in metadata.get("managedFields") or ())
    return Version(metadata["uid"], metadata["resourceVersion"], times)


def _sent(found: Wanted) -> tuple[str, bool]:
    left = [[words(way) for way in found.ignored]] if found.ignored else []
    return digest([found.release, found.ref.version, found.sent, *left]), found.scaled


def digest(value: Json) -> str:
    """Of JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def decided(live: Json) -> Json:
    """What tells whether somebody changed an object, also there and back: all but what status writers move."""
    if live is None:
        return None
    body = {key: live[key] for key in live if key not in ("metadata", "status")}
    return {**body, "generation": live["metadata"].get("generation"), "stopped": marks.stopped_at(live)}


def without_status(live: Json) -> Json:
    """What an apply depends on of a live object: controllers that only write status move the resourceVersion too."""
    if live is None:
        return None
    metadata = {key: value for key, value in live["metadata"].items() if key != "resourceVersion"}
    metadata["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata.get("managedFields") or ()
        if entry.get("subresource") != "status"
    ]
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
