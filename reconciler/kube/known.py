"""What was found to be as wanted already, by the version at which it was seen: looked at again, it costs a comparison.

The rule it keeps: an object counts as known only at the very resourceVersion, and for the very content, that a full
look found equal. A content is kept as its digest. A server that was restored from a backup gives versions anew: the
times at which managers wrote are compared too.
"""

import hashlib
import json
from typing import Final, TypeAlias

from reconciler.kube.wanted import Place, Wanted, place_of
from reconciler.state.observed import Json

MOST: Final = 50_000  # objects; 100 bytes each or so
Seen: TypeAlias = tuple[str, str, str, str, bool]  # uid, resourceVersion, times, digest of what was sent, scaled


class Known:
    """Of one cluster. Looks ask from several threads; each call touches one key."""

    def __init__(self) -> None:
        self._seen: dict[Place, Seen] = {}

    def holds(self, found: Wanted, live: Json) -> bool:
        """Whether this body at this version was found to be what is wanted."""
        return self._seen.get(place_of(found.ref)) == _seen(found, live)

    def remember(self, found: Wanted, live: Json) -> None:
        """It is what is wanted."""
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[place_of(found.ref)] = _seen(found, live)


def _seen(found: Wanted, live: Json) -> Seen:
    metadata = live["metadata"]
    times = " ".join(str(entry.get("time")) for entry in metadata.get("managedFields") or ())
    sent = digest([found.release, found.ref.version, found.sent])
    return metadata["uid"], metadata["resourceVersion"], times, sent, found.scaled


def digest(value: Json) -> str:
    """Of JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
