"""Whether what is derived again from a revision is still what was approved or ran (contracts: gate.md, G20, G24).

A revision says the same for ever, but bundles, keys and the tool that renders a source stand outside of it. Rule: what
cannot be derived here and now is waited for; what is derived otherwise is sent to nobody.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.errors import ReconcilerError, Refused, Unavailable
from reconciler.machine.entry import Accepted
from reconciler.names import Digest, UnitRef
from reconciler.plan.change import Plan
from reconciler.plan.make import Side
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.release import SourceKind

RENDERED: Final = frozenset({SourceKind.KUSTOMIZE, SourceKind.HELM})


def check_derived(side: Side, wanted: Iterable[Accepted]) -> None:
    """Raise unless each of these artifacts is what the side says: Unavailable where that passes, else Refused."""
    for accepted in wanted:
        ref = UnitRef.parse(accepted.unit)
        _check_rendered(side.desired, ref)
        found = side.units.get(ref)
        if found is None or found.artifact != accepted.artifact:
            raise Refused(
                f"returning {ref}: its artifact cannot be derived again from {accepted.revision}",
                key="release_rollback_failed",
                hint="restore the bundle and the keys it came from, and the tool that rendered it",
            )


def derived_otherwise(
    desired: Desired, artifacts: Mapping[str, Digest], units: Iterable[str], plan: Plan
) -> ReconcilerError | None:
    """Why nothing of these units is sent: a tool renders them to something else now than what was approved."""
    approved = {unit.unit: unit.artifact for unit in plan.units}
    for unit in sorted(units):
        ref = UnitRef.parse(unit)
        source = desired.sources.get(ref.name)
        if source is None or source.type not in RENDERED or unit != f"release/{ref.name}":
            continue
        try:
            _check_rendered(desired, ref)
        except Unavailable as error:
            return error
        if artifacts.get(unit) != approved.get(unit):
            message = f"applying {unit}: it renders to something else now than what was approved"
            return Refused(message, key="preview_mismatch", hint="was the tool that renders it replaced?")
    return None


def _check_rendered(desired: Desired, ref: UnitRef) -> None:
    source = desired.sources.get(ref.name) if str(ref).startswith("release/") else None
    if source is not None and source.unrendered is not None:
        raise Unavailable(f"{ref}: {source.unrendered.message}", key=source.unrendered.key)
