"""When drift may be put right without asking, and by which plan (contracts: gate.md, G20, G22, G23).

Theory. Healing is the one thing that is done without a person at that moment, so it does the least: it applies the last
successful artifact of one release, exactly it, by creating and updating objects, and only where the approved plan said
that it may. Whatever else is going on there comes first. Who changes it again and again is not fought: after as many
heals as LIMITS say, within an hour or slowly through a day, it is left to people, until one of them acts on it or
another plan of it is accepted.

Two questions, each a table of guards in order: may anything be healed here now (`refused`), and is this plan one that
heals (`unfit`). The first guard that speaks is what is told. Knows no target, no clock and no record format.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from reconciler.machine.drifting import FOUGHT
from reconciler.machine.entry import Accepted
from reconciler.machine.ledger import SUCCESSES, Ledger
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Action, ActionKind, Operation, Plan
from reconciler.plan.risk import DATA_KINDS

LIMITS: Mapping[timedelta, int] = MappingProxyType({timedelta(hours=1): 3, timedelta(days=1): 6})  # heals of a release
DONE_BY: Final = frozenset({ActionKind.APPLY_OBJECT, ActionKind.ASK})


class Why(StrEnum):
    """Why drift is told and not put right."""

    REPORTED = "reported"
    UNPROMISED = "unpromised"
    UNSUCCESSFUL = "unsuccessful"
    SUSPENDED = "suspended"
    FOUGHT = FOUGHT
    STOPPED = "stopped"
    HELD = "held"
    EMERGENCY = "emergency"
    WAITING = "waiting"
    RUNNING = "running"
    UNSEEN = "unseen"
    UNDERIVED = "underived"
    BLOCKED = "blocked"
    DELETES = "deletes"
    STEPS = "steps"
    DATA = "data"


WORDS: Mapping[Why, str] = MappingProxyType(
    {
        Why.REPORTED: "",  # nobody asked for it
        Why.UNPROMISED: "the last approved preview of it did not say that drift is put right",
        Why.UNSUCCESSFUL: "its last plan, or the last one of its environment, did not succeed",
        Why.SUSPENDED: "it is suspended",
        Why.FOUGHT: "it was put right 3 times within an hour, or 6 within a day, and changed again; `resume` or `retry`"
        " by a person, or its next approved change, lets it be put right again",
        Why.STOPPED: "the tracked branch was rewritten",
        Why.HELD: "it is held",
        Why.EMERGENCY: "an emergency approval there waits for its second look",
        Why.WAITING: "something that was merged there is not judged yet",
        Why.RUNNING: "an accepted plan there is not at its end",
        Why.UNSEEN: "the target could not be looked at",
        Why.UNDERIVED: "what was applied cannot be derived again: the bundle, the keys or the renderer became others",
        Why.BLOCKED: "a check stands in the way",
        Why.DELETES: "that would delete, replace, adopt or let go of something",
        Why.STEPS: "its strategy, or the history that Helm keeps of it, takes steps that nobody approved now",
        Why.DATA: "an object that holds data is gone, and an empty one would hide that",
    }
)


# Reasons that pass without anybody doing something about the drift.
PASSING: Final = frozenset({Why.STOPPED, Why.HELD, Why.EMERGENCY, Why.WAITING, Why.RUNNING, Why.UNSEEN})


@dataclass(frozen=True, slots=True)
class Case:
    """One release that drifted. `asked`: its environment, as it was accepted, says heal; `promised`: the plan that was
    approved last for the release said so; `taken_in`: all that is on the tracked branch is recorded as landed."""

    unit: str
    now: datetime
    asked: bool
    promised: bool
    suspended: bool
    taken_in: bool


def refused(ledger: Ledger, case: Case) -> Why | None:
    """Why nothing is healed now, before anything is looked at; None: it may be."""
    return next((why for why, speaks in REFUSALS.items() if speaks(ledger, case)), None)


def unfit(plan: Plan, accepted: Accepted) -> Why | None:
    """Why this plan, made from a fresh look, heals nothing; None: it puts back exactly what was accepted."""
    return next((why for why, speaks in UNFIT.items() if speaks(plan, accepted)), None)


def _unsuccessful(ledger: Ledger, case: Case) -> bool:
    state = ledger.units[case.unit]
    home = ledger.units.get(str(UnitRef(UnitKind.ENVIRONMENT, state.environment)))
    well = state.outcome in SUCCESSES and state.successful == state.accepted and not state.accepted.removed
    return not well or home is None or home.outcome not in SUCCESSES


def _fought(ledger: Ledger, case: Case) -> bool:
    begun = ledger.drifts.heals.get(case.unit, ())
    often = any(sum(case.now - at < window for at in begun) >= most for window, most in LIMITS.items())
    return case.unit in ledger.drifts.fought or often


def _held(ledger: Ledger, case: Case) -> bool:
    names = (case.unit, f"environment/{_environment(ledger, case)}")
    return any(name in ledger.holds and ledger.holds[name].until > case.now for name in names)


def _emergency(ledger: Ledger, case: Case) -> bool:
    return any(environment == _environment(ledger, case) for _, environment in ledger.emergencies)


def _waiting(ledger: Ledger, case: Case) -> bool:
    environment = _environment(ledger, case)
    return not case.taken_in or any(environment in one.landed.environments for one in ledger.waiting.values())


def _running(ledger: Ledger, case: Case) -> bool:
    environment = _environment(ledger, case)
    return any(rollout.passed.environment == environment for rollout in ledger.running())


def _environment(ledger: Ledger, case: Case) -> str:
    return ledger.units[case.unit].environment


REFUSALS: Mapping[Why, Callable[[Ledger, Case], bool]] = MappingProxyType(
    {
        Why.REPORTED: lambda _, case: not case.asked,
        Why.UNPROMISED: lambda _, case: not case.promised,
        Why.SUSPENDED: lambda _, case: case.suspended,
        Why.STOPPED: lambda ledger, _: ledger.stopped is not None,
        Why.RUNNING: _running,  # while it runs, how it ends is not known
        Why.UNSUCCESSFUL: _unsuccessful,
        Why.HELD: _held,
        Why.EMERGENCY: _emergency,
        Why.WAITING: _waiting,
        Why.FOUGHT: _fought,
    }
)


def _underived(plan: Plan, accepted: Accepted) -> bool:
    return [(unit.unit, unit.artifact, unit.removed) for unit in plan.units] != [
        (accepted.unit, accepted.artifact, False)
    ]


def _deletes(plan: Plan, _: Accepted) -> bool:
    put_back = {Operation.CREATE, Operation.UPDATE, Operation.UNCHANGED}
    return any(change.operation not in put_back or not change.reversible for change in plan.changes)


def _steps(plan: Plan, _: Accepted) -> bool:
    return any(action.kind not in DONE_BY or action.canary for action in _actions(plan))


def _data(plan: Plan, _: Accepted) -> bool:
    made = {change.subject for change in plan.changes if change.operation is Operation.CREATE}
    return any(subject.partition(" ")[0].partition(".")[0] in DATA_KINDS for subject in made)


def _actions(plan: Plan) -> list[Action]:
    return [action for batch in plan.batches for action in batch]


UNFIT: Mapping[Why, Callable[[Plan, Accepted], bool]] = MappingProxyType(
    {
        Why.UNSEEN: lambda plan, _: plan.static,
        Why.UNDERIVED: _underived,
        Why.DELETES: _deletes,
        Why.BLOCKED: lambda plan, _: bool(plan.blocked) or not plan.batches,
        Why.STEPS: _steps,
        Why.DATA: _data,
    }
)
