"""What landed on the tracked branch, as a value, and what can be said of it without looking anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.machine.entry import Landed
from reconciler.machine.ledger import Ledger, Waiting
from reconciler.names import SHORT, Revision, UnitKind, UnitRef, ticket_name
from reconciler.plan.change import Plan


@dataclass(frozen=True, slots=True)
class Landing:
    """A step of the tracked branch. `number` is None for a direct push."""

    before: Revision
    commit: Revision
    number: int | None

    @property
    def ticket(self) -> str:
        """The ticket: of its pull request, or one of its own."""
        return ticket_name(self.number) if self.number is not None else f"dep-appr-{self.commit[:SHORT]}"


def returns(plan: Plan, ledger: Ledger) -> bool:
    """Whether a failure goes back by itself: every acting unit is a release that says so and has somewhere to go."""
    acting = {action.unit for batch in plan.batches for action in batch}
    units = [unit for unit in plan.units if unit.unit in acting]
    if acting_kinds(plan) != {UnitKind.RELEASE} or any(unit.ungranted is not None for unit in units):
        return False
    return all(
        unit.rollback and unit.unit in ledger.units and ledger.units[unit.unit].successful is not None for unit in units
    )


def unpreviewed(landed: Landed) -> str:
    """Why a landing without a preview is refused, in words."""
    if landed.pull_request is not None:
        return f"pull request {landed.pull_request} was merged before its plan was previewed"
    return f"commit {landed.commit[:SHORT]} came without an approved pull request"


def order(waiting: Mapping[str, Waiting]) -> list[Waiting]:
    """What waits, in the order in which it landed."""
    return sorted(waiting.values(), key=lambda one: one.event)


def acting_kinds(plan: Plan) -> frozenset[UnitKind]:
    """Kinds of units that have actions in a plan."""
    return frozenset(UnitRef.parse(action.unit).kind for batch in plan.batches for action in batch)
