"""How the last plan of a unit stands, in one word of events.yaml: what doors show and what is counted.

Rule: these words are all that there are, whatever a record says.
"""

from collections.abc import Mapping
from typing import Final

from reconciler.machine.ledger import Ledger
from reconciler.machine.states import UnitState

APPLYING, ROLLING_BACK, FAILED = "applying", "rolling_back", "failed"
OUTCOMES: Final[Mapping[str, str]] = {
    "applied": "applied",
    "no_change": "applied",
    "failed": FAILED,
    "rolled_back": "rolled_back",
    "rollback_failed": "rollback_failed",
    "superseded": "superseded",
    "partially_applied": FAILED,
}
STATES: Final = tuple(sorted({APPLYING, ROLLING_BACK, *OUTCOMES.values()}))


def word_of(ledger: Ledger, state: UnitState) -> str:
    """One of STATES. An outcome that nobody knows is no good one."""
    if state.outcome:
        return OUTCOMES.get(state.outcome, FAILED)
    rollout = ledger.rollouts.get((state.environment, state.generation))
    return ROLLING_BACK if rollout is not None and rollout.returning is not None else APPLYING
