"""Going back to what ran before: the old artifacts derived again, looked at, and applied (G21, G24).

Safe to repeat: what was returned already is found returned. Pauses and shares are for going forward; a return is done
at once, so that nothing rests where it should not. Whether it succeeded is asked at its end each time, as the release
says that is rolled back. Where that names steps, each is recorded before and after, and done once (walked.py). Where
nothing of what failed was done, nothing is walked.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.app.derived import check_derived
from reconciler.app.desire import Desires
from reconciler.app.fencing import fence
from reconciler.app.going_back import hooks_of, leaves, ran
from reconciler.app.hooks_over import hooks_over
from reconciler.app.jobs import run_in
from reconciler.app.operations import Order
from reconciler.app.perform import Performer
from reconciler.app.planning import Planner, Return
from reconciler.app.returns import in_turns
from reconciler.app.traffic import given_up
from reconciler.app.verifying import APPLIED
from reconciler.app.walked import Walked
from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Withdrawn
from reconciler.machine.entry import Accepted, Returning
from reconciler.machine.states import RolloutState
from reconciler.names import ObjectRef, UnitKind, UnitRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.make import Side
from reconciler.plan.questions import questions
from reconciler.plan.units import ref_of
from reconciler.plan.unknown import made_by, told_of
from reconciler.plan.way_back import Leaving
from reconciler.specs.desired import Desired

AWAY = frozenset({"cluster_connect_failed", "ssh_unreachable", "rate_limited"})  # keys of failures that pass


def timeouts(plan: Plan) -> dict[str, timedelta]:
    """How long each unit may take to become ready."""
    return {unit.unit: timedelta(seconds=unit.health_timeout_s) for unit in plan.units}


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way back from one rollout."""

    planner: Planner
    desires: Desires
    performer_of: Callable[[Side, Mapping[str, Desired]], Performer]
    rollout: Plan
    failed: Side  # what the rollout was to bring
    walked: Walked
    left_alone: list[str] = field(default_factory=list)  # of each plan: what nobody knows, in words

    @property
    def state(self) -> RolloutState:
        """The rollout as it is recorded by now."""
        return self.walked.state

    def go(self, returning: Returning) -> str:
        """All of it; what was left alone, in words. Raises what stopped it; then it is gone again from the start."""
        by_steps: set[str] = set()
        for wanted in in_turns(returning.to, self.desires.at):
            by_steps |= self._to(self.desires.at(wanted[0].revision), wanted)
        for accepted in returning.to:
            old = self.desires.at(accepted.revision)
            name = UnitRef.parse(accepted.unit).name
            side = self.failed if name in self.failed.desired.releases else old
            release = UnitRef.parse(accepted.unit).kind is UnitKind.RELEASE and name in side.desired.releases
            if release and accepted.unit not in by_steps:  # which ask it themselves
                self._performer(side).ask(questions(accepted.unit, side.desired.releases[name].spec))
        return "".join(f"; {words}" for words in self.left_alone if words)

    def _to(self, side: Side, wanted: tuple[Accepted, ...]) -> set[str]:
        """Go back to one side; the units that went by steps."""
        performer = self._performer(side)
        refs = tuple(UnitRef.parse(accepted.unit) for accepted in wanted)
        leaving = {ref: left for ref in refs for left in (self._leaving(ref, side),) if left is not None}
        try:
            if self.state.again and any(left.stops for left in leaving.values()):
                raise given_up()  # never a migration beside pods
            return self._walk(side, wanted, performer, leaving)
        except ReconcilerError as error:
            failure = self.walked.failure(performer, leaving, error)
            if failure is error:
                raise
            raise failure from error

    def _walk(
        self, side: Side, wanted: tuple[Accepted, ...], performer: Performer, leaving: Mapping[UnitRef, Leaving]
    ) -> set[str]:
        refs = tuple(UnitRef.parse(accepted.unit) for accepted in wanted)
        self._derived(side, wanted, leaving)
        # a return is another operation on a host than the way forward, also where it runs the same hook
        attempt = self.walked.attempt
        if not self.walked.begun(refs):  # else it was done before the first step was recorded
            old = performer.wanted(ref.name for ref in refs)
            fence(performer.targets, old, self.rollout, self.walked.order(self.rollout, attempt), performer.identities)
            self._wait_for_hooks(refs)
        leaving = {ref: replace(left, moved=self._moved(ref, left, performer)) for ref, left in leaving.items()}
        back = Return(leaving, {ref: made_by(self.rollout, self.failed.desired, ref) for ref in refs})
        plan = self.planner.plan(self.rollout.environment, refs, side, looks=True, back=back)
        _check(plan, lambda: self._ask_again(performer))
        self.left_alone.append(told_of(plan))
        self._tell_over(side, plan, performer, leaving)
        for number, batch in enumerate(plan.batches):
            before, after = steps_of(plan.batches[:number]), steps_of(plan.batches[number + 1 :])
            now = steps_of([batch])
            self.walked.tell(leaving, now - before - self.state.begun, done=False)
            order = self.walked.order(plan, attempt)
            applied = performer.apply(batch, order)
            if applied.failure is not None:
                self.walked.failed_runs.extend(one for one in applied.steps if one.run)
                raise applied.failure
            jobs = performer.finish(batch, order)
            if jobs.failure is not None:
                self.walked.failed_runs.extend(jobs.steps)
                raise jobs.failure
            performer.verify(batch, timeouts(plan))
            over = {unit for unit, _ in now} - {unit for unit, _ in after}
            settled = [ref for ref in leaving if str(ref) in over | _asked(batch)]
            performer.verify(returned_before(self.rollout, side.desired, plan, settled), timeouts(plan))
            if leaving:
                performer.ask(batch)
            done = self.walked.passed(leaving, {one.unit for one in batch}, coming(plan.batches[number + 1 :], leaving))
            self.walked.tell(leaving, done, done=True, ran=jobs.steps, words="; ".join(applied.words))
        stepped = {unit for unit, _ in steps_of(plan.batches)}
        others = [ref for ref in refs if str(ref) not in stepped]
        performer.verify(returned_before(self.rollout, side.desired, plan, others), timeouts(plan))
        return stepped | {unit for unit, _ in self.state.begun}

    def _wait_for_hooks(self, refs: Collection[UnitRef]) -> None:
        hooks = [action for ref in refs for _, action in hooks_of(self.rollout, str(ref))]
        if hooks:
            for step in hooks_over(self._performer(self.failed), hooks, self._forward()):
                self.walked.told((), (step,))

    def _forward(self) -> Order:
        """The order of the way forward, by which its Jobs are named."""
        return replace(self.walked.order(self.rollout, self.state.passed.retries), once="")

    def _tell_over(self, side: Side, plan: Plan, performer: Performer, leaving: Mapping[UnitRef, Leaving]) -> None:
        """Tell the steps of which everything was done when a process ended before it said so."""
        over = self.walked.passed(leaving, {unit for unit, _ in self.state.begun}, coming(plan.batches, leaving))
        if over:
            left = returned_before(self.rollout, side.desired, plan, leaving)
            begun = over & self.state.begun
            performer.verify([_in_step(one, begun, leaving) for one in left], timeouts(plan))
            self.walked.tell(leaving, over, done=True)

    def _performer(self, side: Side) -> Performer:
        return self.performer_of(side, dict.fromkeys(self.failed.desired.releases, self.failed.desired))

    def _leaving(self, ref: UnitRef, to: Side) -> Leaving | None:
        """The steps that a release's way back still has, as the version that is left says: what was approved."""
        if ref.kind is not UnitKind.RELEASE:
            return None
        if any(unit.unit == str(ref) and unit.back for unit in self.rollout.units):
            self._check_left(ref)
        done = frozenset(number for unit, number in self.state.walked if unit == str(ref))
        return leaves(self.failed.desired, to.desired, ref.name, done)

    def _check_left(self, ref: UnitRef) -> None:
        """What cannot be derived here and now is waited for, and so is what is derived otherwise once steps were begun:
        only it knows how its traffic comes back."""
        try:
            check_derived(self.failed, [one for one in self.state.passed.units if one.unit == str(ref)])
        except Refused as error:
            if not self.walked.begun([ref]):
                raise
            raise Unavailable(error.message, key=error.key, hint=error.own_hint) from error

    def _moved(self, ref: UnitRef, left: Leaving, performer: Performer) -> bool:
        """Whether more than its objects may have changed: a Job that is not known to have failed counts."""
        if self.walked.begun([ref]) or str(ref) in self.state.owing or ran(self.state, self.rollout, str(ref)):
            return True
        hooks = [action for _, action in hooks_of(self.rollout, str(ref))]
        order = self._forward()
        api = performer.targets.kube(left.release.cluster or "") if hooks else None
        seen = (api.job(run_in(order, action)) for action in hooks) if api is not None else ()
        return any(one is not None and not one.failed and not one.stopped for one in seen)

    def _ask_again(self, performer: Performer) -> None:
        targets = (one.target.partition("/") for batch in self.rollout.batches for one in batch)
        for cluster in sorted({name for kind, _, name in targets if kind == "cluster"}):
            try:
                performer.targets.kube(cluster).facts()
            except (Unavailable, Withdrawn):
                raise
            except ReconcilerError:
                continue  # it is taken

    def _derived(self, side: Side, wanted: tuple[Accepted, ...], leaving: Mapping[UnitRef, Leaving]) -> None:
        """What cannot be derived here and now is waited for, but not while traffic is stopped."""
        try:
            check_derived(side, wanted)
        except Unavailable as error:
            if not self.walked.away(leaving):
                raise
            raise Rejected(error.message, key="release_rollback_failed", hint=error.own_hint) from error


