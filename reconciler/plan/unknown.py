"""What a granted return leaves alone: what carries a release's labels, and nobody knows to be of what is left (G21).

Rule: whoever approved a rollout approved that what it made goes again, and nothing more; a return is previewed by
nobody. Known are the objects of both versions, those that the rollout was to touch, and runs of our Jobs. What else
stands is neither deleted nor stopped, but told; where traffic is to be stopped and it has pods, nothing is: they would
answer, and write, beside a migration.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reconciler.names import UnitRef
from reconciler.plan.change import ActionKind, Check, Plan, Severity
from reconciler.plan.part import Part, error, warning
from reconciler.plan.units import Place, object_in, place_of, ref_of
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import GOES_ON, is_stopped
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

KEY: Final = "owned_by_another"
NAMED: Final = 3
HINT: Final = (
    "take its labels off, or delete it, and order the return; or open the revert pull request, whose preview shows it"
)
Unknown = tuple[ObservedObject, ...]


def made_by(rollout: Plan, left: Desired, unit: UnitRef) -> frozenset[Place]:
    """What a return of a unit may take away: of the version that is left, and of what its rollout was to touch."""
    source = left.sources.get(unit.name)
    own = map(ref_of, source.objects) if source is not None else ()
    actions = (one for batch in rollout.batches for one in batch if one.unit == str(unit) and one.object is not None)
    return frozenset(map(place_of, (*own, *map(object_in, actions))))


def apart(
    observed: ObservedRelease | Failure, known: frozenset[Place] | None
) -> tuple[ObservedRelease | Failure, Unknown]:
    """What was seen of a release without what nobody knows, and that. `known`: also what is gone back to; None: a
    preview shows all of it."""
    if isinstance(observed, Failure) or known is None:
        return observed, ()
    mine = (one for one in observed.objects.values() if one.exists and one.owner == observed.release and not one.run)
    found = {one.ref: one for one in mine if place_of(one.ref) not in known}
    rest = {ref: one for ref, one in observed.objects.items() if ref not in found}
    return replace(observed, objects=rest), tuple(found[ref] for ref in sorted(found))


def said_of(unit: str, part: Part, unknown: Unknown) -> Iterator[Check]:
    """What is said of what is left alone, and what keeps traffic from being stopped beside it."""
    if not unknown:
        return
    what = "nobody knows it to be of the version that is left"
    yield warning(unit, KEY, f"left alone, though it carries the labels of {unit}: {_names(unknown)}: {what}", HINT)
    runs = tuple(one for one in unknown if _may_run(one))
    if runs and any(step.action.kind is ActionKind.STOP_TRAFFIC for step in part.steps):
        message = f"no traffic is stopped beside {_names(runs)}, which carries the labels of {unit}: {what}; {HINT}"
        yield error(unit, "release_rollback_failed", message)


def told_of(plan: Plan) -> str:
    """What a return says at its end of what it left alone."""
    found = (one for one in plan.checks if one.key == KEY and one.severity is not Severity.ERROR)
    return "; ".join(one.message for one in found)


def _may_run(item: ObservedObject) -> bool:
    group, kind = item.ref.group, item.ref.kind
    return kind in GOES_ON or (group, kind) == ("batch", "Job") or (is_stopped(group, kind) and not item.rests)


def _names(found: Unknown) -> str:
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(str(one.ref) for one in found[:NAMED]) + more
