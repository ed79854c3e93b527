"""What a plan says of each of its units: its desired side, how its specs changed, and what is promised of it."""

from typing import Any

from reconciler.canonical import digest_of
from reconciler.names import NO_DIGEST, UnitKind, UnitRef
from reconciler.plan import healing
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import FieldChange, ImagePin, UnitPlan
from reconciler.plan.diff import diff
from reconciler.plan.suspension import why_suspended
from reconciler.plan.units import Unit


def unit_plan(ask: PlanAsk, ref: UnitRef) -> UnitPlan:
    """One unit's part of a plan, but for the way of its strategy."""
    new = ask.proposed.units.get(ref)
    side = ask.accepted.get(ref)
    old = side.units.get(ref) if side is not None else None
    release = ask.proposed.desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
    source = ask.proposed.desired.sources.get(ref.name) if release is not None else None
    pins = source.pins if source is not None else {}
    return UnitPlan(
        unit=str(ref),
        artifact=new.artifact if new is not None else digest_of("removed", str(ref)),
        removed=new is None,
        added=old is None,
        specs=tuple(diff(_specs(old), _specs(new))),
        images=source.images if source is not None else (),
        rollback=release is not None and release.spec.rollback.automatic,
        health_timeout_s=int(release.spec.health.timeout.total_seconds()) if release is not None else 600,
        accepted=ask.accepted_at.get(ref),
        left=ask.leaving[ref].at if ref in ask.leaving else None,
        suspended=new is not None and why_suspended(ask.proposed.desired, ref) is not None,
        heals=healing.promised(ask, ref),
        base=new.base if new is not None else NO_DIGEST,
        pins=tuple(ImagePin(image=name, digest=digest) for name, digest in sorted(pins.items())),
    )


def _specs(unit: Unit | None) -> dict[str, Any]:
    return {key: value for key, value in unit.content.items() if key != "objects"} if unit is not None else {}


def digested_fields(fields: tuple[FieldChange, ...]) -> list[list[Any]]:
    """Changed fields as they are digested."""
    return [[change.path, change.before, change.after] for change in fields]
