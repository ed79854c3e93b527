"""How many of the pods that were given back are ready: one look that is not long, and no second rollout.

Rule: asking for pods is not having them. A quota, a missing image or a crash keeps them away, and whoever reads that
traffic was given back believes that somebody answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler.app.verifying import READINESS_PAUSE, READINESS_PAUSES, Interrupted
from reconciler.errors import Rejected, Unavailable
from reconciler.names import ObjectRef
from reconciler.ports import Clock, KubeApi

LOOK = timedelta(seconds=20)  # a pod whose image is there starts within it
Asked = tuple[KubeApi, ObjectRef, int]  # a workload, and how many pods it was asked for


@dataclass(frozen=True, slots=True)
class ComingBack:
    """Looks at what was given back."""

    clock: Clock
    stopping: Callable[[], bool] = lambda: False

    def ready(self, asked: Sequence[Asked]) -> list[int | None]:
        """How many pods of each are ready, in the order asked; None where nobody can say."""
        pauses, waited = iter(READINESS_PAUSES), timedelta()
        while True:
            found = [_ready(*one) for one in asked]
            if waited >= LOOK or all(settled for _, settled in found):
                return [pods for pods, _ in found]
            pause = next(pauses, READINESS_PAUSE)
            self.clock.wait(pause)
            waited += pause
            if self.stopping():
                raise Interrupted("looking at pods that come back: the reconciler is stopping")


def _ready(api: KubeApi, ref: ObjectRef, pods: int) -> tuple[int | None, bool]:
    """How many are ready, and whether it stays so: all are, or its controller gave up."""
    try:
        (found,) = api.readiness([ref])
        ready = api.pods_ready(ref)
    except (Rejected, Unavailable):
        return None, True
    return ready, ready >= pods or found.status == "Failed"
