"""Whether targets still hold what was last applied: looks by timer, changes nothing, tells once (contracts: G22).

Drift is measured against the last successful artifact of a release whose last plan succeeded. Only fields that we set
take part; what others own is theirs. A target that is away shows no change, so nothing is told of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.machine.ledger import SUCCESSES
from reconciler.names import Revision, UnitKind, UnitRef
from reconciler.plan.change import Operation, Plan
from reconciler.state.event import Domain, EventStatus, Severity


@dataclass(slots=True)
class Drift:
    """Looks at every environment with releases that ended well."""

    planner: Planner
    journal: Journal
    _told: dict[str, str] = field(default_factory=dict)  # by environment: the digest that was told

    def look(self) -> None:
        """One look at everything; an environment that is away is passed over and looked at next time."""
        for (environment, revision), units in sorted(self._settled().items()):
            plan = self.planner.plan(environment, units, self.planner.desires.at(revision), looks=True)
            key = f"{environment}@{revision}"
            if plan.static or not _moved(plan):
                self._told.pop(key, None)
                continue
            if self._told.get(key) != plan.digest:
                self.journal.record([self._note(plan)])
                self._told[key] = plan.digest

    def _settled(self) -> Mapping[tuple[str, Revision], tuple[UnitRef, ...]]:
        running = {rollout.passed.environment for rollout in self.journal.ledger.running()}
        grouped: dict[tuple[str, Revision], tuple[UnitRef, ...]] = {}
        for name, state in sorted(self.journal.ledger.accepted().items()):
            ref = UnitRef.parse(name)
            if ref.kind is not UnitKind.RELEASE or state.outcome not in SUCCESSES or state.environment in running:
                continue
            place = (state.environment, state.accepted.revision)
            grouped[place] = (*grouped.get(place, ()), ref)
        return grouped

    def _note(self, plan: Plan) -> Note:
        changed = [change for change in plan.changes if change.operation is not Operation.UNCHANGED]
        words = "; ".join(f"{change.subject}: {', '.join(f.path for f in change.fields[:5])}" for change in changed[:5])
        ref = UnitRef.parse(changed[0].unit)
        return Note(
            Domain.RELEASE,
            "drift_detected",
            "deployment_release",
            ref.name,
            status=EventStatus.WARNING,
            severity=Severity.MEDIUM,
            environment=plan.environment,
            project=plan.project or None,
            team=plan.team or None,
            detail={"release_id": ref.name, "env": plan.environment, "error_key": "", "summary": words},
        )


def _moved(plan: Plan) -> bool:
    return any(change.operation is not Operation.UNCHANGED for change in plan.changes)
