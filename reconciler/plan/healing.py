"""What a preview says of healing, and what of it is approved (contracts: gate.md, G22).

Where an environment says `drift: heal`, each preview of one of its releases says that drift is put right without
asking, and its digest covers that: nobody approves it by approving something else. Knows no target and no record.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Check, Severity, UnitPlan
from reconciler.specs.kinds.environment import Drift

WORDS = (
    "drift is put right without asking: what is approved here is applied again where others change it;"
    " nothing is deleted or replaced by that"
)
TURNED_ON = "drift: heal holds for each release from its next approved change on"


def promised(ask: PlanAsk, ref: UnitRef) -> bool:
    """Whether this plan, once approved and applied, may be put back without asking."""
    release = ask.proposed.desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
    environment = ask.proposed.desired.environments.get(release.spec.environment) if release is not None else None
    if release is None or environment is None or release.spec.suspend or release.spec.cluster is None:
        return False
    return environment.spec.drift is Drift.HEAL


def said(ask: PlanAsk) -> Iterator[Check]:
    """What the preview says."""
    for ref in sorted(ask.units):
        if promised(ask, ref):
            yield Check(severity=Severity.INFO, key="", message=f"{ref}: {WORDS}", unit=str(ref))
        elif ref.kind is UnitKind.ENVIRONMENT and _turned_on(ask, ref):
            yield Check(severity=Severity.INFO, key="", message=f"{ref}: {TURNED_ON}", unit=str(ref))


def digested(units: Iterable[UnitPlan]) -> dict[str, Any]:
    """What the plan's digest is over beside everything else; nothing where nothing heals."""
    healing = [unit.unit for unit in units if unit.heals]
    return {"heals": healing} if healing else {}


def _turned_on(ask: PlanAsk, ref: UnitRef) -> bool:
    side = ask.accepted.get(ref)
    old = side.desired.environments.get(ref.name) if side is not None else None
    new = ask.proposed.desired.environments.get(ref.name)
    before = old.spec.drift if old is not None else Drift.REPORT
    return new is not None and new.spec.drift is Drift.HEAL and before is not Drift.HEAL
