"""What a look found that came after a release was taken: a write that follows needs no look of its own (G25)."""

from reconciler.kube.wanted import Place
from reconciler.state.observed import Json


class Seen:
    """What the first look after a release was taken found, each to be used once; safe for several threads."""

    def __init__(self) -> None:
        self._bodies: dict[Place, Json] = {}
        self._at = 0.0
        self._wanted = False

    def forget(self) -> None:
        """What was seen so far does not count any more; the next look does."""
        self._bodies, self._wanted = {}, True

    def keep(self, bodies: dict[Place, Json], at: float) -> None:
        """Keep these and nothing else, where somebody will want them."""
        self._bodies, self._at = bodies if self._wanted else {}, at
        self._wanted = False

    def pop(self, place: Place) -> tuple[Json, float] | None:
        """The object (None: it was not there) and when the look began, or None where it was not looked at."""
        bodies, at = self._bodies, self._at
        missing = object()
        body = bodies.pop(place, missing)
        return None if body is missing else (body, at)
