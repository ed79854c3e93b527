"""What a batch is verified by: what it applied is ready, what it deleted is gone, what it asks is answered well.

A pause is measured from when its batch was recorded, never from this process's memory: a restart neither shortens nor
begins it again. What a pause watches is looked at each time that somebody comes by. The time of a step of a way back is
counted from its record too (step_times.py), and judged after each look, never before the first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.app.probing import Asker
from reconciler.app.step_times import Began, Term, term_of
from reconciler.errors import Rejected, Unavailable
from reconciler.expression import parse
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind
from reconciler.plan.hide import hidden
from reconciler.plan.questions import probe_in
from reconciler.plan.units import object_in as object_in
from reconciler.ports import Clock, KubeApi, Readiness, Targets
from reconciler.specs.colours import service_of
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import SUSPENDED
from reconciler.state.readiness import Saying

READINESS_PAUSES = tuple(  # between looks at what a batch left behind: what is quick is not kept waiting
    timedelta(milliseconds=pause) for pause in (25, 50, 100, 250)
)
READINESS_PAUSE = timedelta(milliseconds=500)  # from then on
APPLIED = frozenset({ActionKind.APPLY_OBJECT, ActionKind.DELETE_OBJECT})
RUNS = APPLIED | {ActionKind.RESTORE_TRAFFIC}  # what pods come from, which stay ready as long as their release says
WATCHED = RUNS | {ActionKind.PAUSE}

LEAVING = frozenset({"NotFound", "Terminating"})
NAMED = 3  # pods that had not ended: who looks for a foreign one finds the rest beside them
UNSEEN = frozenset({"InProgress", "Unknown"})  # its controller may not know yet how many pods it is to have


ORDERED = {
    "StatefulSet": "; one that does not say podManagementPolicy: Parallel waits for pods that are not ready before it"
    " takes others away: delete those by hand"
}


class Interrupted(Unavailable):
    """The process was asked to stop between two looks; the recorded plan goes on after the next start."""


def pause_left(batch: Sequence[Action], since: datetime | None, now: datetime) -> timedelta:
    """How long a batch still has to wait, since it was recorded."""
    wanted = max((timedelta(seconds=one.seconds) for one in batch if one.kind is ActionKind.PAUSE), default=timedelta())
    passed = max(timedelta(), now - since) if since is not None else timedelta()  # a clock that stepped back adds none
    return max(timedelta(), wanted - passed)


def _is_done(item: Readiness, gone: Collection[ObjectRef], ended: Collection[ObjectRef]) -> bool:
    if item.ref in gone:
        return item.status == "NotFound"
    return item.status == "Current" or (item.status in LEAVING and item.ref in ended)


def _still_there(found: Readiness, names: Sequence[str] | None, limit: timedelta) -> str:
    """What of a workload that is stopped has not ended, a few by name, and what its controller waits for."""
    left = len(names) if names is not None else None
    one = "Job" if found.ref.kind == SUSPENDED else "pod"
    counted = f"{left} {one}{'' if left == 1 else 's'}" if left is not None else f"{one}s"
    why = f" ({hidden(found.message)})" if found.status in UNSEEN else ""
    more = f" and {len(names) - NAMED} more" if names and len(names) > NAMED else ""
    which = f": {', '.join(names[:NAMED])}{more}" if names else ""
    ordered = ORDERED.get(found.ref.kind, "")
    return f"{counted} of {found.ref} {'has' if left == 1 else 'have'} not ended{why} after {limit}{which}{ordered}"


def _limit(action: Action, timeouts: Mapping[str, timedelta]) -> timedelta:
    """How long an action may take to be ready: a step of a way back says so itself."""
    if action.step:
        return timedelta(seconds=action.seconds)
    return timeouts.get(action.unit, timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies batches of one plan towards one desired state."""

    targets: Targets
    clock: Clock
    desired: Desired
    stopping: Callable[[], bool] = lambda: False
    left: Mapping[str, Desired] = field(default_factory=dict)  # by release: the side whose way back is gone
    began: Began = lambda _: None

    def ready(self, batch: Sequence[Action], timeouts: Mapping[str, timedelta]) -> None:
        """Wait until everything that the batch applied is ready, and stays so, and what it deleted is gone.

        `timeouts` by unit.

        Raises Rejected(release_apply_failed) with the reason in words, Unavailable where nobody can say.
        """
        by_cluster: dict[str, list[Action]] = {}
        for action in batch:
            if action.kind is ActionKind.STOP_TRAFFIC:
                self._wait_empty(self.targets.kube(action.target.partition("/")[2]), action)
            if action.kind in WATCHED and action.object is not None:
                by_cluster.setdefault(action.target.partition("/")[2], []).append(action)
        for cluster, actions in sorted(by_cluster.items()):
            terms = [self._term(action, timeouts) for action in actions]
            self._wait_ready(self.targets.kube(cluster), actions, terms)

    def _term(self, action: Action, timeouts: Mapping[str, timedelta]) -> Term:
        return Term(_limit(action, timeouts), self.began(action) or self.clock.now())

    def ask(self, batch: Sequence[Action]) -> None:
        """Ask what the batch is there to ask. Raises Rejected where it is not answered well, Unavailable as above."""
        for action in batch:
            if action.kind is not ActionKind.ASK:
                continue
            name = action.unit.partition("/")[2]
            side = self.left.get(name, self.desired) if action.step else self.desired
            release = side.releases[name]
            objects = side.sources[name].objects
            asker = Asker(
                self.targets.kube(action.target.partition("/")[2]),
                self.clock,
                lambda url, release=release, objects=objects: service_of(url, release, objects),  # type: ignore[misc]
                self.stopping,
                term_of(action, self.began(action)),
            )
            asker.ask(action.probe, probe_in(release.spec, action.probe), action.instead)

    def _wait_ready(self, api: KubeApi, actions: list[Action], terms: list[Term]) -> None:
        refs = list(dict.fromkeys(object_in(action) for action in actions))
        gone = {object_in(action) for action in actions if action.kind is ActionKind.DELETE_OBJECT}
        sayings = {object_in(action): saying for action in actions if (saying := self._saying(action)) is not None}
        waited, pauses = timedelta(), iter(READINESS_PAUSES)
        ready_since = None
        ended: set[ObjectRef] = set()  # Jobs that were seen to end well: they may go by themselves, and are not missing
        watched = {one.unit for one in actions if one.kind in RUNS and not one.stopped}  # without pods nothing is seen
        stable = max(map(self._stable_for, watched), default=timedelta())
        while True:
            found = api.readiness(refs, sayings)
            failed = [item for item in found if item.status == "Failed" and item.ref not in gone]
            if failed:
                reasons = "; ".join(f"{item.ref}: {item.message}" for item in failed)
                raise Rejected(f"waiting for objects to be ready: {hidden(reasons)}", key="release_apply_failed")
            now = self.clock.now()
            ended |= {one.ref for one in found if one.ref.kind == "Job" and one.status == "Current"}
            waiting = [item for item in found if not _is_done(item, gone, ended)]
            if waiting:
                ready_since = None
            else:
                ready_since = ready_since or now
                if now - ready_since >= stable:
                    return
            if waiting and all(term.over(now, waited) for term in terms):
                reasons = "; ".join(f"{item.ref}: {item.message or 'it is still there'}" for item in waiting)
                limit = max(term.limit for term in terms)
                raise Rejected(f"not ready after {limit}: {hidden(reasons)}", key="release_apply_failed")
            pause = next(pauses, READINESS_PAUSE)
            self.clock.wait(pause)
            waited += pause
            if self.stopping():
                raise Interrupted("waiting for objects to be ready: the reconciler is stopping")

    def _saying(self, action: Action) -> Saying | None:
        """What its release says of its kind."""
        release = self.desired.releases.get(action.unit.partition("/")[2])
        ref = object_in(action)
        for one in release.spec.health.readiness if release is not None else ():
            if (one.group, one.kind) == (ref.group, ref.kind):
                return Saying(parse(one.ready), parse(one.failed) if one.failed is not None else None)
        return None

    def _wait_empty(self, api: KubeApi, action: Action) -> None:
        """Until no pod is left and none will come: one on its way out still answers, and still writes.

        The controller of CronJobs does not say what it has seen: two looks in a row have to find nothing.
        """
        ref, term, pauses = object_in(action), self._term(action, {}), iter(READINESS_PAUSES)
        waited = timedelta()
        wanted = found_empty = 2 if ref.kind == SUSPENDED else 1
        while True:
            (found,) = api.readiness([ref])
            if found.status == "NotFound":  # its pods may live on, and nobody could count them
                message = f"stopping traffic: {ref} was deleted meanwhile: nobody knows whether pods of it are left"
                raise Rejected(message, key="release_rollback_failed")
            left = api.pods_left(ref) if found.status not in UNSEEN else None
            empty = left == ()
            found_empty = found_empty - 1 if empty else wanted
            if not found_empty:
                return
            if not empty and term.over(self.clock.now(), waited):
                message = f"stopping traffic: {_still_there(found, left, term.limit)}"
                raise Rejected(message, key="release_rollback_failed")
            pause = next(pauses, READINESS_PAUSE)
            self.clock.wait(pause)
            waited += pause
            if self.stopping():
                raise Interrupted("waiting for pods to go: the reconciler is stopping")

    def _stable_for(self, unit: str) -> timedelta:
        release = self.desired.releases.get(unit.partition("/")[2])
        return release.spec.health.stable_for if release is not None else timedelta()
