"""What one unit contributes to a plan, before ordering."""

from dataclasses import dataclass

from reconciler.plan.change import Action, Change, Check, Line, Severity, Touched, Ungranted
from reconciler.state.observed import Failure


@dataclass(frozen=True, slots=True)
class Step:
    """An action and its phase within its unit; phases are done in order, a phase's actions together."""

    phase: int
    action: Action


@dataclass(frozen=True, slots=True)
class Part:
    """One unit's changes. `owned`: how many objects the unit owns before the plan (for the deletion cap)."""

    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    touched: tuple[Touched, ...] = ()
    owned: int = 0
    way: tuple[Line, ...] = ()
    back: tuple[Line, ...] = ()
    ungranted: Ungranted | None = None


def failed(unit: str, failure: Failure, hint: str = "", *, unseen: str = "") -> Check:
    """A target that could not be looked at blocks what needs it; it is never read as empty. `unseen`: where it is one
    object of a target that was looked at."""
    said = {"key": failure.key, "message": failure.message, "unit": unit, "hint": hint, "unseen": unseen}
    return Check(severity=Severity.ERROR, **said)


def warning(unit: str, key: str, message: str, hint: str = "") -> Check:
    """Something that a reader should know and that blocks nothing."""
    return Check(severity=Severity.WARNING, key=key, message=message, unit=unit, hint=hint)


def error(unit: str, key: str, message: str, hint: str = "") -> Check:
    """Something that blocks the plan."""
    return Check(severity=Severity.ERROR, key=key, message=message, unit=unit, hint=hint)
