"""Which releases this process holds on a cluster: the parents that it took, and when each was last seen to be ours.

The rule it keeps (G25): a write counts on the parent as it was read after the object was read, and a short time ago at
most. Somebody who stood still in between finds either the object moved (409), or the parent.
"""

import threading
import time
from typing import Final

from reconciler.kube.parent import Parent, Parents, check_held
from reconciler.names import ObjectRef

GOOD_SECONDS: Final = 1.0  # how long a parent that was read may be relied on


class Held:
    """Parents by release; safe for several threads."""

    def __init__(self, parents: Parents) -> None:
        self._parents = parents
        self._held: dict[str, tuple[Parent, float]] = {}
        self._lock = threading.Lock()

    def take(self, release: str, generation: int, event: str, turn: int) -> None:
        """Take the release. Raises Refused where a newer plan, or a newer turn of this one, holds it."""
        with self._lock:
            self._held.pop(release, None)
            at = time.monotonic()
            self._held[release] = self._parents.take(release, generation, event, turn), at

    def check(self, release: str, generation: int, since: float) -> Parent:
        """The release's parent, still ours at a moment after `since` (monotonic). Raises Refused where it is not."""
        with self._lock:
            return self._checked(release, generation, since)

    def check_to_write(self, release: str, generation: int, ref: ObjectRef, since: float) -> Parent:
        """The same, and it remembers where the object is, or will be."""
        with self._lock:
            held = self._checked(release, generation, since)
            if _remembers(held, ref):
                return held
            at = time.monotonic()
            held = self._parents.remember(held, {(ref.group, ref.kind)}, {ref.namespace} - {""})
            self._held[release] = held, at
            return held

    def again(self, held: Parent) -> Parent:
        """The parent read anew, as a creation needs it; several at once. Raises Refused where it is not ours."""
        return self._parents.again(held)

    def _checked(self, release: str, generation: int, since: float) -> Parent:
        held, at = self._held.get(release, (None, 0.0))
        now = time.monotonic()
        if held is not None and held.generation == generation:
            if at >= since and now - at <= GOOD_SECONDS:
                return held
            found = self._parents.again(held)
        else:
            found = self._parents.read(release)
            check_held(found, generation)
        self._held[release] = found, now
        return found


def _remembers(parent: Parent, ref: ObjectRef) -> bool:
    return (ref.group, ref.kind) in parent.kinds and (not ref.namespace or ref.namespace in parent.namespaces)
