"""The time of a step of a way back: counted once, from its first record, and judged after a look."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.app.jobs import JobRunner
from reconciler.app.perform import Performer
from reconciler.app.probing import Asker
from reconciler.app.step_times import Term, began
from reconciler.errors import Rejected
from reconciler.kube.target import KubeTarget
from reconciler.machine.states import RolloutState
from reconciler.names import EventId, ObjectRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.ports import Answered, GetThrough, Readiness
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.probes import Probe
from tests.app import test_jobs as jobs
from tests.app.test_jobs import cluster as cluster  # a fixture
from tests.app.test_jobs import kube as kube  # a fixture
from tests.app.test_performing import KEPT, LIMIT, Clock, Only, action

RECORDED = datetime(2026, 1, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CRON = ObjectRef("batch", "v1", "CronJob", "svc", "nightly")
STEP = {"step": 3, "seconds": int(LIMIT.total_seconds())}


@dataclass
class Back(Clock):
    """A clock that somebody sets back an hour at every wait."""

    def wait(self, duration: timedelta) -> bool:
        self.at += duration - timedelta(hours=1)
        return False


@dataclass
class Cluster:
    """Says these statuses and numbers of pods, one after the other; the last stays."""

    statuses: list[str] = field(default_factory=lambda: ["Current"])
    pods: list[int] = field(default_factory=lambda: [0])
    looks: int = 0
    words: str = ""

    def readiness(self, refs: list[ObjectRef], _sayings: Any = None) -> tuple[Readiness, ...]:
        self.looks += 1
        return tuple(Readiness(ref, self.statuses[min(self.looks, len(self.statuses)) - 1], self.words) for ref in refs)

    def pods_left(self, _ref: ObjectRef) -> tuple[str, ...]:
        return tuple(f"pod-{number}" for number in range(self.pods[min(self.looks, len(self.pods)) - 1]))


def performed(cluster: Cluster, *batch: Action, clock: Clock | None = None, after: timedelta = timedelta()) -> Clock:
    """Verify a batch whose step was recorded so long ago."""
    nobody: Any = None
    used = clock or Clock()
    begun = used.at - after
    performer = Performer(Only(cluster), nobody, used, b"", Desired(), began=lambda _: begun)  # type: ignore[arg-type]
    performer.verify(batch, {})
    return used


def stopping(ref: ObjectRef) -> Action:
    return action(ActionKind.STOP_TRAFFIC, ref).model_copy(update=STEP)


def applying() -> Action:
    return action(ActionKind.APPLY_OBJECT, KEPT).model_copy(update=STEP)


WAITS = [
    pytest.param(lambda: (Cluster(["InProgress"]), applying()), id="roll_back"),
    pytest.param(lambda: (Cluster(pods=[1]), stopping(KEPT)), id="stop_traffic"),
]


@pytest.mark.parametrize("passed", [timedelta(), 20 * SECOND, LIMIT])
@pytest.mark.parametrize("make", WAITS)
def test_a_restart_leaves_a_step_what_it_had_left(make: Any, passed: timedelta) -> None:
    cluster, one = make()
    clock = Clock()
    with pytest.raises(Rejected, match="0:00:30"):
        performed(cluster, one, clock=clock, after=passed)
    assert LIMIT - passed < clock.at - RECORDED <= LIMIT - passed + SECOND  # at its very end it is looked at again


@pytest.mark.parametrize("make", WAITS)
@pytest.mark.parametrize("away", [LIMIT + SECOND, timedelta(days=400)])
def test_who_comes_back_after_the_time_looks_once_and_then_judges(make: Any, away: timedelta) -> None:
    cluster, one = make()
    with pytest.raises(Rejected):
        performed(cluster, one, after=away)
    assert cluster.looks == 1


@pytest.mark.parametrize(
    ("one", "looks"), [(applying(), 1), (stopping(KEPT), 1), (stopping(CRON), 2)], ids=["ready", "gone", "suspended"]
)
def test_what_was_done_while_nobody_watched_counts_after_the_time_too(one: Action, looks: int) -> None:
    assert performed(cluster := Cluster(), one, after=timedelta(hours=3)) is not None
    assert cluster.looks == looks


SET = ObjectRef("apps", "v1", "StatefulSet", "svc", "db")
ENDS = [
    (KEPT, ["Current"], [2], f"2 pods of {KEPT} have not ended after 0:00:30: pod-0, pod-1"),
    (KEPT, ["Current"], [1], f"1 pod of {KEPT} has not ended after 0:00:30: pod-0"),
    (KEPT, ["Current"], [9], f"9 pods of {KEPT} have not ended after 0:00:30: pod-0, pod-1, pod-2 and 6 more"),
    (CRON, ["Current"], [1], f"1 Job of {CRON} has not ended after 0:00:30: pod-0"),
    (SET, ["InProgress"], [3], f"pods of {SET} have not ended (not yet) after 0:00:30; one that does not say"),
]


@pytest.mark.parametrize(("ref", "statuses", "pods", "words"), ENDS)
def test_what_has_not_ended_when_traffic_is_stopped_is_named(
    ref: ObjectRef, statuses: list[str], pods: list[int], words: str
) -> None:
    with pytest.raises(Rejected) as failed:
        performed(Cluster(statuses, pods, words="not yet"), stopping(ref))
    assert failed.value.message.startswith(f"stopping traffic: {words}")
    assert ("podManagementPolicy: Parallel" in failed.value.message) is (ref is SET)


@pytest.mark.parametrize("make", WAITS)
def test_a_clock_that_is_set_back_makes_no_step_endless(make: Any) -> None:
    cluster, one = make()
    with pytest.raises(Rejected):
        performed(cluster, one, clock=Back(datetime(2026, 1, 5, tzinfo=UTC)))


@pytest.mark.parametrize("make", WAITS)
def test_a_record_of_a_clock_that_was_ahead_leaves_no_more_than_the_whole_time(make: Any) -> None:
    cluster, one = make()
    clock = Clock()
    with pytest.raises(Rejected):
        performed(cluster, one, clock=clock, after=-timedelta(hours=1))
    assert clock.at - RECORDED <= LIMIT + SECOND


def runner(clock: jobs.Fast, begun: datetime) -> JobRunner:
    return JobRunner(clock, jobs.KEY, began=lambda _: begun)


def test_a_job_that_is_made_late_ends_with_its_step(kube: KubeTarget, cluster: SandboxCluster) -> None:
    clock, body = jobs.Fast(), jobs.job()
    runner(clock, clock.time - 10 * SECOND).start(kube, jobs.action(body), jobs.side(body), jobs.order())
    (made,) = jobs.jobs(cluster).values()
    assert made["spec"]["activeDeadlineSeconds"] == 20


@pytest.mark.parametrize(
    ("passed", "made"), [(-LIMIT, 1), (LIMIT / 2, 1), (LIMIT / 2 + SECOND, 0), (LIMIT + SECOND, 0), (timedelta(9), 0)]
)
def test_no_job_is_made_where_less_than_half_of_the_time_of_its_step_is_left(
    kube: KubeTarget, cluster: SandboxCluster, passed: timedelta, made: int
) -> None:
    clock, body = jobs.Fast(), jobs.job()
    known = runner(clock, clock.time - passed)
    if made:
        known.start(kube, jobs.action(body), jobs.side(body), jobs.order())
    else:
        with pytest.raises(Rejected, match="was not made within half of the 0:00:30 of its step"):
            known.start(kube, jobs.action(body), jobs.side(body), jobs.order())
    assert len(jobs.jobs(cluster)) == made


@pytest.mark.parametrize("tag", ["v1", "hanging"])
def test_a_job_is_looked_at_before_the_time_is_judged(kube: KubeTarget, cluster: SandboxCluster, tag: str) -> None:
    clock, body = jobs.Fast(), jobs.job(tag)
    begun = clock.time
    runner(clock, begun).start(kube, jobs.action(body), jobs.side(body), jobs.order())
    clock.time += timedelta(hours=5)
    again = runner(clock, begun)
    again.start(kube, jobs.action(body), jobs.side(body), jobs.order())
    step = again.finish(kube, jobs.action(body), jobs.side(body), jobs.order())
    assert len(jobs.jobs(cluster)) == 1
    if tag == "v1":
        assert step.failure is None
    else:
        assert step.failure is not None
        assert "after its step was begun, and is stopped" in step.failure.message
        assert clock.time - begun < timedelta(hours=5, seconds=10)


def test_all_batches_of_a_step_count_from_its_first() -> None:
    one, other = applying(), stopping(KEPT).model_copy(update={"step": 4})
    plain = one.model_copy(update={"step": 0})
    plan = Plan.model_construct(batches=((plain,), (one,), (one, other), (other,)))  # type: ignore[call-arg]
    times = {number: RECORDED + number * SECOND for number in range(3)}
    passed: Any = None
    state = RolloutState(passed, EventId("1"), RECORDED, batches_at=times)
    found = [began(state, plan, action) for action in (plain, one, other)]
    assert found == [None, RECORDED + SECOND, RECORDED + 2 * SECOND]
    back: Any = "somewhere"
    state = replace(state, returning=back, steps_at={("release/svc", 3): RECORDED})
    assert [began(state, plan, action) for action in (plain, one, other)] == [None, RECORDED, None]


URL = "http://web.ns.svc:8080/healthz"
HTTP = Probe.model_validate({"http": {"url": URL}})
MANY = Probe.model_validate({"traffic": {"url": URL, "requests": 40, "minSuccessRate": 0.9}})


@dataclass
class Service:
    """Takes so long for an answer, on this clock."""

    clock: Clock
    takes: timedelta
    status: int = 200
    asked: list[GetThrough] = field(default_factory=list)

    def ask_service(self, asked: GetThrough) -> Answered:
        self.asked.append(asked)
        self.clock.at += self.takes
        return Answered(self.status, b"", SECOND)


def asked(probe: Probe, *, passed: timedelta, takes: timedelta = SECOND, status: int = 200) -> Iterator[Service]:
    clock = Clock()
    service = Service(clock, takes, status)
    term = Term(LIMIT, clock.at - passed)
    asker = Asker(service, clock, lambda _: ("ns", "web"), term=term)  # type: ignore[arg-type]
    yield service
    asker.ask("rollback.success[0]", probe)


@pytest.mark.parametrize(
    ("passed", "times"), [(timedelta(), 3), (LIMIT - 2 * SECOND, 2), (LIMIT, 1), (timedelta(days=3), 1)]
)
def test_a_question_is_asked_once_at_least_and_not_again_after_the_time_of_its_step(
    passed: timedelta, times: int
) -> None:
    case = asked(HTTP, passed=passed, status=503)
    service = next(case)
    with pytest.raises(Rejected) as raised:
        next(case)
    assert len(service.asked) == times
    assert ("the 0:00:30 that all questions of the step have are over" in raised.value.message) is (times < 3)


def test_an_answer_that_is_good_counts_after_the_time_of_its_step_too() -> None:
    case = asked(HTTP, passed=timedelta(days=3))
    service = next(case)
    assert next(case, None) is None
    assert len(service.asked) == 1


@pytest.mark.parametrize(("passed", "timeout"), [(timedelta(), 10), (25 * SECOND, 5), (LIMIT, 1), (2 * LIMIT, 1)])
def test_one_answer_may_take_what_is_left_to_the_step(passed: timedelta, timeout: int) -> None:
    case = asked(HTTP, passed=passed)
    service = next(case)
    next(case, None)
    assert [one.timeout for one in service.asked] == [timedelta(seconds=timeout)]


@pytest.mark.parametrize(("takes", "requests"), [(SECOND / 10, 40), (2 * SECOND, 20), (LIMIT, 10)])
def test_many_requests_end_with_the_time_of_the_step(takes: timedelta, requests: int) -> None:
    case = asked(MANY, passed=timedelta(), takes=takes)
    service = next(case)
    if requests == 40:
        assert next(case, None) is None
    else:
        with pytest.raises(Rejected, match=f"and {40 - requests} more were not asked for; the 0:00:30"):
            next(case)
    assert len(service.asked) == requests
