"""What is left as it is for now: a release that says `suspend`, or everything of an environment that does.

What changes there meanwhile is accepted and not done; taking `suspend` away plans all of it, from what is observed to
what is desired then. What could not be found again after that (a unit that goes, a node that leaves) waits for it, and
so does what a way back left without its pods.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Check
from reconciler.plan.part import Part, error, warning
from reconciler.plan.stopped import laid_to_rest
from reconciler.specs.desired import Desired

HINT = "take `suspend` away first; while it is there nothing is done"
INSTALLED = ("nodes", "bundle", "install", "mode", "runtime_type")  # what an install is made of


def why_suspended(desired: Desired, ref: UnitRef) -> str | None:
    """Who says that nothing of a unit is done, in words; None: nobody."""
    release = desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
    if release is not None and release.spec.suspend:
        return f"release {ref.name} is suspended"
    name = ref.name if ref.kind is UnitKind.ENVIRONMENT else None
    if release is not None:
        name = release.spec.environment
    elif ref.kind is UnitKind.CLUSTER and ref.name in desired.clusters:
        name = desired.clusters[ref.name].spec.environment
    return f"environment {name} is suspended" if name is not None and is_suspended(desired, name) else None


def is_suspended(desired: Desired, environment: str) -> bool:
    """Whether an environment is there and says so."""
    found = desired.environments.get(environment)
    return found is not None and found.spec.suspend


def left_alone(ask: PlanAsk, ref: UnitRef) -> Part | None:
    """The part of a unit of which nothing is done now; None where it is not suspended."""
    desired = ask.proposed.desired
    if is_suspended(desired, ask.environment) and ref.name not in _specs(desired, ref.kind):
        message = f"{ref} is taken away while environment {ask.environment} is suspended: it would never be removed"
        return Part(checks=(error(str(ref), "release_state_invalid", message, HINT),))
    why = why_suspended(desired, ref)
    if why is None:
        return None
    if ask.returning:
        message = f"{why} at the revision to go back to, so what that says was never applied"
        return Part(checks=(error(str(ref), "release_state_invalid", message, "open a revert pull request"),))
    about = "" if why.startswith(f"{ref.kind} {ref.name} ") else f" {ref} is"
    told = warning(str(ref), "", f"{why}:{about} accepted, and not applied")
    return Part(checks=(told, *_lost(ask, ref), *laid_to_rest(ask, ref)))


def _specs(desired: Desired, kind: UnitKind) -> Mapping[str, Any]:
    """Those that units of a kind are made of; the policy is in no environment."""
    named: Mapping[UnitKind, Mapping[str, Any]] = {
        UnitKind.RELEASE: desired.releases,
        UnitKind.CLUSTER: desired.clusters,
        UnitKind.ENVIRONMENT: desired.environments,
    }
    return named[kind]


def _lost(ask: PlanAsk, ref: UnitRef) -> Iterator[Check]:
    """What an install would not find again: hosts are known by what was accepted before."""
    side = ask.accepted.get(ref)
    old = side.desired.environments.get(ref.name) if side is not None else None
    if ref.kind is not UnitKind.ENVIRONMENT or old is None:
        return
    new = ask.proposed.desired.environments[ref.name].spec
    changed = [name for name in INSTALLED if getattr(old.spec, name) != getattr(new, name)]
    if changed:
        message = f"environment {ref.name} is suspended, and {', '.join(changed)} would change"
        yield error(str(ref), "validation_error", message, HINT)
