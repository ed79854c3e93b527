"""The rollout's table: every state and event, scripts, and what no sequence of events may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.machine.diagram import mermaid
from reconciler.machine.rollout import (
    BETWEEN_BATCHES,
    TERMINAL,
    TRANSITIONS,
    Command,
    Event,
    Rollout,
    State,
    UnexpectedEvent,
    classify,
    resumed,
    rows_of,
    step,
)

C, E = Command, Event


def test_every_state_is_a_key_and_every_event_has_a_row() -> None:
    assert TRANSITIONS.keys() == set(State)
    rows = [*TRANSITIONS.values(), BETWEEN_BATCHES]
    assert {event for row in rows for event in row} == set(Event)
    assert {command for row in rows for _, commands in row.values() for command in commands} == set(Command)
    assert {state for state, row in TRANSITIONS.items() if not row} == TERMINAL


def test_no_row_goes_from_a_failure_to_success() -> None:
    bad = {State.STALLED, State.ROLLING_BACK, State.ROLLED_BACK}
    assert not [
        (state, event) for state in bad for event, (target, _) in TRANSITIONS[state].items() if target is State.READY
    ]
    assert {target for row in TRANSITIONS.values() for event, (target, _) in row.items() if event is E.FAILED} == {
        State.STALLED
    }


Script = list[tuple[Event, tuple[Command, ...]]]
BEGIN: Script = [(E.ACCEPTED, (C.RECORD_BATCH,)), (E.RECORDED, (C.APPLY_BATCH,))]
ONE: Script = [*BEGIN, (E.BATCH_APPLIED, (C.VERIFY_BATCH,))]
TWO: Script = [*ONE, (E.BATCH_READY, (C.RECORD_BATCH,))]
AGAIN = (C.RECORD_RETURN, C.RETURN)
SCRIPTS: dict[str, tuple[Rollout, Script, State]] = {
    "one batch": (Rollout(1), [*ONE, (E.BATCH_READY, (C.RECORD_SUCCESS,))], State.READY),
    "two batches": (
        Rollout(2),
        [*TWO, *BEGIN[1:], (E.BATCH_APPLIED, (C.VERIFY_BATCH,)), (E.BATCH_READY, (C.RECORD_SUCCESS,))],
        State.READY,
    ),
    "held before the first": (
        Rollout(1),
        [(E.HELD, (C.WAIT,)), (E.RESUMED, (C.RECORD_BATCH,)), (E.RECORDED, (C.APPLY_BATCH,))],
        State.APPLYING,
    ),
    "held between": (
        Rollout(2),
        [*TWO, (E.HELD, (C.WAIT,)), (E.RESUMED, (C.RECORD_BATCH,)), (E.RECORDED, (C.APPLY_BATCH,))],
        State.APPLYING,
    ),
    "fails": (Rollout(2), [*BEGIN, (E.FAILED, (C.RECORD_FAILURE,))], State.STALLED),
    "fails when verified": (Rollout(1), [*ONE, (E.FAILED, (C.RECORD_FAILURE,))], State.STALLED),
    "returns": (
        Rollout(2, returns=True),
        [*TWO, *BEGIN[1:], (E.FAILED, AGAIN), (E.RETURNED, (C.RECORD_RETURNED,))],
        State.ROLLED_BACK,
    ),
    "a return fails": (
        Rollout(1, returns=True),
        [*ONE, (E.FAILED, AGAIN), (E.RETURN_FAILED, (C.RECORD_RETURN_FAILED,))],
        State.STALLED,
    ),
    "a person orders the return": (Rollout(1), [*ONE, (E.RETURN_ORDERED, AGAIN)], State.ROLLING_BACK),
    "nothing was done yet": (Rollout(1, returns=True), [(E.FAILED, (C.RECORD_FAILURE,))], State.STALLED),
    "away while applying": (Rollout(1), [*BEGIN, (E.UNREACHABLE, (C.WAIT, C.APPLY_BATCH))], State.APPLYING),
    "away between batches": (Rollout(2), [*TWO, (E.UNREACHABLE, (C.WAIT, C.RECORD_BATCH))], State.APPLYING),
    "away while verifying": (Rollout(1), [*ONE, (E.UNREACHABLE, (C.WAIT, C.VERIFY_BATCH))], State.VERIFYING),
    "away while returning": (
        Rollout(1, returns=True),
        [*ONE, (E.FAILED, AGAIN), (E.UNREACHABLE, (C.WAIT, C.RETURN))],
        State.ROLLING_BACK,
    ),
}


@pytest.mark.parametrize(("rollout", "script", "end"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_script(rollout: Rollout, script: Script, end: State) -> None:
    for event, wanted in script:
        rollout, commands = step(rollout, event)
        assert commands == wanted, event
    assert rollout.state is end


NOT_ALLOWED = [
    (Rollout(1), E.BATCH_APPLIED),
    (Rollout(1), E.LAST_BATCH_READY),
    (Rollout(2, state=State.APPLYING, batch=1), E.BATCH_APPLIED),
    (Rollout(1, state=State.APPLYING, recorded=True), E.HELD),
    (Rollout(1, state=State.ROLLING_BACK), E.HELD),
    (Rollout(1, state=State.ROLLING_BACK), E.LAST_BATCH_READY),
    *((Rollout(1, state=state), event) for state in TERMINAL for event in Event),
]


@pytest.mark.parametrize(("rollout", "event"), NOT_ALLOWED)
def test_what_has_no_row_is_an_error(rollout: Rollout, event: Event) -> None:
    with pytest.raises(UnexpectedEvent):
        step(rollout, event)


@given(batches=st.integers(1, 4), returns=st.booleans(), choices=st.lists(st.integers(0, 99), max_size=40))
def test_no_sequence_of_events_leaves_the_table(batches: int, choices: list[int], *, returns: bool) -> None:
    rollout = Rollout(batches, returns)
    recorded: set[int] = set()
    failed = False
    for choice in choices:
        allowed = [event for event in Event if classify(rollout, event) in rows_of(rollout)]
        if not allowed:
            assert rollout.state in TERMINAL
            break
        event = allowed[choice % len(allowed)]
        if event is Event.LAST_BATCH_READY and rollout.batch + 1 < batches:
            continue  # nobody but `classify` says so
        failed |= event in {E.FAILED, E.FAILED_WITH_RETURN, E.RETURN_ORDERED, E.RETURN_FAILED}
        if event is E.RECORDED:
            recorded.add(rollout.batch)
        rollout, commands = step(rollout, event)
        assert 0 <= rollout.batch < batches
        assert C.APPLY_BATCH not in commands or rollout.batch in recorded
        assert not (failed and (rollout.state is State.READY or C.RECORD_SUCCESS in commands))
        if rollout.state is State.READY:
            assert recorded == set(range(batches))


@given(batches=st.integers(1, 5), stop=st.integers(0, 20), returns=st.booleans())
def test_after_a_crash_it_goes_on_where_an_unbroken_run_would_be(batches: int, stop: int, *, returns: bool) -> None:
    rollout, commands = step(Rollout(batches, returns), E.ACCEPTED)
    batch = done = -1
    answers = {
        (C.RECORD_BATCH,): E.RECORDED,
        (C.APPLY_BATCH,): E.BATCH_APPLIED,
        (C.VERIFY_BATCH,): E.BATCH_READY,
    }
    for _ in range(stop):
        if commands not in answers:
            break
        event = answers[commands]
        if event is E.RECORDED:
            batch = rollout.batch
        if event is E.BATCH_READY:
            done = rollout.batch
        rollout, commands = step(rollout, event)
    again, then = resumed(batches, returns=returns, batch=batch, done=done, returning=False)
    if rollout.state is State.VERIFYING:  # entered once more: what is applied is found applied
        assert then == (C.APPLY_BATCH,)
        again, then = step(again, E.BATCH_APPLIED)
    assert (again, then) == (rollout, commands)


def test_after_a_crash_a_return_goes_on_as_a_return() -> None:
    rollout, commands = resumed(2, returns=False, batch=1, done=0, returning=True)
    assert (rollout.state, commands) == (State.ROLLING_BACK, (C.RETURN,))


def test_the_diagram_holds_every_row_once() -> None:
    text = mermaid()
    assert text.startswith("stateDiagram-v2\n")
    lines = text.splitlines()
    assert len(lines) == len(set(lines))
    for state, row in [*TRANSITIONS.items(), (State.APPLYING, BETWEEN_BATCHES)]:
        for event, (target, commands) in row.items():
            assert f"    {state} --> {target}: {event} / {', '.join(commands)}" in lines


def test_a_rollout_begins_at_its_first_batch_unrecorded_and_returns_only_where_the_release_says_so() -> None:
    assert Rollout(3) == Rollout(3, returns=False, state=State.PENDING, batch=0, recorded=False)


def test_batches_are_counted_one_by_one_and_stay_recorded_until_the_next() -> None:
    rollout = Rollout(3, state=State.VERIFYING, batch=0, recorded=True)
    rollout, _ = step(rollout, E.BATCH_READY)
    assert (rollout.batch, rollout.recorded) == (1, False)
    rollout, _ = step(rollout, E.RECORDED)
    away, _ = step(rollout, E.UNREACHABLE)
    assert (away.batch, away.recorded) == (1, True)


@pytest.mark.parametrize(("batch", "at"), [(-1, 0), (0, 0), (2, 2)])
def test_after_a_crash_a_return_keeps_its_place(batch: int, at: int) -> None:
    rollout, _ = resumed(3, returns=True, batch=batch, done=-1, returning=True)
    assert rollout == Rollout(3, returns=True, state=State.ROLLING_BACK, batch=at, recorded=True)


@pytest.mark.parametrize(
    ("event", "commands"),
    [(E.UNREACHABLE, (C.WAIT,)), (E.FAILED, (C.RECORD_FAILURE,)), (E.FAILED_WITH_RETURN, (C.RECORD_FAILURE,))],
)
def test_before_anything_was_done_there_are_rows_for_what_may_happen(
    event: Event, commands: tuple[Command, ...]
) -> None:
    rollout, said = step(Rollout(1, recorded=True), event)
    assert said == commands
    assert rollout.state is (State.PENDING if event is E.UNREACHABLE else State.STALLED)


def test_the_diagram_ends_where_the_table_does() -> None:
    ends = [line for line in mermaid().splitlines() if line.endswith("--> [*]")]
    assert ends == ["    ready --> [*]", "    stalled --> [*]", "    rolled_back --> [*]"]
    assert mermaid().endswith("rolled_back --> [*]\n")
    assert {State.READY, State.STALLED, State.ROLLED_BACK} == TERMINAL
