"""What needs a person before anything is destroyed: caps on deletions, an empty desired set, downgrades.

A guard answers with checks; an error check blocks the plan it stands in. Limits come from the policy in force, never
from the pull request under review.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Change, Check, Operation, Severity, UnitPlan


@dataclass(frozen=True, slots=True)
class PruneLimits:
    """How many owned objects one plan may delete: either bound is enough."""

    max_percent: int = 10
    max_objects: int = 3


def deletion_cap(changes: Sequence[Change], owned: int, limits: PruneLimits) -> tuple[Check, ...]:
    """`owned`: how many objects the environment's releases own before the plan."""
    deleted = sum(change.operation is Operation.DELETE and not change.replaced for change in changes)
    if deleted <= limits.max_objects or deleted * 100 <= owned * limits.max_percent:
        return ()
    cap = f"{limits.max_objects} objects or {limits.max_percent} %"
    message = f"deleting {deleted} of {owned} owned objects: the cap is {cap}"
    hint = "delete in smaller steps, or raise prune in Settings by a pull request of its own"
    return (Check(severity=Severity.ERROR, key="deletion_cap_exceeded", message=message, hint=hint),)


def empty_desired(units: Sequence[UnitPlan], changes: Sequence[Change], *, remaining: int) -> tuple[Check, ...]:
    """Refuse to read "nothing is left in the repository" as "delete everything". `remaining`: specs still there."""
    removed = [unit for unit in units if unit.removed]
    if remaining or not removed or not any(change.operation is Operation.DELETE for change in changes):
        return ()
    message = f"the desired state holds no spec at all and would remove {len(removed)} units: refused as unreadable"
    hint = "remove units one after another; the last one may go with `onRemoval: forget`"
    return (Check(severity=Severity.ERROR, key="deletion_cap_exceeded", message=message, hint=hint),)


def removed_with_dependants(units: Sequence[UnitPlan], needing: Mapping[UnitRef, Sequence[str]]) -> tuple[Check, ...]:
    """A cluster or an environment cannot go while releases that stay need it. `needing`: those releases, by unit."""
    found = []
    for unit in units:
        ref = UnitRef.parse(unit.unit)
        left = needing.get(ref, ()) if unit.removed and ref.kind is not UnitKind.RELEASE else ()
        if left:
            message = f"removing {ref}: still needed by {', '.join(sorted(left))}"
            found.append(Check(severity=Severity.ERROR, key="resource_conflict", message=message, unit=unit.unit))
    return tuple(found)


def namespace_in_use(changes: Sequence[Change], living: Mapping[tuple[str, str], str]) -> tuple[Check, ...]:
    """A namespace takes everything in it along, which no cap counts. `living`: a release by (where, namespace)."""
    found = []
    for change in changes:
        kind, _, name = change.subject.partition(" ")
        release = living.get((change.where, name))
        if change.operation is Operation.DELETE and kind == "Namespace" and release is not None:
            message = f"deleting {change.subject}: release {release} has objects in it, which would go along"
            hint = "move or remove those first, or keep the namespace in the source"
            found.append(
                Check(severity=Severity.ERROR, key="resource_conflict", message=message, unit=change.unit, hint=hint)
            )
    return tuple(found)


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Orders versions such as v1.30.1-offline.2: numbers by value, words by text."""
    pieces = version.removeprefix("v").replace("-", ".").split(".")
    return tuple((int(piece), "") if piece.isascii() and piece.isdigit() else (-1, piece) for piece in pieces)


def downgrade(unit: str, installed: str, wanted: str) -> tuple[Check, ...]:
    """A lower bundle version than the installed one is refused: hooks are not written to go back."""
    if version_key(wanted) >= version_key(installed):  # of nothing installed it is the lowest
        return ()
    message = f"installing bundle {wanted} over {installed}: a downgrade is not supported"
    return (Check(severity=Severity.ERROR, key="artifact_version_unsupported", message=message, unit=unit),)
