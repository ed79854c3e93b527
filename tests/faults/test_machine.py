"""The machine of the reconciler itself fails: no descriptors are left, or its clock is wrong."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from reconciler.approval.decision import Verb
from reconciler.errors import ReconcilerError
from tests.faults.far_cluster import Cut
from tests.faults.release import check, cluster_of, next_version, state_of
from tests.story.stage import Stage

ALL = {
    "test_f30_what_is_judged_under_a_wrong_clock_is_held_for_a_person": [
        timedelta(minutes=-6),
        timedelta(hours=-1),
        timedelta(days=-3650),
        timedelta(days=2),
        timedelta(days=7300),  # farther than other tests of these worlds go
    ],
    "test_f36_without_descriptors_nothing_is_half_done": list(range(12)),
}
SOME = {
    "test_f30_what_is_judged_under_a_wrong_clock_is_held_for_a_person": [timedelta(hours=-1)],
    "test_f36_without_descriptors_nothing_is_half_done": [1],
}


def settle(stage: Stage) -> None:
    """Some looks, as the timer does, also where they fail as a whole."""
    for _ in range(3):
        with suppress(ReconcilerError):
            stage.settle()


def test_f30_what_is_judged_under_a_wrong_clock_is_held_for_a_person(behind: Stage, spot: timedelta) -> None:
    pull, tag = next_version(behind)
    merged = behind.merge(pull, settle=False)
    with wrong_clock(behind, spot):
        settle(behind)
    settle(behind)
    assert behind.image() != tag
    assert state_of(behind, merged) in {"pending", "failure"}
    behind.desk("admin").decide_commit(behind.preview(pull), merged, Verb.APPROVE, reason="the clock was wrong")
    settle(behind)
    check(behind, pull, tag, merged)


def test_f30_what_runs_is_finished_under_a_clock_that_stepped_back(behind: Stage) -> None:
    pull, tag = next_version(behind)
    cluster_of(behind).cut_at(Cut.UNHEARD, 2, away=True)
    merged = behind.merge(pull)
    assert behind.ledger.running()
    with wrong_clock(behind, timedelta(days=-3650)):
        cluster_of(behind).heal()
        settle(behind)
        check(behind, pull, tag, merged)
    chain = [event.action for event in behind.world.opened.journal.events if event.action in {"applying", "applied"}]
    assert chain[-1] == "applied"


def test_f36_without_descriptors_nothing_is_half_done(behind: Stage, spot: int) -> None:
    pull, tag = next_version(behind)
    merged = behind.merge(pull, settle=False)
    with few_descriptors(spot):
        settle(behind)
        assert behind.image() == tag or "applied" not in behind.actions(ticket=pull)
    settle(behind)
    check(behind, pull, tag, merged)


def test_f32_looks_leave_no_descriptor_behind(behind: Stage) -> None:
    behind.settle()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        behind.world.opened.reconciler.look()
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@contextmanager
def wrong_clock(stage: Stage, skew: timedelta) -> Iterator[None]:
    """The machine's clock jumps, and later back."""
    stage.clock.advance(skew)
    try:
        yield
    finally:
        stage.clock.advance(-skew)


@contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """This process may open only so many more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(name) for name in os.listdir("/proc/self/fd")) + 2, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        for descriptor in [taken.pop() for _ in range(left)]:
            os.close(descriptor)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
