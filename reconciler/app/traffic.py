"""Stopping traffic for a while: taking a release's pods away, and never leaving it so.

Rules (G23): nothing rests where traffic is stopped. A hold waits until it is restored, and whatever fails in between
gives the pods back to what stands, as many as each had, before the failure is told. How many is read from the
workload itself, which the write that stopped it told. Giving back is a turn of its own: whoever stood still with an
order to stop finds every workload moved, also those that were not stopped yet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.app.coming_back import ComingBack
from reconciler.app.jobs import release_of
from reconciler.app.journal import Overtaken
from reconciler.app.operations import Order
from reconciler.app.reaching import check_identity
from reconciler.app.runs_over import RunsOver
from reconciler.app.step_times import Term
from reconciler.app.verifying import Interrupted, object_in
from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted, Withdrawn
from reconciler.machine.states import RolloutState
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.stopped import is_empty
from reconciler.plan.units import ref_of
from reconciler.plan.way_back import least_of_autoscaler, least_pods, own_pods, pods_of
from reconciler.ports import Back, Clock, DesiredObjects, GivenBack, KubeApi, Targets
from reconciler.specs.desired import Desired
from reconciler.specs.ignoring import ignored
from reconciler.specs.jobs import STOPPABLE, SUSPENDED
from reconciler.specs.ways import NUMBERS
from reconciler.state.observed import ObservedObject

SCALES = frozenset({ActionKind.STOP_TRAFFIC, ActionKind.RESTORE_TRAFFIC})
STOPPED_NOW = "AND TRAFFIC IS STOPPED"
MAY_BE_STOPPED = "AND TRAFFIC MAY BE STOPPED"
GIVEN_BACK = "traffic is given back"
GAVE = "traffic was given back"
ASKED = "no pod is ready, traffic was asked back"
Stopped = tuple[str, str, ObservedObject]  # cluster, release, workload


class Away(StrEnum):
    """Whether traffic is stopped by a way back, by what is recorded of it; what is said of that."""

    NOT = ""
    MAYBE = MAY_BE_STOPPED  # some of it: it is being stopped, or given back
    STOPPED = STOPPED_NOW


class StillStopped(Rejected):
    """What is stopped did not get its pods."""


@dataclass(frozen=True, slots=True)
class LetIn:
    """What was done to give pods back, in words. `given`: pods are ready. `asked`: some were asked for."""

    words: tuple[str, ...] = ()
    given: bool = False
    asked: bool = False


def scale(api: KubeApi, action: Action, order: Order, desired: Desired) -> str:
    """Take a workload's pods away, or give them back; what is to be told of it. Asked again, it finds it done."""
    ref, release = object_in(action), release_of(action)
    if action.kind is ActionKind.STOP_TRAFFIC:
        api.stop(release, ref, generation=order.generation, expected_uid=action.uid)
        return ""
    source = desired.sources.get(release)
    objects = source.objects if source is not None else ()
    others, floor = _left_to_others(desired, release, ref, objects), _floor(ref, objects)
    own = pods_of(action) if not others else None
    silent = own is None and not others and not floor and ref in map(ref_of, objects)
    back = Back(own=own, least=least_of(ref, objects), unmarked=True, floor=floor, silent=silent)
    given = api.restore(release, ref, generation=order.generation, expected_uid=action.uid, back=back)
    if given is None or not given.words:
        return ""
    return _words(ref, given, None) if ref.kind == SUSPENDED else f"{ref} is given {given.pods} pods: {given.words}"


def least_of(ref: ObjectRef, objects: Iterable[Any]) -> int:
    """How many pods a workload gets of which nobody knows how many it had: as its source says, and one at least."""
    bodies = {ref_of(body): body for body in objects}
    return least_pods(bodies[ref], bodies) if ref in bodies else 1


def _floor(ref: ObjectRef, objects: Iterable[Any]) -> int:
    bodies = {ref_of(body): body for body in objects}
    return (least_of_autoscaler(bodies[ref], bodies.values()) or 0) if ref in bodies else 0


def _left_to_others(desired: Desired, release: str, ref: ObjectRef, objects: Iterable[Any]) -> bool:
    """Whether the release says that its number is not ours to set."""
    spec = desired.releases.get(release)
    ways = ignored(spec.spec, objects).get(ref, ()) if spec is not None else ()
    return any(way in NUMBERS for way in ways)


