"""Ends what runs of a release's Jobs before its pods come back: none goes on beside them without a word.

Rules: a run that has not ended, or of which nobody may say so, is stopped for good; where that is refused, the words
say that it may still run. Pods of a run that ended or was stopped live on for their grace: they are waited for, once
and not for long, for nobody answers meanwhile. Nothing here keeps the pods of the release away for good.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.app.verifying import READINESS_PAUSE, READINESS_PAUSES, Interrupted
from reconciler.errors import Refused, Rejected, Unavailable, Withdrawn
from reconciler.names import ObjectRef
from reconciler.plan.jobs import runs_of
from reconciler.ports import Clock, DesiredObjects, KubeApi

RUNS = frozenset({("batch", "Job")})  # no list of another kind, which may need the pods that are away
GRACE = timedelta(seconds=60)  # twice what a pod has by default to end after it was told to


@dataclass(frozen=True, slots=True)
class Going:
    """What may go on of a run, in words. `passes`: looking again may help."""

    words: str
    passes: bool = False


@dataclass(slots=True)
class Run:
    """A run. `stopped`: we stopped it, or it is gone, so nobody has to look whether it goes on."""

    api: KubeApi
    release: str
    ref: ObjectRef
    uid: str
    stopped: bool = False

    def going(self, generation: int) -> Going | None:
        """What may go on of it; None: nothing does. Stops it first."""
        try:
            if not self.stopped and not self._is_over():
                self.api.stop_job(self.release, self.ref, generation=generation, expected_uid=self.uid)
            self.stopped = True
        except Withdrawn:
            raise
        except (Rejected, Refused, Unavailable) as error:
            return Going(f"{self.ref} MAY STILL RUN: {error.message}", isinstance(error, Unavailable))
        try:
            left = len(self.api.pods_left(self.ref))
        except Withdrawn:
            raise
        except (Rejected, Unavailable) as error:
            words = f"nobody can say whether pods of {self.ref} are left: {error.message}"
            return Going(words, isinstance(error, Unavailable))
        return Going(f"{left} of the pods of {self.ref} had not ended {GRACE} later", passes=True) if left else None

    def _is_over(self) -> bool:
        try:
            seen = self.api.job(self.ref)
        except Withdrawn:
            raise
        except (Rejected, Unavailable):
            return False  # it may be running
        return seen is None or seen.ended or seen.stopped


@dataclass(frozen=True, slots=True)
class RunsOver:
    """Ends the runs of releases that were taken for this turn, so that nobody makes another one; waits for their
    pods."""

    clock: Clock
    stopping: Callable[[], bool] = lambda: False

    def end(self, taken: Iterable[tuple[KubeApi, DesiredObjects]], generation: int) -> tuple[str, ...]:
        """Words of what may go on. Raises Withdrawn where another credential is waited for."""
        told: list[str] = []
        runs: list[Run] = []
        for api, wanted in taken:
            try:
                # only what stands: what is wanted is not compared
                found = api.observe([replace(wanted, objects=(), chart=None, only=RUNS)])[wanted.release]
            except Withdrawn:
                raise
            except (Rejected, Refused, Unavailable) as error:
                told.append(f"nobody can say whether a Job of {wanted.release} still runs: {error.message}")
            else:
                runs += [Run(api, wanted.release, item.ref, item.uid) for item in runs_of(found)]
        return (*told, *self._waited(runs, generation))

    def gone(self, api: KubeApi, release: str, ref: ObjectRef, generation: int) -> tuple[str, ...]:
        """Words of what may go on of a run that somebody deleted: its pods get their grace like any other's."""
        return self._waited([Run(api, release, ref, uid="", stopped=True)], generation)

    def _waited(self, runs: Sequence[Run], generation: int) -> tuple[str, ...]:
        pauses, waited = iter(READINESS_PAUSES), timedelta()
        while True:
            going = [one for run in runs if (one := run.going(generation)) is not None]
            if waited >= GRACE or not any(one.passes for one in going):
                return tuple(one.words for one in going)
            pause = next(pauses, READINESS_PAUSE)
            self.clock.wait(pause)
            waited += pause
            if self.stopping():
                raise Interrupted("waiting for what runs to end: the reconciler is stopping")
