"""What was told of drift, and how often it was put right: entries and their fold (contracts: gate.md, G22).

Knows no target and no clock. The rule it keeps: everything that stops healing is recorded, so that a restart neither
tells twice nor goes on with a fight.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from reconciler.names import Digest
from reconciler.plan.change import Value

FOUGHT = "fought"  # why drift is told and not put right: somebody changes it again and again


class Drifted(Value):
    """A release is not any more as it was last applied. `digest` is over what drifted, and over no value of it.

    `why` it is not put right: a word of machine/healing.py; empty where a heal begins with the same record. `parts`:
    the same as the digest, of each object; empty where there are too many. `subjects`: the object of each part, empty
    where that is not known. `unseen`: objects that could not be looked at, so that nobody knows of them.
    """

    type: Literal["drifted"] = "drifted"
    unit: str
    environment: str
    digest: Digest
    objects: int
    why: str = ""
    parts: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def after(self, told: "Drifted") -> "Drifted":
        """The same after what was told before: what is only not seen any more has not ended, and is not told anew."""
        if told.ended(self.unseen, self.parts):
            return self
        if not self.unseen or not self.parts or not set(self.parts) <= set(told.parts):
            return self  # where there are too many to be told from each other, a change of any is news
        return self.model_copy(
            update={name: getattr(told, name) for name in ("digest", "objects", "parts", "subjects")}
        )

    def ended(self, unseen: Collection[str], parts: Collection[str] = ()) -> bool:
        """Whether nothing of what was told and does not drift now can be among these objects that were not seen."""
        if len(self.subjects) != len(self.parts) or not self.parts:
            return not unseen
        gone = [subject for subject, part in zip(self.subjects, self.parts, strict=True) if part not in parts]
        return not any(not subject or one in subject for one in unseen for subject in gone)


class DriftOver(Value):
    """It is as it was last applied again, by somebody else's doing; a heal says so by how it ended."""

    type: Literal["drift_over"] = "drift_over"
    unit: str
    environment: str


@dataclass(frozen=True, slots=True)
class DriftState:
    """What was told of a release's drift. `over`: it is gone, which is known until the release's next accepted plan."""

    drifted: Drifted
    at: datetime
    over: bool = False


@dataclass(slots=True)
class Drifts:
    """By unit. `heals`: when each heal began, since its last accepted plan and since somebody last acted on it."""

    told: dict[str, DriftState] = field(default_factory=dict)
    heals: dict[str, tuple[datetime, ...]] = field(default_factory=dict)
    fought: set[str] = field(default_factory=set)  # healed no more until somebody acts on them

    def standing(self, unit: str) -> DriftState | None:
        """The drift of a unit that is not over."""
        state = self.told.get(unit)
        return state if state is not None and not state.over else None

    def tell(self, entry: Drifted, at: datetime) -> None:
        """It was told."""
        self.told[entry.unit] = DriftState(entry, at)
        if entry.why == FOUGHT:
            self.fought.add(entry.unit)

    def end(self, unit: str) -> None:
        """The drift of a unit is over."""
        if unit in self.told:
            self.told[unit] = replace(self.told[unit], over=True)

    def accept(self, unit: str, at: datetime, *, heals: bool) -> None:
        """A heal of it begins; or another plan of it was accepted, and what was told is of the past."""
        if heals:
            self.heals[unit] = (*self.heals.get(unit, ()), at)
            return
        self.told.pop(unit, None)
        self.act_on([unit])

    def act_on(self, units: Iterable[str]) -> None:
        """A person said of these units that things shall go on."""
        for unit in units:
            self.heals.pop(unit, None)
            self.fought.discard(unit)
