"""One accepted plan being carried out: pending -> applying -> verifying -> ready | stalled | rolling_back ->
rolled_back.

Theory. A rollout is a list of batches. Before each batch its intent is recorded (`RecordBatch`), then it is applied,
then its objects are waited for. Nothing is applied that was not recorded; a crash between any two commands is
answered by starting again from the last record: the batch is entered once more and every action in it asks its target
first, so what is done already is found done. A failure ends in `stalled`, or goes back where the release says so
(G21); neither is ever `ready`. A hold stops before the next batch and never stops a return (G23). Being unreachable
is not failing: the same command is repeated later.

The table below is all there is: `step` looks a row up, and a miss is an error. The diagram in the docs is printed
from it. Knows no target, no clock and no record format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    APPLYING = "applying"
    VERIFYING = "verifying"
    READY = "ready"
    STALLED = "stalled"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


class Event(StrEnum):
    """What happened. The four with a condition in their name are chosen by `classify`."""

    ACCEPTED = "accepted"  # the gate passed and says so on the audit branch
    RECORDED = "recorded"  # the intent of the current batch is durable
    BATCH_APPLIED = "batch_applied"
    BATCH_READY = "batch_ready"
    LAST_BATCH_READY = "last_batch_ready"
    FAILED = "failed"
    FAILED_WITH_RETURN = "failed_with_return"
    UNREACHABLE = "unreachable"
    PAUSING = "pausing"  # a pause of the batch has not passed yet
    HELD = "held"
    RESUMED = "resumed"
    RETURN_ORDERED = "return_ordered"  # a person: rollback --now
    RETURNED = "returned"
    RETURN_FAILED = "return_failed"


class Command(StrEnum):
    """What to do next."""

    RECORD_BATCH = "record_batch"
    APPLY_BATCH = "apply_batch"
    VERIFY_BATCH = "verify_batch"
    RECORD_SUCCESS = "record_success"
    RECORD_FAILURE = "record_failure"
    RECORD_RETURN = "record_return"
    RETURN = "return"
    RECORD_RETURNED = "record_returned"
    RECORD_RETURN_FAILED = "record_return_failed"
    WAIT = "wait"


TERMINAL = frozenset({State.READY, State.STALLED, State.ROLLED_BACK})

_FAILURES: Mapping[Event, tuple[State, tuple[Command, ...]]] = {
    Event.FAILED: (State.STALLED, (Command.RECORD_FAILURE,)),
    Event.FAILED_WITH_RETURN: (State.ROLLING_BACK, (Command.RECORD_RETURN, Command.RETURN)),
    Event.RETURN_ORDERED: (State.ROLLING_BACK, (Command.RECORD_RETURN, Command.RETURN)),
}

TRANSITIONS: Mapping[State, Mapping[Event, tuple[State, tuple[Command, ...]]]] = MappingProxyType(
    {
        State.PENDING: {
            Event.ACCEPTED: (State.PENDING, (Command.RECORD_BATCH,)),
            Event.RECORDED: (State.APPLYING, (Command.APPLY_BATCH,)),
            Event.UNREACHABLE: (State.PENDING, (Command.WAIT,)),
            Event.HELD: (State.PENDING, (Command.WAIT,)),
            Event.RESUMED: (State.PENDING, (Command.RECORD_BATCH,)),
            Event.FAILED: (State.STALLED, (Command.RECORD_FAILURE,)),
            # nothing was done yet, so there is nothing to return from
            Event.FAILED_WITH_RETURN: (State.STALLED, (Command.RECORD_FAILURE,)),
        },
        State.APPLYING: {
            Event.BATCH_APPLIED: (State.VERIFYING, (Command.VERIFY_BATCH,)),
            Event.UNREACHABLE: (State.APPLYING, (Command.WAIT, Command.APPLY_BATCH)),
            **_FAILURES,
        },
        State.VERIFYING: {
            Event.BATCH_READY: (State.APPLYING, (Command.RECORD_BATCH,)),
            Event.LAST_BATCH_READY: (State.READY, (Command.RECORD_SUCCESS,)),
            Event.UNREACHABLE: (State.VERIFYING, (Command.WAIT, Command.VERIFY_BATCH)),
            Event.PAUSING: (State.VERIFYING, (Command.WAIT, Command.VERIFY_BATCH)),
            **_FAILURES,
        },
        State.ROLLING_BACK: {
            Event.RETURNED: (State.ROLLED_BACK, (Command.RECORD_RETURNED,)),
            Event.RETURN_FAILED: (State.STALLED, (Command.RECORD_RETURN_FAILED,)),
            Event.UNREACHABLE: (State.ROLLING_BACK, (Command.WAIT, Command.RETURN)),
        },
        State.READY: {},
        State.STALLED: {},
        State.ROLLED_BACK: {},
    }
)
# After BATCH_READY the next batch is recorded while applying; a hold is looked at there, before anything new starts.
# These rows hold instead of those of APPLYING until it is recorded: nothing in them applies an unrecorded batch.
BETWEEN_BATCHES: Mapping[Event, tuple[State, tuple[Command, ...]]] = MappingProxyType(
    {
        Event.RECORDED: (State.APPLYING, (Command.APPLY_BATCH,)),
        Event.HELD: (State.APPLYING, (Command.WAIT,)),
        Event.RESUMED: (State.APPLYING, (Command.RECORD_BATCH,)),
        Event.UNREACHABLE: (State.APPLYING, (Command.WAIT, Command.RECORD_BATCH)),
        **_FAILURES,
    }
)


class UnexpectedEvent(AssertionError):
    """The table has no row: a defect of the caller, never something that a user did."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout's place in the table.

    `batch` counts from 0, and `recorded` says whether its intent is durable; `returns`: a failure goes back by itself.
    """

    batches: int
    returns: bool = False
    state: State = State.PENDING
    batch: int = 0
    recorded: bool = False


def classify(rollout: Rollout, event: Event) -> Event:
    """The row's event: the last batch and the automatic return are known by the rollout, not by who reports."""
    if event is Event.BATCH_READY and rollout.batch + 1 >= rollout.batches:
        return Event.LAST_BATCH_READY
    if event is Event.FAILED and rollout.returns:
        return Event.FAILED_WITH_RETURN
    return event


