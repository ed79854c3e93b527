"""The desired states that a plan leads away from: in them, what leaves a target is still named."""

from collections.abc import Callable, Iterable

from reconciler.names import Revision, UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.change import Plan, Ungranted
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.release import RollbackAction

At = Callable[[Revision], Side]


def accepted_before(plan: Plan, at: At) -> tuple[Desired, ...]:
    """The sides that the plan's units were accepted at before."""
    revisions = {unit.accepted for unit in plan.units if unit.accepted is not None}
    return tuple(at(revision).desired for revision in sorted(revisions))


def left_stopped(plan: Plan, desired: Desired, at: At) -> dict[str, tuple[str, ...]]:
    """Clusters, and releases there that an earlier way back may have left without pods: some version stops traffic."""
    names = [name for one in plan.units if (name := one.unit.removeprefix("release/")) != one.unit]
    found: dict[str, tuple[str, ...]] = {}
    for side in (desired, *accepted_before(plan, at)):
        for name, spec in ((name, side.releases[name].spec) for name in names if name in side.releases):
            if any(step.action is RollbackAction.STOP_TRAFFIC for step in spec.rollback.steps):
                cluster = spec.cluster or ""
                found[cluster] = tuple(dict.fromkeys((*found.get(cluster, ()), name)))
    return found


def namespaces_in(sides: Iterable[Desired]) -> dict[str, str]:
    """The namespaces of the releases there."""
    found: dict[str, str] = {}
    for desired in sides:
        found |= {name: release.spec.namespace or "" for name, release in desired.releases.items()}
    return found


def left_by(plan: Plan, at: At) -> dict[str, Desired]:
    """By release: the side that is left, of those that go back by steps of their own."""
    back = [unit for unit in plan.units if unit.ungranted is Ungranted.GOES_BACK]
    revisions = {UnitRef.parse(unit.unit).name: unit.left or unit.accepted for unit in back}
    return {name: at(revision).desired for name, revision in revisions.items() if revision is not None}
