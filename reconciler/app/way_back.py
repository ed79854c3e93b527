"""Going back to what ran before: the old artifacts derived again, looked at, and applied (G21, G24).

Safe to repeat: what was returned already is found returned. Pauses and shares are for going forward; a return is done
at once, so that nothing rests where it should not. Whether it succeeded is asked at its end each time, as the release
says that is rolled back. Where that names steps, each is recorded before and after, and done once; whatever fails while
traffic is stopped gives it back to what stands before it is told (docs/decisions/0020).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler.app.derived import check_derived
from reconciler.app.desire import Desires
from reconciler.app.fencing import fence
from reconciler.app.going_back import leaves
from reconciler.app.operations import Order, Step
from reconciler.app.perform import Performer
from reconciler.app.planning import Planner
from reconciler.app.verifying import APPLIED
from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable
from reconciler.machine.entry import Accepted, Returning
from reconciler.names import ObjectRef, UnitKind, UnitRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.make import Side
from reconciler.plan.questions import questions
from reconciler.plan.units import ref_of
from reconciler.plan.way_back import Leaving
from reconciler.specs.desired import Desired

AWAY = frozenset({"cluster_connect_failed", "ssh_unreachable", "rate_limited"})  # keys of failures that pass
RETURNS = 1000  # attempts of returns count from here; retries of one approval are three (G22)


def timeouts(plan: Plan) -> dict[str, timedelta]:
    """How long each unit may take to become ready."""
    return {unit.unit: timedelta(seconds=unit.health_timeout_s) for unit in plan.units}


@dataclass(frozen=True, slots=True)
class Walk:
    """One step of a way back, begun or done."""

    unit: str
    number: int
    action: str
    done: bool


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way back from one rollout. `order`: what the actions of a plan belong to, by plan and attempt."""

    planner: Planner
    desires: Desires
    performer_of: Callable[[Side, Mapping[str, Desired]], Performer]
    rollout: Plan
    failed: Side  # what the rollout was to bring
    order: Callable[[Plan, int], Order]
    retries: int = 0
    begun: frozenset[tuple[str, int]] = frozenset()  # steps whose intent is recorded
    walked: frozenset[tuple[str, int]] = frozenset()  # those that are recorded as done
    told: Callable[[Sequence[Walk], tuple[Step, ...]], None] = lambda *_: None  # records steps, and what Jobs did

    def go(self, returning: Returning) -> None:
        """All of it. Raises what stopped it; then it is gone again from the start."""
        for revision in sorted({accepted.revision for accepted in returning.to}):
            wanted = tuple(accepted for accepted in returning.to if accepted.revision == revision)
            self._to(self.desires.at(revision), wanted)
        for accepted in returning.to:
            old = self.desires.at(accepted.revision)
            name = UnitRef.parse(accepted.unit).name
            side = self.failed if name in self.failed.desired.releases else old
            by_steps = self._leaving(UnitRef.parse(accepted.unit), old) is not None  # which ask it themselves
            if UnitRef.parse(accepted.unit).kind is UnitKind.RELEASE and name in side.desired.releases and not by_steps:
                self._performer(side).ask(questions(accepted.unit, side.desired.releases[name].spec))

    def _to(self, side: Side, wanted: tuple[Accepted, ...]) -> None:
        performer = self._performer(side)
        refs = tuple(UnitRef.parse(accepted.unit) for accepted in wanted)
        leaving = {ref: left for ref in refs for left in (self._leaving(ref, side),) if left is not None}
        try:
            self._walk(side, wanted, performer, leaving)
        except ReconcilerError as error:
            failure = self._let_in(performer, leaving, error)
            if failure is error:
                raise
            raise failure from error

    def _walk(
        self, side: Side, wanted: tuple[Accepted, ...], performer: Performer, leaving: Mapping[UnitRef, Leaving]
    ) -> None:
        refs = tuple(UnitRef.parse(accepted.unit) for accepted in wanted)
        self._derived(side, wanted, leaving)
        # a return is another operation on a host than the way forward, also where it runs the same hook
        attempt = RETURNS + self.retries
        old = performer.wanted((ref.name for ref in refs), {ref.name for ref, left in leaving.items() if left.stops})
        fence(performer.targets, old, self.rollout, self.order(self.rollout, attempt), performer.identities)
        plan = self.planner.plan(self.rollout.environment, refs, side, looks=True, leaving=leaving)
        _check(plan)
        for number, batch in enumerate(plan.batches):
            before, after = steps_of(plan.batches[:number]), steps_of(plan.batches[number + 1 :])
            now = steps_of([batch])
            self._tell(leaving, now - before - self.begun, done=False)
            order = self.order(plan, attempt)
            if (failure := performer.apply(batch, order).failure) is not None:
                raise failure
            ran = performer.finish(batch, order)
            if ran.failure is not None:
                self.told((), ran.steps)
                raise ran.failure
            performer.verify(batch, timeouts(plan))
            if leaving:
                performer.ask(batch)
            self._tell(leaving, now - after, done=True, ran=ran.steps)
        performer.verify(returned_before(self.rollout, side.desired, plan), timeouts(plan))

    def _performer(self, side: Side) -> Performer:
        return self.performer_of(side, dict.fromkeys(self.failed.desired.releases, self.failed.desired))

    def _leaving(self, ref: UnitRef, to: Side) -> Leaving | None:
        """The steps that a release's way back still has, as the version that is left says."""
        if ref.kind is not UnitKind.RELEASE:
            return None
        done = frozenset(number for unit, number in self.walked if unit == str(ref))
        return leaves(self.failed.desired, to.desired, ref.name, done)

    def _tell(
        self,
        leaving: Mapping[UnitRef, Leaving],
        steps: Collection[tuple[str, int]],
        *,
        done: bool,
        ran: tuple[Step, ...] = (),
    ) -> None:
        names = {(str(ref), number): step.action.value for ref, left in leaving.items() for number, step in left.left}
        if steps or ran:
            self.told([Walk(unit, number, names[unit, number], done) for unit, number in sorted(steps)], ran)

    def _let_in(
        self, performer: Performer, leaving: Mapping[UnitRef, Leaving], error: ReconcilerError
    ) -> ReconcilerError:
        """Where traffic may be stopped, and this return goes no further: what stands gets its pods back (G23)."""
        stopped: dict[str, list[str]] = {}
        for ref, left in leaving.items():
            if left.stops:
                stopped.setdefault(left.release.cluster or "", []).append(ref.name)
        if not stopped or isinstance(error, Unavailable):
            return error
        return let_in(performer, stopped, self.order(self.rollout, RETURNS + self.retries), error)

    def _derived(self, side: Side, wanted: tuple[Accepted, ...], leaving: Mapping[UnitRef, Leaving]) -> None:
        """What cannot be derived here and now is waited for, but not while traffic is stopped."""
        try:
            check_derived(side, wanted)
        except Unavailable as error:
            if not any(left.stops and left.done for left in leaving.values()):
                raise
            raise Rejected(error.message, key="release_rollback_failed", hint=error.own_hint) from error


