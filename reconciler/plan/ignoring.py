"""What a preview says of the fields that a release leaves to others: how many, which, and what of them stands in the
way.

The rule it keeps: a value that is neither compared nor sent is made with a new object all the same, also by a heal. So
the source may say no other value there than one that a preview showed before the field was left.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.names import ObjectRef, UnitKind, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Check, Severity
from reconciler.plan.part import error
from reconciler.plan.suspension import why_suspended
from reconciler.specs.desired import Desired
from reconciler.specs.ignoring import ignored
from reconciler.specs.objects import identity
from reconciler.specs.ways import Way, at, words
from reconciler.state.observed import ObservedRelease

NAMED = 5  # fields in one line
HINT = "neither compared nor sent while the object is there; a new object is made with them"
OUT = "take the rule out, or leave the value as it was accepted"
Fields = Mapping[ObjectRef, tuple[Way, ...]]


def said(ask: PlanAsk) -> Iterator[Check]:
    """One line for each release that leaves something to others, and each value that nobody would see."""
    for ref in sorted(ask.units):
        told = in_words(ask.proposed.desired, ref.name) if ref.kind is UnitKind.RELEASE else ""
        if told:
            yield Check(severity=Severity.INFO, key="", message=f"{ref}: {told}", unit=str(ref), hint=HINT)
            if not ask.returning:  # what it goes back to was shown when it came
                yield from _unseen(ask, ref)


def in_words(desired: Desired, release: str) -> str:
    """Which fields of a release's objects are left to others; empty: none."""
    found = [f"{ref} {words(way)}" for ref, left in sorted(_left(desired, release).items()) for way in left]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    fields = "1 field is" if len(found) == 1 else f"{len(found)} fields are"
    return f"{fields} left to others: {', '.join(found[:NAMED])}{more}" if found else ""


def _left(desired: Desired, release: str) -> Fields:
    spec, source = desired.releases.get(release), desired.sources.get(release)
    return ignored(spec.spec, source.objects) if spec is not None and source is not None else {}


def _unseen(ask: PlanAsk, ref: UnitRef) -> Iterator[Check]:
    """Fields whose value no preview shows, though it would be made."""
    left, new = _left(ask.proposed.desired, ref.name), _bodies(ask.proposed.desired, ref.name)
    side = ask.accepted.get(ref)
    before = side.desired if side is not None else None
    old = _bodies(before, ref.name) if before is not None else {}
    known = {place: set(ways) for place, ways in _placed(before, ref.name).items()} if before is not None else {}
    hidden = before is not None and why_suspended(before, ref) is not None  # what was accepted then was not shown
    for item, ways in sorted(left.items()):
        place = (item.group, item.kind, item.namespace, item.name)
        for way in ways:
            if place not in old:
                if _is_there(ask, ref, item):
                    message = (
                        f"{item} {words(way)}: it is there already, and what it would be made anew with is not shown"
                    )
                    yield error(str(ref), "validation_error", message, "take it over first, and leave the field then")
            elif at(old[place], way) != at(new[place], way):
                message = f"{item} {words(way)} is left to others, and the source has another value there now"
                yield error(str(ref), "validation_error", message, OUT)
            elif hidden and way not in known.get(place, set()):
                message = f"{item} {words(way)}: its value was accepted while nothing of it was shown"
                yield error(str(ref), "validation_error", message, "resume it first, and leave the field then")


def _bodies(desired: Desired, release: str) -> dict[tuple[str, str, str, str], Any]:
    source = desired.sources.get(release)
    return {identity(body): body for body in source.objects} if source is not None else {}


def _placed(desired: Desired, release: str) -> dict[tuple[str, str, str, str], tuple[Way, ...]]:
    return {(ref.group, ref.kind, ref.namespace, ref.name): ways for ref, ways in _left(desired, release).items()}


def _is_there(ask: PlanAsk, ref: UnitRef, item: ObjectRef) -> bool:
    cluster = ask.proposed.desired.releases[ref.name].spec.cluster or ""
    seen = ask.observed.clusters.get(cluster) if ask.observed is not None else None
    release = seen.releases.get(ref.name) if seen is not None else None
    found = release.objects.get(item) if isinstance(release, ObservedRelease) else None
    return found is not None and found.exists
