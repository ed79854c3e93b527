"""What the numbers say after looks that went well, failed, or never came; and that no stranger's word is a label."""

from datetime import UTC, datetime, timedelta

from reconciler import catalogue
from reconciler.errors import Unavailable
from reconciler.machine.entry import Stopped
from reconciler.machine.ledger import Ledger
from reconciler.names import Revision
from reconciler.web.gauges import Gauges
from reconciler.web.hooks import Answered
from tests.story.clock import MovableClock

LATE = timedelta(minutes=3)
TRUSTED = Revision("a" * 40)
WELL = Ledger(trusted=TRUSTED)


def looked(gauges: Gauges, ledger: Ledger = WELL, *faults: str, error: Unavailable | None = None) -> None:
    gauges.began()
    gauges.ended(ledger, error, faults)


def numbers(gauges: Gauges) -> dict[str, float]:
    lines = [line for line in gauges.page().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_ready_is_a_last_look_that_went_well() -> None:
    gauges = Gauges(MovableClock())
    assert gauges.lacks(LATE) == "no look has ended yet"
    looked(gauges)
    assert gauges.lacks(LATE) == ""
    looked(gauges, WELL, error=Unavailable("asking", key="rate_limited"))
    assert "rate_limited" in gauges.lacks(LATE)
    gauges.began()
    assert "rate_limited" in gauges.lacks(LATE)
    gauges.ended(WELL, None, ())
    assert gauges.lacks(LATE) == ""


def test_a_look_without_trust_or_on_a_rewound_branch_is_no_good_look() -> None:
    gauges = Gauges(MovableClock())
    looked(gauges, Ledger())
    assert "policy_not_in_force" in gauges.lacks(LATE)
    looked(gauges, Ledger(trusted=TRUSTED, stopped=Stopped(reason="rewound", last=TRUSTED, tip=None)))
    assert "history_rewritten" in gauges.lacks(LATE)
    seen = numbers(gauges)
    assert seen['reconciler_looks_total{result="failure"}'] == 2
    assert seen["reconciler_last_successful_look_timestamp_seconds"] == 0


def test_a_loop_that_stands_still_is_not_ready_and_one_that_looks_for_long_is() -> None:
    clock = MovableClock()
    gauges = Gauges(clock)
    looked(gauges)
    clock.advance(LATE + timedelta(seconds=1))
    assert gauges.lacks(LATE) == "the loop stands still"
    gauges.began()
    clock.advance(timedelta(hours=1))
    assert gauges.lacks(LATE) == ""
    assert numbers(gauges)["reconciler_look_running"] == 1


def test_the_last_good_look_keeps_its_time_when_later_ones_fail() -> None:
    clock = MovableClock()
    gauges = Gauges(clock)
    looked(gauges)
    at = clock.now()
    clock.advance(LATE)
    looked(gauges, error=Unavailable("asking"))
    seen = datetime.fromtimestamp(numbers(gauges)["reconciler_last_successful_look_timestamp_seconds"], UTC)
    assert abs(seen - at) < timedelta(seconds=1)


def test_failures_are_counted_by_key_and_nothing_else_becomes_a_label() -> None:
    gauges = Gauges(MovableClock())
    looked(gauges, WELL, "ssh_unreachable: host-1: away", "ssh_unreachable: host-2: away", "evil{x}: \n# HELP")
    for number in range(100):
        looked(gauges, WELL, f"release-{number}: of a repository", error=Unavailable("x", key="resource_locked"))
    failures = {name: value for name, value in numbers(gauges).items() if name.startswith("reconciler_failures_total")}
    assert failures == {
        'reconciler_failures_total{key="ssh_unreachable"}': 2,
        'reconciler_failures_total{key="internal_error"}': 101,
        'reconciler_failures_total{key="resource_locked"}': 100,
    }
    assert len(catalogue.errors()) < 100


def test_what_waits_what_is_open_what_was_asked_and_who_came() -> None:
    gauges = Gauges(MovableClock())
    looked(gauges)
    gauges.open_ones(3)
    gauges.asked("reviews")
    gauges.hook(Answered.FORGED)
    seen = numbers(gauges)
    assert seen["reconciler_open_pull_requests"] == 3
    assert seen["reconciler_waiting_tickets"] == 0
    assert seen['reconciler_forge_questions_total{kind="reviews"}'] == 1
    assert seen['reconciler_hooks_total{outcome="forged"}'] == 1
    assert seen['reconciler_looks_total{result="success"}'] == 1
    assert seen["reconciler_look_seconds_count"] == 1
