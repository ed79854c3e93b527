"""A Complaint: a broken rule between specs, said of one part of one spec."""

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.errors import Problem
from reconciler.specs.finding import VALIDATION, Hints
from reconciler.specs.kinds import AnySpec
from reconciler.specs.spec import Spec


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the part of a spec that the steps lead to."""

    spec: Spec[AnySpec]
    steps: tuple[str | int, ...]
    message: str
    hint: str = ""
    key: str = VALIDATION
    meant: tuple[str, Collection[str]] = ("", ())  # a name that is not known, and those that are

    def problem(self, hints: Hints) -> Problem:
        """The problem at the place of that part."""
        hint = (hints.near(*self.meant) if self.meant[1] else "") or self.hint
        named = ".".join(str(step) for step in self.steps if isinstance(step, str))
        text = f"{self.spec.ref}: {named}: {self.message}" if named else f"{self.spec.ref}: {self.message}"
        return Problem(self.spec.place_of(*self.steps), self.key, text, hint)
