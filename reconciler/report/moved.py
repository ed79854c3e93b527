"""What moved between two previews of the same pull request, and on which side (contracts: G11).

Knows plans only. The sides: `desired` (specs, sources), `observed` (what is on the targets), `tool` (neither: this
version plans the same input otherwise). Equal digests moved nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.plan.change import Plan, PlanSet
from reconciler.plan.diff import diff

SHOWN_PATHS = 5  # of one subject; the rest is in the artifact


class Side(StrEnum):
    """Where it moved."""

    DESIRED = "desired"
    OBSERVED = "observed"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that moved: `subject` is a unit or what was observed, `paths` the fields, as far as they are known."""

    side: Side
    environment: str
    subject: str
    paths: tuple[str, ...] = ()


def moved(old: PlanSet, new: PlanSet) -> tuple[Move, ...]:
    """Everything that moved, by environment; empty only where the digests are equal."""
    if old.digest == new.digest:
        return ()
    before = {plan.environment: plan for plan in old.plans}
    after = {plan.environment: plan for plan in new.plans}
    found: list[Move] = []
    for environment in sorted({*before, *after}):
        if environment not in before or environment not in after:
            found.append(Move(Side.DESIRED, environment, environment))
        elif before[environment].digest != after[environment].digest:
            found += _plan(before[environment], after[environment])
    return tuple(found) or (Move(Side.TOOL, "", ""),)


def _plan(old: Plan, new: Plan) -> list[Move]:
    desired = [*_desired(old, new), *_bundles(old, new)]
    observed = [
        move for move, on_both in _observed(old, new) if on_both or not desired
    ]  # what only one side touches follows from the specs, where those moved
    if not desired and not observed and (keys := _blocked(old) ^ _blocked(new)):
        observed = [Move(Side.OBSERVED, new.environment, new.environment, tuple(sorted(keys)))]
    return [*desired, *observed] or [Move(Side.TOOL, new.environment, new.environment)]


def _blocked(plan: Plan) -> frozenset[str]:
    return frozenset(check.key for check in plan.blocked)


def _bundles(old: Plan, new: Plan) -> Iterator[Move]:
    """A bundle's content is desired, though only the actions name it."""
    before, after = (
        {action.bundle_version: action.bundle for batch in plan.batches for action in batch if action.bundle}
        for plan in (old, new)
    )
    for version in sorted(before.keys() & after.keys()):
        if before[version] != after[version]:
            yield Move(Side.DESIRED, new.environment, f"bundle {version}")


def _desired(old: Plan, new: Plan) -> Iterator[Move]:
    before = {unit.unit: unit for unit in old.units}
    after = {unit.unit: unit for unit in new.units}
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield Move(Side.DESIRED, new.environment, name)
        elif (one.artifact, one.specs) != (other.artifact, other.specs):
            specs = {field.path: field for field in one.specs}
            others = {field.path: field for field in other.specs}
            paths = sorted(path for path in {*specs, *others} if specs.get(path) != others.get(path))
            yield Move(Side.DESIRED, new.environment, name, tuple(paths[:SHOWN_PATHS]))


def _observed(old: Plan, new: Plan) -> Iterator[tuple[Move, bool]]:
    """Each observed subject that moved, and whether both plans touch it."""
    before: dict[str, Any] = {touched.subject: touched.state for touched in old.touched}
    after: dict[str, Any] = {touched.subject: touched.state for touched in new.touched}
    for subject in sorted({*before, *after}):
        on_both = subject in before and subject in after
        changes = diff(before.get(subject), after.get(subject))
        if changes or not on_both:
            paths = tuple(field.path for field in changes if field.path)[:SHOWN_PATHS]
            yield Move(Side.OBSERVED, new.environment, subject, paths), on_both
