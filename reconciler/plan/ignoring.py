"""What a preview says of the fields that a release leaves to others: how many, and which."""

from collections.abc import Iterator

from reconciler.names import UnitKind
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Check, Severity
from reconciler.specs.desired import Desired
from reconciler.specs.ignoring import ignored
from reconciler.specs.ways import words

NAMED = 5  # fields in one line
HINT = "neither compared nor sent while the object is there; a new object is made with them"


def said(ask: PlanAsk) -> Iterator[Check]:
    """One line for each release that leaves something to others."""
    for ref in sorted(ask.units):
        told = in_words(ask.proposed.desired, ref.name) if ref.kind is UnitKind.RELEASE else ""
        if told:
            yield Check(severity=Severity.INFO, key="", message=f"{ref}: {told}", unit=str(ref), hint=HINT)


def in_words(desired: Desired, release: str) -> str:
    """Which fields of a release's objects are left to others; empty: none."""
    spec, source = desired.releases.get(release), desired.sources.get(release)
    if spec is None or source is None:
        return ""
    ways = sorted(ignored(spec.spec, source.objects).items())
    found = [f"{ref} {words(way)}" for ref, left in ways for way in left]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    fields = "1 field is" if len(found) == 1 else f"{len(found)} fields are"
    return f"{fields} left to others: {', '.join(found[:NAMED])}{more}" if found else ""
