"""What a return on order would do, told before it is signed (G21).

Knows the records, the approved plan and what lies in the repository, and asks no target: the reconciler does, before it
acts. Rule: what cannot be told here is said to be so, and never left out as if it were nothing.
"""

from collections.abc import Iterator
from typing import Any

from reconciler.doors.reading import Reading
from reconciler.errors import ReconcilerError
from reconciler.machine.entry import Accepted, Returning
from reconciler.names import SHORT, UnitRef
from reconciler.plan.change import Plan
from reconciler.plan.part import Part
from reconciler.plan.questions import SUCCESS, probes, words_of
from reconciler.plan.releases import lost_by_return
from reconciler.plan.units import ref_of
from reconciler.report.phrases import PHRASES, Locale
from reconciler.report.sections import not_undone, steps_back
from reconciler.specs.chart import PRUNE
from reconciler.specs.desired import Desired
from reconciler.specs.release_source import ReleaseSource

FRESH = "this is what records and repository say; the reconciler looks at the cluster freshly before it acts"
UNREAD = "what it would delete cannot be told on this machine; the preview of the approved plan says what that made"


def foretold(reading: Reading, unit: str, returning: Returning) -> tuple[str, ...]:
    """What a return does, in lines."""
    return tuple(_lines(reading, unit, returning))


def _lines(reading: Reading, unit: str, returning: Returning) -> Iterator[str]:
    name = UnitRef.parse(unit).name
    accepted = reading.ledger.units[unit].accepted
    (to,) = returning.to
    left, there = (_desired(reading, one) for one in (accepted, to))
    plan = Plan.model_validate_json(reading.view.file(returning.path))
    part = next((one for one in plan.units if one.unit == unit), None)
    yield f"{unit} in {returning.environment} goes back, by this order:"
    yield f"  from {_version(accepted, left, name)}"
    yield f"  to   {_version(to, there, name)}"
    steps = steps_back(part, PHRASES[Locale.EN]) if part is not None else []
    yield from (f"  {number}. {line}" for number, line in enumerate(steps or _without_steps(left, name), start=1))
    yield from (
        f"  {line}" for line in deleted(unit, source_of(left, name), source_of(there, name), removed=to.removed)
    )
    stays = not_undone(plan, part) if part is not None else []
    yield f"  not undone of what the approved plan did: {', '.join(stays) or 'nothing'}"
    approved = reading.ledger.approved(reading.ledger.rollouts[returning.environment, returning.generation])
    ends = approved.started_at + reading.policy().settings.rollback_grant
    yield f"  the approval of {approved.passed.ticket} grants one return, until {ends:%Y-%m-%d %H:%M} UTC"
    yield FRESH


def _desired(reading: Reading, accepted: Accepted) -> Desired | None:
    """What its commit says; None where it cannot be read here, such as a chart without Helm on this machine."""
    try:
        return reading.desires.at(accepted.revision).desired
    except ReconcilerError:
        return None


def source_of(desired: Desired | None, name: str) -> ReleaseSource | None:
    """Its source; None where nobody knows here all that it says."""
    found = desired.sources.get(name) if desired is not None else None
    return found if found is not None and found.resolved else None


def _version(accepted: Accepted, desired: Desired | None, name: str) -> str:
    if accepted.removed:
        return f"its removal by commit {accepted.revision[:SHORT]}"
    source = source_of(desired, name)
    pins = {pin.image: pin.digest for pin in accepted.pins}
    images = [f"{image}@{pins[image]}" if image in pins else image for image in (source.images if source else ())]
    return f"commit {accepted.revision[:SHORT]}: {', '.join(images) or 'its images cannot be read here'}"


def _without_steps(left: Desired | None, name: str) -> Iterator[str]:
    yield "the old artifact is applied, and waited for until it is ready"
    release = left.releases.get(name) if left is not None else None
    for place, probe in probes(release.spec) if release is not None else ():
        if place.startswith(SUCCESS):
            yield f"asked: {words_of(probe)}"


def deleted(unit: str, left: ReleaseSource | None, there: ReleaseSource | None, *, removed: bool) -> Iterator[str]:
    """What only the version that is left has by its source: that is what a return deletes, where it stands."""
    if left is None or (there is None and not removed):
        yield UNREAD
        return
    mine = {ref_of(body): body for body in left.objects}
    kept = {ref_of(body): body for body in there.objects} if there is not None and not removed else {}
    gone = [ref for ref, body in sorted(mine.items()) if ref not in kept and not _is_kept(body)]
    yield f"deleted, where it stands: {', '.join(map(str, gone)) or 'nothing'}"
    yield from (check.message for check in lost_by_return(unit, Part(), mine, kept))


def _is_kept(body: Any) -> bool:
    return (body["metadata"].get("annotations") or {}).get(PRUNE) == "disabled"