def let_in(
    performer: Performer, releases: Mapping[str, Sequence[str]], order: Order, error: ReconcilerError
) -> ReconcilerError:
    """The failure, once what stands has its pods back. Raises Unavailable where nobody could give them."""
    try:
        words = performer.let_traffic_in(releases, order)
    except Unavailable:
        raise
    except ReconcilerError as worse:
        message = f"{error.message}; AND TRAFFIC IS STOPPED: {worse.message}"
        return Rejected(message, key=error.key, hint="scale the workload by hand; its annotation says how many it had")
    if not words:
        return error
    message = f"{error.message}; traffic goes to what stood: {', '.join(words)}"
    return Rejected(message, key=error.key, hint=error.own_hint)


def _check(plan: Plan) -> None:
    """Raise unless the plan of a return may be carried out under the grant (G21)."""
    if plan.blocked:
        check = plan.blocked[0]
        if check.key in AWAY:  # nobody can say what is there: the return waits, it has not failed
            raise Unavailable(f"returning: {check.message}", key=check.key)
        raise Rejected(f"returning: {check.message}", key=check.key or "release_rollback_failed")
    if plan.static:
        raise Refused("returning: the targets may not be looked at", key="release_rollback_failed")
    if any(not change.reversible for change in plan.changes):
        raise Refused(
            "returning: it holds what cannot be undone, and no grant covers that",
            key="release_rollback_failed",
            hint="open a revert pull request",
        )


def steps_of(batches: Iterable[Iterable[Action]]) -> frozenset[tuple[str, int]]:
    """The steps of ways back that batches hold."""
    return frozenset((one.unit, one.step) for batch in batches for one in batch if one.step)


def returned_before(rollout: Plan, old: Desired, left: Plan) -> tuple[Action, ...]:
    """What the rollout touched, a return to `old` keeps and `left` no longer changes: a crash lay in between.

    Nobody in this process waited for it to be ready. What the rollout was to delete is to stand again, or still.
    """
    kept = {ref_of(body) for source in old.sources.values() for body in source.objects}
    now = {action.object for batch in left.batches for action in batch}
    begun = (action for batch in rollout.batches for action in batch if action.kind in APPLIED)
    left_alone = (one for one in begun if one.object not in now and _object_ref(one) in kept)
    return tuple(one.model_copy(update={"kind": ActionKind.APPLY_OBJECT}) for one in left_alone)


def _object_ref(action: Action) -> ObjectRef | None:
    found = action.object
    return ObjectRef(found.group, found.version, found.kind, found.namespace, found.name) if found else None