def as_it_ran(item: ObservedObject) -> tuple[Any, ...]:
    """A workload whose pods we took away as it was before: with the number that it had, and where others hold that
    without one. Nothing where it has pods: that we took them is then no reason for any difference."""
    spec = item.live.get("spec") if isinstance(item.live, dict) else None
    name = "suspend" if item.ref.kind == SUSPENDED else "replicas"
    if item.stopped is None or not isinstance(spec, dict) or not is_empty(item):
        return ()
    had = item.stopped == 0 if item.ref.kind == SUSPENDED else item.stopped
    rest = {key: value for key, value in spec.items() if key != name}
    return {**item.live, "spec": {**rest, name: had}}, {**item.live, "spec": rest}


def is_away(plan: Plan, batch: int) -> bool:
    """Whether traffic is stopped before a batch of a plan, and comes back with this or a later one."""
    stopped = {one.unit for one in _of(plan.batches[:batch], ActionKind.STOP_TRAFFIC)}
    return any(max(_ends(plan, unit)) >= batch for unit in stopped)


def _ends(plan: Plan, unit: str) -> list[int]:
    """The batches that give a unit its traffic back. Where nothing that it stopped is to stay, that is the last one
    of its steps that does something: with it goes what was stopped."""
    steps = [(number, one) for number, batch in enumerate(plan.batches) for one in batch if one.step]
    mine = [(number, one.kind) for number, one in steps if one.unit == unit]
    restoring = [number for number, kind in mine if kind is ActionKind.RESTORE_TRAFFIC]
    return restoring or [max(number for number, kind in mine if kind is not ActionKind.ASK)]


def away_of(*, stopping: bool, stopped: bool, restoring: bool, restored: bool) -> Away:
    """What is recorded of one release: whether it was begun and done to stop it, and to give it back."""
    if restored or not stopping:
        return Away.NOT
    return Away.STOPPED if stopped and not restoring else Away.MAYBE


def most_away(found: Iterable[Away]) -> Away:
    """Of several releases: what is worst."""
    return max(found, key=[*Away].index, default=Away.NOT)


def away_back(state: RolloutState, unit: str, stop: int, restore: int) -> Away:
    """Whether a return has stopped a release's traffic, where it stands. `stop`, `restore`: its steps by number."""
    return away_of(
        stopping=(unit, stop) in state.begun,
        stopped=(unit, stop) in state.walked,
        restoring=state.again or (unit, restore) in state.begun,
        restored=(unit, restore) in state.walked,
    )


def away_in(plan: Plan, state: RolloutState) -> Away:
    """Whether traffic is stopped by a plan that goes back by steps, where it stands."""
    return most_away(away_by_unit(plan, state).values())


def away_by_unit(plan: Plan, state: RolloutState) -> dict[str, Away]:
    """The same of each release that it stops."""
    begun, done = plan.batches[: state.batch + 1], plan.batches[: state.done + 1]
    left = plan.batches[state.done + 1 :]

    def has(batches: Iterable[Iterable[Action]], kind: ActionKind, unit: str) -> bool:
        return any(one.unit == unit for one in _of(batches, kind))

    return {
        unit: away_of(
            stopping=has(begun, ActionKind.STOP_TRAFFIC, unit),
            stopped=has(done, ActionKind.STOP_TRAFFIC, unit) and not has(left, ActionKind.STOP_TRAFFIC, unit),
            restoring=state.again or state.batch >= min(_ends(plan, unit)),
            restored=state.done >= max(_ends(plan, unit)),
        )
        for unit in sorted({one.unit for one in _of(plan.batches, ActionKind.STOP_TRAFFIC)})
    }