def step(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """The next state and what to do. Raises UnexpectedEvent where the table has no row."""
    chosen = classify(rollout, event)
    rows = rows_of(rollout)
    if chosen not in rows:
        raise UnexpectedEvent(f"rollout in {rollout.state}: no row for {chosen}")
    state, commands = rows[chosen]
    if chosen is Event.BATCH_READY:
        return replace(rollout, state=state, batch=rollout.batch + 1, recorded=False), commands
    return replace(rollout, state=state, recorded=rollout.recorded or chosen is Event.RECORDED), commands


def rows_of(rollout: Rollout) -> Mapping[Event, tuple[State, tuple[Command, ...]]]:
    """The rows that hold where a rollout stands."""
    between = rollout.state is State.APPLYING and not rollout.recorded
    return BETWEEN_BATCHES if between else TRANSITIONS[rollout.state]


def resumed(
    batches: int, *, returns: bool, batch: int, done: int, returning: bool
) -> tuple[Rollout, tuple[Command, ...]]:
    """Where a recorded rollout goes on after a restart, and with what. `batch`, `done`: last recorded (-1: none)."""
    if returning:
        return Rollout(batches, returns, State.ROLLING_BACK, max(batch, 0), recorded=True), (Command.RETURN,)
    if batch < 0:
        return Rollout(batches, returns), (Command.RECORD_BATCH,)
    if done >= batch:
        return step(Rollout(batches, returns, State.VERIFYING, batch, recorded=True), Event.BATCH_READY)
    return Rollout(batches, returns, State.APPLYING, batch, recorded=True), (Command.APPLY_BATCH,)
