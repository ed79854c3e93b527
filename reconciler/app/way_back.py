"""Going back to what ran before: the old artifacts derived again, looked at, and applied (G21, G24).

Safe to repeat: what was returned already is found returned. Pauses and shares are for going forward; a return is done
at once, so that nothing rests where it should not. Whether it succeeded is asked at its end each time, as the release
says that is rolled back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from reconciler.app.derived import check_derived
from reconciler.app.desire import Desires
from reconciler.app.fencing import fence
from reconciler.app.perform import Order, Performer
from reconciler.app.planning import Planner
from reconciler.app.verifying import APPLIED
from reconciler.errors import Refused, Rejected, Unavailable
from reconciler.machine.entry import Accepted, Returning
from reconciler.names import ObjectRef, UnitKind, UnitRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.make import Side
from reconciler.plan.questions import questions
from reconciler.plan.units import ref_of
from reconciler.specs.desired import Desired

AWAY = frozenset({"cluster_connect_failed", "ssh_unreachable", "rate_limited"})  # keys of failures that pass
RETURNS = 1000  # attempts of returns count from here; retries of one approval are three (G22)


def timeouts(plan: Plan) -> dict[str, timedelta]:
    """How long each unit may take to become ready."""
    return {unit.unit: timedelta(seconds=unit.health_timeout_s) for unit in plan.units}


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way back from one rollout. `order`: what the actions of a plan belong to, by plan and attempt."""

    planner: Planner
    desires: Desires
    performer_of: Callable[[Side], Performer]
    rollout: Plan
    failed: Side  # what the rollout was to bring
    order: Callable[[Plan, int], Order]
    retries: int = 0

    def go(self, returning: Returning) -> None:
        """All of it. Raises what stopped it; then it is gone again from the start."""
        for revision in sorted({accepted.revision for accepted in returning.to}):
            wanted = tuple(accepted for accepted in returning.to if accepted.revision == revision)
            self._to(self.desires.at(revision), wanted)
        for accepted in returning.to:
            old = self.desires.at(accepted.revision)
            name = UnitRef.parse(accepted.unit).name
            side = self.failed if name in self.failed.desired.releases else old
            if UnitRef.parse(accepted.unit).kind is UnitKind.RELEASE and name in side.desired.releases:
                self.performer_of(side).ask(questions(accepted.unit, side.desired.releases[name].spec))

    def _to(self, side: Side, wanted: tuple[Accepted, ...]) -> None:
        refs = tuple(UnitRef.parse(accepted.unit) for accepted in wanted)
        check_derived(side, wanted)
        performer = self.performer_of(side)
        # a return is another operation on a host than the way forward, also where it runs the same hook
        attempt = RETURNS + self.retries
        old = performer.wanted(ref.name for ref in refs)
        fence(performer.targets, old, self.rollout, self.order(self.rollout, attempt))
        plan = self.planner.plan(self.rollout.environment, refs, side, looks=True, returning=True)
        if plan.blocked:
            check = plan.blocked[0]
            if check.key in AWAY:  # nobody can say what is there: the return waits, it has not failed
                raise Unavailable(f"returning: {check.message}", key=check.key)
            raise Rejected(f"returning: {check.message}", key=check.key or "release_rollback_failed")
        if plan.static:
            raise Refused("returning: the targets may not be looked at", key="release_rollback_failed")
        if any(not change.reversible for change in plan.changes):
            raise Refused(
                "returning: it would delete data, and no grant covers that",
                key="release_rollback_failed",
                hint="open a revert pull request",
            )
        for batch in plan.batches:
            if (failure := performer.apply(batch, self.order(plan, attempt)).failure) is not None:
                raise failure
            performer.verify(batch, timeouts(plan))
        performer.verify(returned_before(self.rollout, side.desired, plan), timeouts(plan))


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
