"""What the numbers say after looks that went well, failed, or never came; and that no stranger's word is a label."""

from datetime import UTC, datetime, timedelta

from reconciler import catalogue
from reconciler.doors.traffic import Stopped as Away
from reconciler.errors import Unavailable
from reconciler.machine.entry import Accepted, Stopped
from reconciler.machine.ledger import Ledger
from reconciler.machine.states import UnitState
from reconciler.names import Digest, Revision
from reconciler.web.gauges import Gauges
from reconciler.web.hooks import Answered
from tests.report.test_event import event
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


def unit(name: str, outcome: str) -> tuple[str, UnitState]:
    accepted = Accepted(unit=f"release/{name}", revision=TRUSTED, artifact=Digest("0"))
    return accepted.unit, UnitState(accepted, "production", 1, outcome, None)


def away(*, left: bool) -> Away:
    since = event(action="rollback_failed")
    return Away("release/a", since.occurred_at, since, "TRAFFIC IS STOPPED", left=left)


def test_releases_are_counted_by_how_they_stand_and_those_without_traffic_apart() -> None:
    gauges = Gauges(MovableClock())
    looked(gauges, Ledger(), error=Unavailable("reading"))
    assert not [name for name in numbers(gauges) if name.startswith("reconciler_releases")]  # nobody knows yet
    outcomes = ("applied", "no_change", "rollback_failed", "of a later version", "")
    ledger = Ledger(trusted=TRUSTED, units=dict(unit(f"svc-{at}", one) for at, one in enumerate(outcomes)))
    ledger.units |= {"environment/production": unit("-", "failed")[1]}
    gauges.ended(ledger, None, (), (away(left=True), away(left=False), away(left=False)))
    seen = {name: value for name, value in numbers(gauges).items() if name.startswith("reconciler_releases")}
    assert {name.partition("releases")[2]: value for name, value in seen.items() if value} == {
        '{state="applied"}': 2,
        '{state="applying"}': 1,
        '{state="failed"}': 1,
        '{state="rollback_failed"}': 1,
        '_without_traffic{way_back="failed"}': 1,
        '_without_traffic{way_back="running"}': 2,
    }
    gauges.ended(ledger, None, (), None)
    assert numbers(gauges).items() >= seen.items()  # as many as there were: nobody could look
    gauges.ended(ledger, None, (), ())
    assert not sum(value for name, value in numbers(gauges).items() if "without_traffic" in name)
