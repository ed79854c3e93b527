"""What a plan is made of: one environment, its units, both sides of each, and one look. Decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.names import Revision, UnitRef
from reconciler.plan import guards
from reconciler.plan.change import Check
from reconciler.plan.units import Place, Unit
from reconciler.plan.way_back import Leaving
from reconciler.specs.desired import Desired
from reconciler.state.bundle import Bundle
from reconciler.state.observed import Failure, Observed


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a desired state and its units."""

    desired: Desired
    units: Mapping[UnitRef, Unit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanAsk:
    """Everything a plan is made of.

    `accepted` holds, for each unit, the side at its last accepted revision (absent: never accepted); `observed` is None
    for a static plan, which compares two desired states and looks at nothing (G4).
    """

    environment: str
    units: tuple[UnitRef, ...]
    proposed: Side
    accepted: Mapping[UnitRef, Side]
    accepted_at: Mapping[UnitRef, Revision]
    observed: Observed | None
    bundles: Mapping[str, Bundle | Failure]
    known_uids: Mapping[str, str]
    limits: guards.PruneLimits
    key: bytes
    held: tuple[Revision, ...] = ()
    checks: tuple[Check, ...] = ()  # of the whole pull request, such as policy beside other changes
    fresh: frozenset[UnitRef] = frozenset()  # nothing of them ended well yet: their releases may adopt what runs (G27)
    returning: bool = False  # the way back to what ran before: at once, without steps and pauses
    made: Mapping[UnitRef, frozenset[Place]] = field(default_factory=dict)  # of a return: what it may take away
    healing: bool = False  # what others changed of our own fields is what is put back, by name (G22)
    leaving: Mapping[UnitRef, Leaving] = field(default_factory=dict)  # releases that go back, by steps of their own
    older: frozenset[UnitRef] = frozenset()  # releases with steps that go to what came before what stands
    unfinished: frozenset[UnitRef] = frozenset()  # their last plan did not end in success: what it ran is run again
    # where it is not what was accepted last (rolled back, suspended): the side that ended well, which a return leads to
    otherwise: Mapping[UnitRef, Side | None] = field(default_factory=dict)
    neighbours: tuple[Desired, ...] = ()  # accepted sides of units that are not planned here; they count for the risk