def stopped_by(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Clusters, and the releases there whose traffic a plan stops on its way."""
    found: dict[str, tuple[str, ...]] = {}
    for action in _of(plan.batches, ActionKind.STOP_TRAFFIC):
        cluster = action.target.partition("/")[2]
        found[cluster] = tuple(dict.fromkeys((*found.get(cluster, ()), release_of(action))))
    return found


def waited_for(error: Unavailable | Withdrawn, away: Away) -> Unavailable:
    """What is waited for, with words where traffic is stopped meanwhile, or may be; another credential is, too: nobody
    else could restore it."""
    if isinstance(error, Unavailable) and (not away or error.message.startswith((STOPPED_NOW, MAY_BE_STOPPED))):
        return error
    words = f"{away} meanwhile: " if away else ""
    if isinstance(error, Withdrawn):
        words = f"{words}a new credential is waited for: {error.message}"
        return Unavailable(words, key=error.key, hint=error.own_hint)
    return Unavailable(f"{words}{error.message}", key=error.key, hint=error.own_hint, retry_after=error.retry_after)


def overdue(error: ReconcilerError, term: Term | None, now: datetime) -> ReconcilerError:
    """What only one request is refused with, and nobody ends: once its step has had its time, that has failed."""
    passes = isinstance(error, Unavailable) and not isinstance(error, (Interrupted, Overtaken))
    if not passes or term is None or not term.over(now):
        return error
    message = f"not done {term.limit} after it was begun: {error.message}"
    return Rejected(message, key="release_rollback_failed", hint=error.own_hint)


def given_up() -> Rejected:
    """Of what had failed before, and was giving its traffic back: it goes on with nothing else."""
    message = "it had failed, as its records say, and its traffic was being given back"
    return Rejected(message, key="release_rollback_failed")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Gives pods back. `still` raises where this is no longer ours to do, after the target was taken."""

    targets: Targets
    wanted: Callable[[Iterable[str]], Sequence[DesiredObjects]]
    still: Callable[[], None]
    clock: Clock
    identities: Mapping[str, str] = field(default_factory=dict)  # recorded UID of kube-system by cluster
    stopping: Callable[[], bool] = lambda: False

    def let_in(self, releases: Mapping[str, Sequence[str]], begin: Callable[[], Order], *, begun: bool) -> LetIn:
        """Give back what was stopped of these releases, by cluster.

        `begin` records that it is done now. `begun`: somebody had an order to stop it, and may still carry it out.
        Raises Rejected where a workload that is stopped was refused its pods, after all others were tried; where it was
        never stopped, or nobody had such an order and nobody may look, no word says that it is.
        """
        try:
            seen = [one for cluster, names in sorted(releases.items()) for one in self._workloads(cluster, names)]
            found = [
                one for one in seen if one[2].live != {}
            ]  # a copy that we never wrote to, mark and all, is not ours
        except (Rejected, Refused, Untrusted) as error:
            if begun or isinstance(error, Withdrawn):
                raise
            return LetIn((f"nobody may look whether it has its pods: {error.message}",))
        gone = {name for names in releases.values() for name in names} - {release for _, release, _ in found}
        if begun and gone:  # it was to be deleted and made again, and only the first was done
            raise StillStopped(f"no workload of {', '.join(sorted(gone))} stands", key="release_rollback_failed")
        if not found or not (begun or any(item.stopped is not None for _, _, item in found)):
            return LetIn()
        return self._give(found, begin(), begun=begun)

    def _give(self, found: Sequence[Stopped], order: Order, *, begun: bool) -> LetIn:
        wanted = {one.release: one for one in self.wanted(sorted({release for _, release, _ in found}))}
        refused = self._begin(found, wanted, order)
        self.still()
        taken = sorted({(cluster, release) for cluster, release, _ in found} - refused.keys())
        over = [(self.targets.kube(cluster), wanted[release]) for cluster, release in taken]
        runs = RunsOver(self.clock, self.stopping).end(over, order.generation)
        told: list[str] = []
        failed: list[ReconcilerError] = []
        asked: list[tuple[KubeApi, ObjectRef, GivenBack]] = []
        for cluster, release, item in found:
            api, back = self.targets.kube(cluster), _back(item.ref, wanted[release].objects, lost=begun)
            try:
                if (cluster, release) in refused:
                    raise refused[cluster, release]
                given = api.restore(release, item.ref, generation=order.generation, expected_uid=item.uid, back=back)
                if given is not None or begun:  # who did it before us may not have told it
                    asked.append((api, item.ref, given or GivenBack(api.replicas(item.ref, had=False))))
            except ReconcilerError as error:  # the others get theirs first
                away = isinstance(error, (Unavailable, Withdrawn))
                if away or not _pods(api, item.ref):
                    failed.append(error)
                elif item.stopped is None:
                    told.append(f"{item.ref} was never stopped")
                else:  # they came by a write of their own, before that of the mark
                    why = f"its mark stays, which is refused to be taken away: {error.message}"
                    asked.append((api, item.ref, GivenBack(_pods(api, item.ref), why)))
        unheard = next((one for one in failed if isinstance(one, (Unavailable, Withdrawn))), None)
        if unheard is not None:
            raise unheard
        some = [(api, ref, given.pods) for api, ref, given in asked]
        ready = ComingBack(self.clock, self.stopping).ready(some)
        pods = [(one.pods, at) for (_, ref, one), at in zip(asked, ready, strict=True) if ref.kind != SUSPENDED]
        words = [_words(ref, given, at) for (_, ref, given), at in zip(asked, ready, strict=True)]
        told = [*told, *words, *runs]
        if failed:
            raise StillStopped("; ".join([*(one.message for one in failed), *told]), key=failed[0].key)
        return LetIn(
            tuple(told),
            given=any(at for _, at in pods) if any(one for one, _ in pods) else any(ready),
            asked=any(given.pods for _, _, given in asked),
        )

    def _begin(
        self, found: Sequence[Stopped], wanted: Mapping[str, DesiredObjects], order: Order
    ) -> dict[tuple[str, str], ReconcilerError]:
        """Take the releases for this turn; those that refuse it, which says nothing yet of whether they are stopped."""
        refused: dict[tuple[str, str], ReconcilerError] = {}
        for cluster, release in sorted({(cluster, release) for cluster, release, _ in found}):
            namespace = wanted[release].namespace
            try:
                self.targets.kube(cluster).begin(release, namespace, order.generation, order.event, order.turn)
            except (Rejected, Refused) as error:
                refused[cluster, release] = error
        return refused

    def check_away(self, cluster: str, release: str) -> None:
        """Raises Rejected where pods are there again: who waits for a long time finds that somebody gave them back."""
        api = self.targets.kube(cluster)
        for _, _, item in self._workloads(cluster, [release]):
            if api.pods_left(item.ref):
                again = "a Job again" if item.ref.kind == SUSPENDED else "pods again"
                message = f"going on without traffic: {item.ref} has {again}, which somebody gave it meanwhile"
                raise Rejected(message, key="release_rollback_failed")

    def answers(self, clusters: Iterable[str]) -> bool:
        """Whether clusters answer, and take our credential: one that does not is waited for."""
        for cluster in clusters:
            try:
                self.targets.kube(cluster).facts()
            except (Unavailable, Withdrawn):
                return False
            except ReconcilerError:
                continue  # that is an answer
        return True

    def check_stopped(self, cluster: str, release: str, ref: ObjectRef) -> None:
        """Raises Rejected where a workload was not stopped yet."""
        if any(item.ref == ref and item.stopped is None for _, _, item in self._workloads(cluster, [release])):
            message = f"stopping traffic: {ref} was not stopped within the time of the step"
            raise Rejected(message, key="release_rollback_failed")

    def _workloads(self, cluster: str, names: Sequence[str]) -> list[Stopped]:
        """What stop_traffic stops of these releases; no other kind is looked at: its list may need the very pods."""
        api = self.targets.kube(cluster)
        check_identity(api, cluster, self.identities)
        asked = [replace(one, stopped=True, chart=None, only=STOPPABLE) for one in self.wanted(names)]
        found = api.observe(asked)
        items = [(one.release, item) for one in asked for item in found[one.release].objects.values()]
        return [(cluster, release, item) for release, item in items if item.exists and item.owner == release]


def _back(ref: ObjectRef, objects: Iterable[Any], *, lost: bool) -> Back:
    """As many pods as it had. `lost`: it was to be stopped, so without pods and a mark it gets what its source says."""
    bodies = {ref_of(body): body for body in objects}
    own = own_pods(bodies[ref], bodies) if ref in bodies else None
    return Back(least=least_of(ref, bodies.values()), unmarked=lost and own != 0)


def _words(ref: ObjectRef, given: GivenBack, ready: int | None) -> str:
    if ref.kind == SUSPENDED:
        said = "goes on" if given.pods else "stays suspended"
    elif not given.pods:
        said = "has no pods, as before it was stopped"
    elif ready is not None and ready >= given.pods:
        said = f"is given back its {given.pods} pods"
    else:
        known = f"{ready} are ready" if ready is not None else "nobody can say how many are ready"
        said = f"is asked for its {given.pods} pods: {known}"
    return f"{ref} {said}{f' ({given.words})' if given.words else ''}"


def _pods(api: KubeApi, ref: ObjectRef) -> int:
    """How many pods it is to have; 0 where nobody can say."""
    try:
        return api.replicas(ref, had=False)
    except ReconcilerError:
        return 0


def _of(batches: Iterable[Iterable[Action]], kind: ActionKind) -> list[Action]:
    return [one for batch in batches for one in batch if one.kind is kind]