def _check(plan: Plan, ask_again: Callable[[], None]) -> None:
    """Raise unless the plan of a return may be carried out under the grant (G21). `ask_again` raises Withdrawn where
    no right is missing, but the credential is not taken any more: another one is waited for."""
    if plan.blocked:
        check = plan.blocked[0]
        if check.key in AWAY:  # nobody can say what is there: the return waits, it has not failed
            raise Unavailable(f"returning: {check.message}", key=check.key)
        if check.key == Withdrawn.default_key:
            ask_again()
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


def coming(batches: Collection[Iterable[Action]], leaving: Mapping[UnitRef, Leaving]) -> frozenset[tuple[str, int]]:
    """The steps that are not done before these batches are: the last one ends with what Helm's history says of it."""
    last = {str(ref): max(number for number, _ in left.all) for ref, left in leaving.items()}
    ends = ((one.unit, last[one.unit]) for batch in batches for one in batch if one.unit in last and not one.step)
    return steps_of(batches) | frozenset(ends)


def _asked(batch: Iterable[Action]) -> set[str]:
    """Units that are asked something: also what this return found as it is to be is ready by then."""
    return {one.unit for one in batch if one.kind is ActionKind.ASK}


def _in_step(action: Action, steps: Collection[tuple[str, int]], leaving: Mapping[UnitRef, Leaving]) -> Action:
    """What stands since the last of these steps, whose time it has."""
    number = max((number for unit, number in steps if unit == action.unit), default=0)
    if not number:
        return action
    seconds = int(dict(leaving[UnitRef.parse(action.unit)].all)[number].timeout.total_seconds())
    return action.model_copy(update={"step": number, "seconds": seconds})


def returned_before(rollout: Plan, old: Desired, left: Plan, units: Iterable[UnitRef]) -> tuple[Action, ...]:
    """What the rollout touched, a return of units to `old` keeps and `left` no longer changes: a crash lay in between.

    Nobody in this process waited for it to be ready. What the rollout was to delete is to stand again, or still. Other
    units may go back to another commit, and later.
    """
    names = {unit.name for unit in units if unit.kind is UnitKind.RELEASE} & old.sources.keys()
    kept = {ref_of(body) for name in names for body in old.sources[name].objects}
    now = {action.object for batch in left.batches for action in batch}
    begun = (action for batch in rollout.batches for action in batch if action.kind in APPLIED)
    left_alone = (one for one in begun if one.object not in now and _object_ref(one) in kept)
    return tuple(one.model_copy(update={"kind": ActionKind.APPLY_OBJECT}) for one in left_alone)


def _object_ref(action: Action) -> ObjectRef | None:
    found = action.object
    return ObjectRef(found.group, found.version, found.kind, found.namespace, found.name) if found else None
