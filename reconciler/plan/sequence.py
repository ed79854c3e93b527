"""Units -> batches: what of one plan is done before what. Knows units and their phases, and no target.

An environment comes before its clusters, those before their releases, and a release after what it depends on. What is
removed goes the other way.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Action
from reconciler.plan.order import batches_of
from reconciler.plan.part import Part

ORDER = (UnitKind.POLICY, UnitKind.ENVIRONMENT, UnitKind.CLUSTER, UnitKind.RELEASE)


def in_batches(ask: PlanAsk, parts: Mapping[UnitRef, Part]) -> tuple[tuple[Action, ...], ...]:
    """Batches by dependency: the environment's install, its clusters, then releases by dependsOn; phases in each."""
    phases = {ref: sorted({step.phase for step in part.steps}) for ref, part in parts.items()}
    needs: dict[str, set[str]] = {}
    for ref in parts:
        nodes = [f"{ref}#{phase:04}" for phase in phases[ref]] or [f"{ref}#none"]
        needs[nodes[0]] = {_last(other, phases) for other in _before(ask, ref) if other in parts}
        for earlier, later in pairwise(nodes):
            needs[later] = {earlier}
    actions: dict[str, list[Action]] = {}
    for ref, part in parts.items():
        for step in part.steps:
            actions.setdefault(f"{ref}#{step.phase:04}", []).append(step.action)
    found = []
    for level in batches_of(needs):
        batch = tuple(action for node in level for action in sorted(actions.get(node, ()), key=lambda a: a.id))
        if batch:
            found.append(batch)
    return tuple(found)


def _last(ref: UnitRef, phases: Mapping[UnitRef, list[int]]) -> str:
    return f"{ref}#{phases[ref][-1]:04}" if phases[ref] else f"{ref}#none"


def _before(ask: PlanAsk, ref: UnitRef) -> Iterator[UnitRef]:
    """What has to be done before a unit. A removal goes the other way: releases first, then what carries them."""
    desired = ask.proposed.desired
    removed = {other for other in ask.units if other not in ask.proposed.units}
    rank = ORDER.index(ref.kind)
    for other in ask.units:
        lower, higher = ORDER.index(other.kind) < rank, ORDER.index(other.kind) > rank
        if (ref not in removed and other not in removed and lower) or (ref in removed and other in removed and higher):
            yield other
    if ref.kind is UnitKind.RELEASE and ref in removed:
        yield from (other for other in ask.units if other != ref and ref.name in _depended_on(ask, other))
    release = desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
    for name in release.spec.depends_on if release is not None else ():
        yield UnitRef(UnitKind.RELEASE, name)


def _depended_on(ask: PlanAsk, ref: UnitRef) -> tuple[str, ...]:
    """What a release needed by its accepted spec: that goes only after it is gone, or after it needs it no more."""
    side = ask.accepted.get(ref)
    release = side.desired.releases.get(ref.name) if side is not None and ref.kind is UnitKind.RELEASE else None
    return release.spec.depends_on if release is not None else ()
