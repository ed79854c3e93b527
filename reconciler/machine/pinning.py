"""Pins of images as they were accepted, found again by what they were accepted for (contracts: gate.md, G9, G24).

Rule: one content of a unit has one set of pins for ever, the one with which it was first accepted; also none, where
it was accepted without. So whatever is derived later of that content (drift, heals, returns, finishing after a crash,
reverts) is the very artifact that was approved, and no registry is asked for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.machine.entry import Accepted
from reconciler.names import Digest


@dataclass(slots=True)
class PinBook:
    """By unit and the artifact that its content has without pins: its pins. `moves` tells its states apart."""

    moves: int = 0
    _kept: dict[tuple[str, Digest], Mapping[str, str]] = field(default_factory=dict)

    def accept(self, accepted: Accepted) -> None:
        """Keep the pins of what was accepted."""
        place = (accepted.unit, accepted.base or accepted.artifact)
        if accepted.removed or place in self._kept:
            return
        self._kept[place] = {pin.image: pin.digest for pin in accepted.pins}
        self.moves += bool(accepted.pins)

    def of(self, unit: str, content: Digest) -> Mapping[str, str] | None:
        """The pins of a unit's content; None where it was never accepted."""
        return self._kept.get((unit, content))
