"""The record of how a rollout ended: an entry like those of entry.py."""

from typing import Literal

from reconciler.plan.change import Value


class Finished(Value):
    """How a rollout ended. `outcome`: applied|no_change|failed|rolled_back|rollback_failed|superseded.

    `back`: units that went back wholly, by every step, where the return of another one failed.
    """

    type: Literal["finished"] = "finished"
    environment: str
    generation: int
    outcome: str
    key: str = ""
    message: str = ""
    back: tuple[str, ...] = ()

    def outcome_of(self, unit: str) -> str:
        """How it ended for one unit."""
        return "rolled_back" if unit in self.back else self.outcome
