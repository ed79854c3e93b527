"""The record of one step of a way back: an entry like those of entry.py."""

from typing import Literal

from reconciler.plan.change import Value


class BackStep(Value):
    """One step of a way back that names its own: intent before it, and `done` after it. `number` counts from 1; 0 is
    that what was stopped gets its pods back, because something failed."""

    type: Literal["back_step"] = "back_step"
    environment: str
    generation: int
    unit: str
    number: int
    action: str
    done: bool = False
