"""Runs a Job of a release's source as one operation: makes it once, waits for its end, tells its last words.

A run is named after its operation, so a process that comes back finds it and waits on (G24). Rules: what is run is what
was approved, and only such a one is waited for; what did not end in time is stopped for good, so that it can do nothing
later; what kept its pods from starting is looked for while they are there, and changes no judgement; what is told of
it, by its pods, by itself or by events, is told without any secret that the release's objects hold, in the version that
comes or in the one that was there (a Job before a rollout still reads the old Secrets), or that is written like one.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from reconciler.app.operations import Order, Step
from reconciler.app.runs_over import RunsOver
from reconciler.app.step_times import Began, Term, term_of
from reconciler.app.verifying import READINESS_PAUSE, READINESS_PAUSES, Interrupted, object_in
from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Withdrawn
from reconciler.names import ObjectRef
from reconciler.plan.change import Action
from reconciler.plan.hide import hidden_of
from reconciler.plan.jobs import content_of, run_id, run_of
from reconciler.plan.units import ref_of
from reconciler.ports import Clock, KubeApi, StepResult
from reconciler.secret import MASK
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import job_in
from reconciler.state.observed import JobSeen

LATE_WORDS = "it had not ended {limit} after {begun}"
WAITED = "it stood suspended {limit} after {begun}: whoever admits Jobs there (such as Kueue) did not let it go on"
STOPS = 3  # times that what is late is stopped, where somebody else lets it go on
LATE = timedelta(seconds=60)  # after its deadline the cluster has ended it; then nobody there does
LAST_WORDS = 300  # characters of its log that a failure quotes
UNKNOWN_LOG = "("  # a log that could not be read begins so
KEPT = 64 * 1024  # characters of its log that are kept: the last ones
END_OF_KEY = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
OF_KEY = re.compile(r"[ \t]*[\w+/=:-]+[ \t\r]*")  # a line within one
BEGIN_OF_KEY = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Runs Jobs of one side. `key`: the permanent HMAC key that approved content was compared under. `others`: further
    sides whose secrets a pod may still have read."""

    clock: Clock
    key: bytes
    stopping: Callable[[], bool] = lambda: False
    others: tuple[Desired, ...] = ()
    began: Began = lambda _: None

    def start(self, api: KubeApi, action: Action, desired: Desired, order: Order) -> None:
        """Make the run, or find it made. Raises Refused where its Job is not the approved one.

        It has what is left to its step, so that the cluster ends it then, whoever watches, and no pods come back beside
        it. Where less than half is left none is made: one that is ended half-way is worse than one that never ran.
        """
        now, term = self.clock.now(), term_of(action, self.began(action))
        left = int(term.left(now).total_seconds()) if term is not None else action.seconds
        body, run = self._run(action, desired, order, max(1, left))
        found = run_seen(api, ref_of(body), action)
        if found is None:
            if term is not None and term.left(now) < term.limit / 2:
                message = f"running {ref_of(body)}: it was not made within half of the {term.limit} of its step"
                raise Rejected(message, key="release_rollback_failed")
            self._make(api, action, body, run, order)
        elif found.run != run or found.owner != release_of(action):
            raise Refused(f"running {ref_of(body)}: there is another one of that name", key="target_changed")
        elif not found.claimed or not found.known:
            self._count_on(api, action, desired, order, found.uid)

    def _count_on(self, api: KubeApi, action: Action, desired: Desired, order: Order, uid: str) -> None:
        """Wait for a run that somebody made: the approved one, or nobody knows what its end means."""
        body, run = self._run(action, desired, order, action.seconds)  # no run has more time than that
        with _waited_for(action):
            api.claim_job(release_of(action), body, run=run, generation=order.generation, expected_uid=uid)

    def _make(self, api: KubeApi, action: Action, body: dict[str, Any], run: str, order: Order) -> None:
        try:
            api.run_job(release_of(action), body, run=run, generation=order.generation)
        except Rejected as error:
            if isinstance(error, Withdrawn) or run_seen(api, ref_of(body), action) is None:
                raise
            # it is made, and a look after that was refused: it is waited for like any other

    def finish(self, api: KubeApi, action: Action, desired: Desired, order: Order) -> Step:
        """Wait for the run to end. Raises Unavailable where nobody can say, Refused where another one stands there."""
        ref = ref_of(self._run(action, desired, order, action.seconds)[0])
        limit = timedelta(seconds=action.seconds) + LATE
        term = Term(limit, self.began(action) or self.clock.now())
        pauses, passed, waited, stops, last = iter(READINESS_PAUSES), timedelta(), False, 0, ""
        while True:
            seen = run_seen(api, ref, action)
            if seen is None:
                over = RunsOver(self.clock, self.stopping)
                pods = over.gone(api, release_of(action), ref, order.generation)  # before anything comes back beside it
                words = "; ".join(("it is gone: nobody knows how it ended", *pods))
                return Step(action, None, _failure(action, ref, words))
            if not seen.known:
                self._count_on(api, action, desired, order, seen.uid)
            if seen.ended or seen.stopped:
                break
            if term.over(self.clock.now(), passed):
                if stops == STOPS:
                    break
                waited, stops = seen.suspended if not stops else waited, stops + 1
                api.stop_job(release_of(action), ref, generation=order.generation, expected_uid=seen.uid)
            elif not stops and not seen.suspended:
                last = _looked(api, ref) or last
            pause = next(pauses, READINESS_PAUSE)
            self.clock.wait(pause)
            passed += pause
            if self.stopping():
                raise Interrupted(f"waiting for {ref}: the reconciler is stopping")
        log = self._told(api.job_log(ref), action, desired)[-KEPT:]
        failed = seen.failed or not seen.ended
        result = StepResult(int(failed), seen.took or timedelta(), log, log if failed else "")
        if not failed:
            return Step(action, result, run=ref.name)
        late = WAITED if waited else LATE_WORDS
        now = "is stopped" if seen.stopped else "GOES ON: something there undoes it when it is stopped"
        begun = "it was made" if self.began(action) is None else "its step was begun"
        why = (
            self._told(seen.words, action, desired)
            if seen.ended
            else f"{late.format(limit=limit, begun=begun)}, and {now}"
        )
        wrote = " ".join(log.split())[-LAST_WORDS:]
        if not last and seen.ended and (not wrote or wrote.startswith(UNKNOWN_LOG)):
            last = _looked(api, ref)
        last = self._told(last, action, desired)
        more = [
            f"last seen: {last}" if last and last not in why else "",
            f"its log ends: {wrote}" if wrote else "",
        ]
        return Step(action, result, _failure(action, ref, "; ".join([why, *filter(None, more)])), run=ref.name)

    def _told(self, text: str, action: Action, desired: Desired) -> str:
        return told(text, (desired, *self.others), release_of(action))

    def _run(self, action: Action, desired: Desired, order: Order, seconds: int) -> tuple[dict[str, Any], str]:
        source = desired.sources.get(release_of(action))
        job = job_in(source.jobs if source is not None else (), action.object.name if action.object else "")
        if job is None or content_of(job, self.key) != action.post:
            message = f"running Job {action.object.name if action.object else ''}: it is not the approved one any more"
            raise Refused(message, key="preview_mismatch")
        run = _run_id(order, action)
        return run_of(job, run, seconds), run


