"""Begins what puts drift right: the last successful artifact of one release, planned again from a fresh look (G22).

Decides by machine/healing.py alone. A heal is recorded as every plan is, under a generation of its own (G20, G25), and
is carried out by the same hands; it stands on the approval of the plan whose artifact it puts back, grants no return
and uses none up (G21).
"""

from dataclasses import dataclass, replace

from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.app.stories import Story
from reconciler.machine.entry import Passed
from reconciler.machine.healing import Case, Why, refused, unfit
from reconciler.machine.ledger import RolloutState
from reconciler.machine.stages import Stage
from reconciler.machine.states import UnitState
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Plan
from reconciler.ports import Clock
from reconciler.specs.kinds import Environment
from reconciler.specs.kinds.environment import Drift

REQUESTED = "drift is put right: what was last applied is applied again"


@dataclass(slots=True)
class Healing:
    """Says why not, or what to record to begin."""

    planner: Planner
    journal: Journal
    clock: Clock

    def of(self, ref: UnitRef, *, taken_in: bool) -> Why | tuple[Note, ...]:
        """Why the drift of a release is left, or the notes that begin its heal, with its plan beside them."""
        state = self.journal.ledger.units[str(ref)]
        rollout = self.journal.ledger.rollouts.get((state.environment, state.generation))
        approved = self.journal.ledger.approved(rollout) if rollout is not None else None
        why = refused(self.journal.ledger, self._case(ref, state, approved, taken_in=taken_in))
        if why is not None:
            return why
        assert approved is not None  # noqa: S101  something was promised
        side = self.planner.desires.at(state.accepted.revision)
        plan = self.planner.plan(state.environment, (ref,), side, looks=True, healing=True)
        why = unfit(plan, state.accepted)
        return why if why is not None else self._begin(plan, state, approved)

    def _case(self, ref: UnitRef, state: UnitState, approved: RolloutState | None, *, taken_in: bool) -> Case:
        home = self._environment(state.environment)
        release = self.planner.desires.at(state.accepted.revision).desired.releases.get(ref.name)
        return Case(
            unit=str(ref),
            now=self.clock.now(),
            asked=home is not None and home.drift is Drift.HEAL,
            promised=approved is not None and self._promised(str(ref), approved),
            suspended=home is None or home.suspend or release is None or release.spec.suspend,
            taken_in=taken_in,
        )

    def _environment(self, name: str) -> Environment | None:
        """As it was accepted, never as somebody pushed it (G2)."""
        state = self.journal.ledger.units.get(str(UnitRef(UnitKind.ENVIRONMENT, name)))
        if state is None or state.accepted.removed:
            return None
        spec = self.planner.desires.at(state.accepted.revision).desired.environments.get(name)
        return spec.spec if spec is not None else None

    def _promised(self, unit: str, approved: RolloutState) -> bool:
        plan = Plan.model_validate_json(self.journal.file(approved.passed.path))
        return any(one.heals for one in plan.units if one.unit == unit)

    def _begin(self, plan: Plan, state: UnitState, approved: RolloutState) -> tuple[Note, ...]:
        generation = self.journal.ledger.generation(plan.environment) + 1
        path = f"plans/{plan.environment}/{generation:06}.json"
        passed = approved.passed
        entry = Passed(
            ticket=passed.ticket,
            commit=passed.commit,
            environment=plan.environment,
            generation=generation,
            digest=plan.digest,
            path=path,
            batches=len(plan.batches),
            units=(state.accepted,),
            return_granted=False,
            approved_by=passed.approved_by,
            self_approved=passed.self_approved,
            heals=passed.generation,
        )
        desired = self.planner.desires.at(state.accepted.revision).desired
        told = Story(plan, passed.ticket, path, desired).tell(Stage.REQUESTED, entry=entry, summary=REQUESTED)
        first, *others = told
        return (replace(first, files={path: plan.model_dump_json(indent=1).encode()}), *others)
