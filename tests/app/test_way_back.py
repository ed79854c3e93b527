"""What a way back asks before it walks: what was done, what ran, and what is waited for with traffic stopped."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.app.traffic import Away, StillStopped
from reconciler.app.walked import MAY_RUN, Walked, let_in
from reconciler.app.way_back import WayBack
from reconciler.errors import Refused, Rejected, Unavailable
from reconciler.machine.entry import Accepted
from reconciler.machine.states import RolloutState
from reconciler.names import ObjectRef
from reconciler.plan.ask import Side
from reconciler.plan.change import ActionKind, Plan
from reconciler.plan.way_back import Leaving
from reconciler.specs.desired import Desired
from reconciler.specs.rendering import Unrendered
from reconciler.state.observed import JobSeen
from tests.app.test_going_back import STEPS, WEB, WRITE, accepted, plan, rollout, side
from tests.app.test_jobs import order
from tests.app.test_performing import JOB as RUN
from tests.app.test_performing import Only, action
from tests.plan.said import release

STOPS = [{"action": "stop_traffic"}, *STEPS, {"action": "restore_traffic"}]
HOOK = action(ActionKind.RUN_JOB, RUN).model_copy(update={"unit": "release/web", "target": "cluster/one"})
HOOKED = plan([HOOK], [WRITE])
SEEN = JobSeen("1234567890", "web", ended=False)


@dataclass
class Cluster:
    """Knows one Job under every name."""

    seen: JobSeen | None
    asked: list[ObjectRef] = field(default_factory=list)

    def job(self, ref: ObjectRef) -> JobSeen | None:
        self.asked.append(ref)
        return self.seen


@dataclass
class Performing:
    targets: Any


def leaving(steps: Any = STOPS, done: frozenset[int] = frozenset()) -> Leaving:
    return Leaving(release(rollback={"steps": steps}).spec, {}, done)


def way(state: RolloutState, made: Plan = HOOKED) -> WayBack:
    """The way back from a rollout that is recorded so."""
    nobody: Any = None
    return WayBack(nobody, nobody, nobody, made, Side(Desired()), Walked(made, lambda *_: order(), lambda: state))


def failed(**more: Any) -> RolloutState:
    return rollout(accepted(2), "", **more)


# what is seen of the Job that was run before the rollout, and whether that may have changed more than objects
JOBS: dict[str, tuple[JobSeen | None, bool]] = {
    "it was not made": (None, False),
    "it runs": (SEEN, True),
    "it ended well": (replace(SEEN, ended=True), True),
    "it failed": (replace(SEEN, ended=True, failed=True), False),
    "it rests, and may go on": (replace(SEEN, suspended=True), True),
    "it was stopped for good": (replace(SEEN, suspended=True, stopped=True), False),
}


@pytest.mark.parametrize(("seen", "moved"), JOBS.values(), ids=JOBS)
def test_a_job_before_a_rollout_moved_something_unless_it_is_known_not_to_end_well(
    seen: JobSeen | None,
    moved: bool,  # noqa: FBT001
) -> None:
    cluster = Cluster(seen)
    performing: Any = Performing(Only(cluster))  # type: ignore[arg-type]
    assert way(failed(batch=0))._moved(WEB, leaving(), performing) is moved
    assert [ref.name.partition("-")[0] for ref in cluster.asked] == ["once"]


def test_what_is_recorded_is_not_looked_for() -> None:
    nobody: Any = None
    assert way(failed(batch=1, furthest=0))._moved(WEB, leaving(), nobody)
    assert way(failed(begun=frozenset({("release/web", 1)})))._moved(WEB, leaving(), nobody)
    assert not way(failed(begun=frozenset({("release/other", 1)})), plan([WRITE]))._moved(WEB, leaving(), nobody)


# the steps that are recorded as done, those that are still to come, and those that are over
PASSED: dict[str, tuple[set[int], set[int], set[int]]] = {
    "the first ends": (set(), {2, 3, 4}, {1}),
    "nothing had to be done of the second": ({1}, {3, 4}, {2}),
    "nothing is to be restored": ({1, 2}, set(), {3, 4}),
    "it goes on": ({1, 2}, {3, 4}, set()),
    "all of it is recorded": ({1, 2, 3, 4}, set(), set()),
}


@pytest.mark.parametrize(("walked", "later", "over"), PASSED.values(), ids=PASSED)
def test_a_step_of_which_nothing_had_to_be_done_is_over_with_the_one_before_it(
    walked: set[int], later: set[int], over: set[int]
) -> None:
    def steps(numbers: set[int], name: str = "web") -> set[tuple[str, int]]:
        return {(f"release/{name}", number) for number in numbers}

    found = way(failed(walked=frozenset(steps(walked))))
    leaves = {WEB: leaving()}
    assert found.walked.passed(leaves, {"release/web"}, steps(later) | steps({1}, "other")) == steps(over)
    assert found.walked.passed(leaves, {"release/other"}, steps(later)) == set()


UNRENDERED = Unrendered("permission_denied", "no such tool")


def unrendered() -> Side:
    found = side(1, 1)
    source = replace(found.desired.sources["web"], unrendered=UNRENDERED)
    return replace(found, desired=replace(found.desired, sources={"web": source}))


# the steps, what of them was begun, and what becomes of an old artifact that cannot be derived now
DERIVED: dict[str, tuple[Leaving, set[int], type[Exception]]] = {
    "nothing was begun": (leaving(), set(), Unavailable),
    "its traffic is stopped": (leaving(), {1}, Rejected),
    "its traffic is back": (leaving(done=frozenset({1, 2, 3, 4})), {1, 2, 3, 4}, Unavailable),
    "it is never stopped": (leaving(STEPS), {1}, Unavailable),
}


@pytest.mark.parametrize(("left", "begun", "error"), DERIVED.values(), ids=DERIVED)
def test_what_cannot_be_derived_now_is_waited_for_but_not_with_traffic_stopped(
    left: Leaving, begun: set[int], error: type[Exception]
) -> None:
    steps = frozenset(("release/web", number) for number in begun)
    state = failed(begun=steps, walked=frozenset(one for one in steps if one[1] in left.done))
    with pytest.raises(error, match="no such tool"):
        way(state)._derived(unrendered(), (accepted(1),), {WEB: left})


def test_what_is_derived_otherwise_is_refused_at_once() -> None:
    other: tuple[Accepted, ...] = (accepted(5),)
    with pytest.raises(Refused):
        way(failed())._derived(side(1, 1), other, {WEB: leaving()})
    way(failed())._derived(side(1, 1), (accepted(1),), {WEB: leaving()})


@pytest.mark.parametrize(("worse", "said"), [(Rejected("no"), True), (StillStopped("no"), False)])
def test_where_nobody_may_look_it_is_said_that_a_run_may_go_on(worse: Rejected, *, said: bool) -> None:
    class Blind:
        def let_traffic_in(self, *_: object, **__: object) -> None:
            raise worse

    blind: Any = Blind()
    failure = let_in(blind, {"one": ["web"]}, order, Rejected("why"), lambda: Away.STOPPED)
    assert (MAY_RUN in failure.message, failure.message.startswith(Away.STOPPED)) == (said, True)
