"""Jobs of a source that go by themselves: those with `ttlSecondsAfterFinished`, applied as any other object.

Such a Job ran once for the version that it came with, and is gone. Rule: what ended well and went is neither missing
nor made again until its `spec` says something else; of a version that did not end well nobody knows whether it ran.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.names import ObjectRef, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Check
from reconciler.plan.part import Part, warning
from reconciler.plan.units import ref_of
from reconciler.specs.chart_hooks import is_job

FIELD = "ttlSecondsAfterFinished"
SHORTEST = 60  # seconds; what goes sooner may be gone before a look sees how it ended


def passes(body: Mapping[str, Any]) -> bool:
    """Whether it goes by itself once it ended."""
    spec = body.get("spec")
    return is_job(body) and isinstance(spec, Mapping) and spec.get(FIELD) is not None


def ran(ask: PlanAsk, ref: UnitRef, wanted: Mapping[ObjectRef, Any]) -> frozenset[ObjectRef]:
    """Those of what a release wants that ran already, in a version that ended well."""
    side = ask.proposed if ask.returning else _ended_well(ask, ref)
    source = side.desired.sources.get(ref.name) if side is not None else None
    before = {ref_of(body): body["spec"] for body in source.objects if passes(body)} if source is not None else {}
    return frozenset(one for one, body in wanted.items() if one in before and body["spec"] == before[one])


def soon_gone(unit: str, wanted: Mapping[ObjectRef, Any], part: Part) -> Iterator[Check]:
    """What is to be known of those that are made by a plan."""
    made = {step.action.object.name for step in part.steps if step.action.object and step.action.object.kind == "Job"}
    for one, body in sorted(wanted.items(), key=lambda pair: pair[0]):
        seconds = body["spec"][FIELD] if passes(body) else SHORTEST
        if one.name in made and isinstance(seconds, int) and seconds < SHORTEST:
            message = f"{one} may be gone before anybody sees that it ended well: {FIELD} is {seconds}"
            yield warning(unit, "", message, f"say at least {SHORTEST}; a rollout that does not see its end has failed")


def _ended_well(ask: PlanAsk, ref: UnitRef) -> Any:
    unsure = ref in ask.unfinished or ref in ask.otherwise or ref in ask.fresh
    return None if unsure else ask.accepted.get(ref)
