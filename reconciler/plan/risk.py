"""How bad a mistake would be: named rules, the strictest counts (contracts: gate.md, G3).

Knows tiers, operations and kinds. `tiers` holds the last accepted and the proposed tier of the environment and of
every environment that shares a host, an API server or a namespace with it, so calling production `dev` lowers
nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import RISKS, Change, Operation, Risk, UnitPlan

# Deleting one of these loses what is in it: never part of a granted return (G21).
DATA_KINDS = frozenset({"Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"})


def deletes_data(change: Change) -> bool:
    """Whether an object goes and takes along what is in it; a subject is "Kind.group namespace/name"."""
    kind = change.subject.partition(" ")[0].partition(".")[0]
    claims_too = kind == "StatefulSet" and not change.reversible
    return change.operation is Operation.DELETE and (kind in DATA_KINDS or claims_too)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the rules look at."""

    tiers: frozenset[str]
    units: tuple[UnitPlan, ...]
    changes: tuple[Change, ...]

    @property
    def production(self) -> bool:
        """Whether any side of it is production."""
        return "production" in self.tiers

    @property
    def acts(self) -> bool:
        """Whether anything happens on a target."""
        return any(change.operation is not Operation.UNCHANGED for change in self.changes)

    def kinds(self) -> frozenset[UnitKind]:
        """The kinds of its units."""
        return frozenset(UnitRef.parse(unit.unit).kind for unit in self.units)


def _policy(subject: Subject) -> Risk | None:
    return Risk.CRITICAL if UnitKind.POLICY in subject.kinds() else None


def _tier(subject: Subject) -> Risk:
    """Always speaks, so every plan has a risk."""
    if not subject.acts:
        return Risk.MEDIUM if subject.production else Risk.LOW
    if subject.production:
        return Risk.HIGH
    return Risk.LOW if subject.tiers and subject.tiers <= {"dev", "staging"} else Risk.MEDIUM


def _deletion(subject: Subject) -> Risk | None:
    going = (Operation.DELETE, Operation.REPLACE)
    deleted = [change for change in subject.changes if change.operation in going and not change.replaced]
    if not deleted:
        return None
    if any(map(deletes_data, deleted)):
        return Risk.CRITICAL if subject.production else Risk.HIGH
    return Risk.HIGH if subject.production else Risk.MEDIUM


def _install(subject: Subject) -> Risk | None:
    leaving = (
        change.operation is Operation.DELETE and UnitRef.parse(change.unit).kind is UnitKind.ENVIRONMENT
        for change in subject.changes
    )
    if any(leaving) or any(UnitRef.parse(change.unit).kind is UnitKind.ENVIRONMENT for change in _run(subject)):
        return Risk.CRITICAL if subject.production else Risk.HIGH
    return None


def _irreversible(subject: Subject) -> Risk | None:
    """A Job of which nobody says that it loses nothing."""
    if any(not change.reversible and UnitRef.parse(change.unit).kind is UnitKind.RELEASE for change in _run(subject)):
        return Risk.CRITICAL if subject.production else Risk.HIGH
    return None


def _run(subject: Subject) -> list[Change]:
    return [change for change in subject.changes if change.operation is Operation.RUN]


def _connection(subject: Subject) -> Risk | None:
    return Risk.HIGH if UnitKind.CLUSTER in subject.kinds() else None


def _certificates(subject: Subject) -> Risk | None:
    fields = (field.path for unit in subject.units for field in unit.specs)
    if any(path.startswith("spec.certificates") for path in fields):
        return Risk.CRITICAL if subject.production else Risk.HIGH
    return None


def _tier_changed(subject: Subject) -> Risk | None:
    fields = (field.path for unit in subject.units for field in unit.specs)
    return Risk.HIGH if any(path in {"spec.tier", "spec.allowSelfApproval"} for path in fields) else None


RULES: dict[str, Callable[[Subject], Risk | None]] = {
    "policy": _policy,
    "tier": _tier,
    "deletion": _deletion,
    "install": _install,
    "irreversible": _irreversible,
    "connection": _connection,
    "certificates": _certificates,
    "tier changed": _tier_changed,
}


def assess(
    tiers: Iterable[str], units: tuple[UnitPlan, ...], changes: tuple[Change, ...]
) -> tuple[Risk, tuple[str, ...]]:
    """The risk, and the rules that gave it, as "rule: risk" lines with the strictest first."""
    subject = Subject(frozenset(tiers), units, changes)
    spoken = [(name, risk) for name, rule in RULES.items() if (risk := rule(subject)) is not None]
    spoken.sort(key=lambda item: -RISKS.index(item[1]))
    return spoken[0][1], tuple(f"{name}: {risk}" for name, risk in spoken)
