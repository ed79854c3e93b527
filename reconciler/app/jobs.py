"""Runs a Job of a release's source as one operation: makes it once, waits for its end, tells its last words.

A run is named after its operation, so a process that comes back finds it and waits on (G24). Rules: what is run is what
was approved; what did not end in time is suspended, so that it can do nothing later; what its pods wrote is told
without any secret that the release's own objects hold, or that is written like one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reconciler.app.operations import Order, Step
from reconciler.app.verifying import READINESS_PAUSE, READINESS_PAUSES, Interrupted
from reconciler.errors import ReconcilerError, Refused, Rejected
from reconciler.names import ObjectRef
from reconciler.plan.change import Action
from reconciler.plan.hide import hidden, hidden_of
from reconciler.plan.jobs import content_of, run_id, run_of
from reconciler.plan.units import ref_of
from reconciler.ports import Clock, KubeApi, StepResult
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import job_in

LATE = timedelta(seconds=60)  # after its deadline the cluster has ended it; then nobody there does
LAST_WORDS = 300  # characters of its log that a failure quotes
KEPT = 64 * 1024  # characters of its log that are kept


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Runs Jobs of one side. `key`: the permanent HMAC key that approved content was compared under."""

    clock: Clock
    key: bytes
    stopping: Callable[[], bool] = lambda: False

    def start(self, api: KubeApi, action: Action, desired: Desired, order: Order) -> None:
        """Make the run, or find it made. Raises Refused where its Job is not the approved one."""
        body, run = self._run(action, desired, order)
        found = api.job(ref_of(body))
        if found is None:
            api.run_job(release_of(action), body, run=run, generation=order.generation)
        elif found.run != run or found.owner != release_of(action):
            raise Refused(f"running {ref_of(body)}: there is another one of that name", key="target_changed")

    def finish(self, api: KubeApi, action: Action, desired: Desired, order: Order) -> Step:
        """Wait for the run to end. Raises Unavailable where nobody can say."""
        body, run = self._run(action, desired, order)
        ref = ref_of(body)
        limit = timedelta(seconds=action.seconds) + LATE
        begun, pauses = self.clock.now(), iter(READINESS_PAUSES)
        while True:
            seen = api.job(ref)
            if seen is None:
                words = "it is gone: nobody knows how it ended"
                return Step(action, None, _failure(action, ref, words))
            if seen.ended or seen.suspended:
                break
            if self.clock.now() - begun > limit:
                late = {**body, "spec": {**body["spec"], "suspend": True}}
                api.run_job(release_of(action), late, run=run, generation=order.generation)
                continue
            self.clock.wait(next(pauses, READINESS_PAUSE))
            if self.stopping():
                raise Interrupted(f"waiting for {ref}: the reconciler is stopping")
        log = told(api.job_log(ref), desired, release_of(action))[-KEPT:]
        failed = seen.failed or not seen.ended
        result = StepResult(int(failed), seen.took or timedelta(), log, log if failed else "")
        if not failed:
            return Step(action, result)
        why = hidden(seen.words) if seen.ended else f"it had not ended {limit} after it was made, and is suspended"
        last = " ".join(log.split())[-LAST_WORDS:]
        return Step(action, result, _failure(action, ref, f"{why}{'; its log ends: ' if last else ''}{last}"))

    def _run(self, action: Action, desired: Desired, order: Order) -> tuple[dict[str, Any], str]:
        source = desired.sources.get(release_of(action))
        job = job_in(source.jobs if source is not None else (), action.object.name if action.object else "")
        if job is None or content_of(job, self.key) != action.post:
            message = f"running Job {action.object.name if action.object else ''}: it is not the approved one any more"
            raise Refused(message, key="preview_mismatch")
        run = run_id(order.plan.environment, order.generation, order.attempt, order.once, action.id)
        return run_of(job, run, action.seconds), run


def told(text: str, desired: Desired, release: str) -> str:
    """What strangers wrote, without the secrets that are known or can be told by how they are written."""
    source = desired.sources.get(release)
    bodies: Iterable[Any] = (*source.objects, *source.jobs) if source is not None else ()
    for body in bodies:
        text = hidden_of(text, body)
    return hidden(text)


def release_of(action: Action) -> str:
    """The release that an action is of."""
    return action.unit.partition("/")[2]


def _failure(action: Action, ref: ObjectRef, words: str) -> ReconcilerError:
    key = "release_rollback_failed" if action.step else "release_apply_failed"
    return Rejected(f"{ref} ({action.hook}) failed: {words}", key=key)
