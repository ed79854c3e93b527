"""What to do next about something that did not end well, in words that name commands.

Knows records and sources, and asks no target. Rule (G22, G23): whoever reads this at night is told what a command does
before they type it. A retry carries the version that failed forward again, which is no way out of a way back that got
stuck half-way.
"""

import shlex
from collections.abc import Iterator

from reconciler.doors.reading import Reading
from reconciler.doors.traffic import LET_BE, Stopped
from reconciler.errors import ReconcilerError
from reconciler.machine.states import UnitState
from reconciler.names import SHORT, ObjectRef, UnitKind, UnitRef
from reconciler.plan.units import ref_of
from reconciler.specs.jobs import SUSPENDED, is_stopped

GIVE = "to give its pods back by hand, N being what the annotation opspilot.spec/stopped of each says: "
GENERIC = "kubectl -n NAMESPACE scale KIND/NAME --replicas=N"


def advice(reading: Reading, unit: str, away: Stopped | None) -> tuple[str, ...]:
    """Ways on, the most urgent first; none where all is well. `away`: its traffic is stopped."""
    state = reading.ledger.units.get(unit)
    return tuple(_advice(reading, unit, state, away)) if state is not None else ()


def _advice(reading: Reading, unit: str, state: UnitState, away: Stopped | None) -> Iterator[str]:
    ref = UnitRef.parse(unit)
    if away is not None and not away.left:
        yield LET_BE
        return
    if away is not None:
        yield GIVE + "; ".join(f"`{command}`" for command in _commands(reading, ref, state))
    if state.outcome not in {"failed", "rollback_failed"}:
        return
    if ref.kind is UnitKind.RELEASE:
        yield (
            f"`reconciler rollback {ref.name} --reason TEXT` opens the revert pull request, whose preview shows the "
            "whole way back; approve and merge it"
        )
    yield f"`reconciler retry {unit}` {retried(reading, unit)}"


def retried(reading: Reading, unit: str) -> str:
    """What a retry of a unit's last plan does."""
    state, ref = reading.ledger.units[unit], UnitRef.parse(unit)
    words = f"carries out the last plan again: forward to {_version(state)}"
    if state.outcome != "rollback_failed":
        return words
    release = f" --release {ref.name}" if ref.kind is UnitKind.RELEASE else ""
    return f"{words}, whatever its way back has done meanwhile (`reconciler timeline{release}` says what)"


def _version(state: UnitState) -> str:
    return "its removal" if state.accepted.removed else f"commit {state.accepted.revision[:SHORT]}"


def _commands(reading: Reading, ref: UnitRef, state: UnitState) -> list[str]:
    """For each workload that the version that failed, or the one before, has by its source."""
    known = [one for one in (state.accepted, state.successful) if one is not None]
    found: set[ObjectRef] = set()
    for revision in {one.revision for one in known}:
        try:
            source = reading.desires.at(revision).desired.sources.get(ref.name)
        except ReconcilerError:  # such as a chart, where Helm is not on this machine
            return [GENERIC]
        if source is not None and not source.resolved:
            return [GENERIC]
        objects = source.objects if source is not None else ()
        found |= {one for one in map(ref_of, objects) if is_stopped(one.group, one.kind)}
    return [_command(one) for one in sorted(found)] or [GENERIC]


def _command(ref: ObjectRef) -> str:
    where, what = shlex.quote(ref.namespace), shlex.quote(f"{ref.kind.lower()}/{ref.name}")
    if ref.kind == SUSPENDED:
        return f"""kubectl -n {where} patch {what} -p '{{"spec": {{"suspend": false}}}}'"""
    return f"kubectl -n {where} scale {what} --replicas=N"