def run_seen(api: KubeApi, ref: ObjectRef, action: Action) -> JobSeen | None:
    """A run as it stands; None where it is not there."""
    with _waited_for(action):
        return api.job(ref)


@contextmanager
def _waited_for(action: Action) -> Iterator[None]:
    """Raises Unavailable where a run of a way back may not be looked at: it may be running, so it is waited for, and no
    pods come back, until the time of its step is over and the cluster has ended it."""
    try:
        yield
    except Rejected as error:
        if isinstance(error, Withdrawn) or not action.step:
            raise
        raise Unavailable(error.message, key=error.key, hint=error.own_hint) from error


def _looked(api: KubeApi, ref: ObjectRef) -> str:
    """What its pods say that do not run, or the events about it; nothing where nobody may look."""
    try:
        return "".join(found.why for found in api.readiness([ref]))
    except ReconcilerError:
        return ""


def run_in(order: Order, action: Action) -> ObjectRef:
    """The object that a run of a Job is."""
    job = object_in(action)
    return replace(job, name=f"{job.name}-{_run_id(order, action)}")


def _run_id(order: Order, action: Action) -> str:
    return run_id(order.plan.environment, order.generation, order.attempt, order.once, action.id)


def told(text: str, sides: Iterable[Desired], release: str) -> str:
    """What strangers wrote, without the secrets that are known or can be told by how they are written."""
    sources = [source for side in sides if (source := side.sources.get(release)) is not None]
    bodies: list[Any] = [body for source in sources for body in (*source.objects, *source.jobs)]
    return hidden_of(_without_ends(text), *bodies)


def _without_ends(text: str) -> str:
    """A text that begins in the middle of a private key, without what is left of that."""
    if END_OF_KEY.search(text) is None:
        return text
    found: list[str] = []
    for line in text.split("\n"):
        if END_OF_KEY.search(line) and BEGIN_OF_KEY not in line:
            _drop_key(found)
        found.append(line)
    return "\n".join(found)


def _drop_key(lines: list[str]) -> None:
    """Take the end of a key off the end of some lines, where its beginning is not among them."""
    kept = next((n for n in range(len(lines), 0, -1) if not OF_KEY.fullmatch(lines[n - 1])), 0)
    if len(lines) > kept and (kept == 0 or BEGIN_OF_KEY not in lines[kept - 1]):
        lines[kept:] = [MASK]


def release_of(action: Action) -> str:
    """The release that an action is of."""
    return action.unit.partition("/")[2]


def _failure(action: Action, ref: ObjectRef, words: str) -> ReconcilerError:
    key = "release_rollback_failed" if action.step else "release_apply_failed"
    return Rejected(f"{ref} ({action.hook}) failed: {words}", key=key)
