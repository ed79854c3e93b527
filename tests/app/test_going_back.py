"""What a plan leaves, and whether it leads back by the steps of that: functions over records and sides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from reconciler.app.going_back import NEAR, going_back, going_to_older, gone_back, leaves, ran, what_runs
from reconciler.machine.entry import Accepted, Finished, Passed, Returning
from reconciler.machine.states import EVERY, RolloutState, UnitState
from reconciler.names import Digest, Revision, UnitKind, UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.units import Unit
from reconciler.specs.desired import Desired
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from tests.plan.said import release

WEB = UnitRef(UnitKind.RELEASE, "web")
STEPS: list[dict[str, Any]] = [
    {"action": "migrate_database", "job": "down", "reversible": True},
    {"action": "roll_back"},
]


def accepted(number: int, unit: str = "release/web", **more: Any) -> Accepted:
    """The version of this number; its artifact and revision are told by it."""
    return Accepted(unit=unit, artifact=Digest(f"{number:064x}"), revision=Revision(f"{number:040x}"), **more)


def action(kind: ActionKind, unit: str = "release/web", step: int = 0) -> Action:
    return Action(id="", kind=kind, unit=unit, target="cluster/one", step=step)


JOB, OTHERS_JOB = action(ActionKind.RUN_JOB), action(ActionKind.RUN_JOB, "release/other")
WRITE, OTHERS = action(ActionKind.APPLY_OBJECT), action(ActionKind.APPLY_OBJECT, "release/other")


def plan(*batches: Sequence[Action]) -> Plan:
    made: Any = Plan
    found: Plan = made.model_construct(environment="dev", batches=tuple(map(tuple, batches)))
    return found


def rollout(
    version: Accepted, outcome: str = "", *, back: Sequence[Accepted] = (), wholly: str = "", **more: Any
) -> RolloutState:
    """One that ended so, or runs. `wholly`: what went back where the rest did not."""
    made: Any = Passed
    passed: Passed = made.model_construct(units=(version,), path=f"plans/{version.artifact}", retries=0)
    found: Any = Returning
    returning: Returning | None = found.model_construct(to=tuple(back)) if back else None
    ended = Finished(environment="dev", generation=1, outcome=outcome, back=(wholly,)) if outcome else None
    far = {version.unit: more.pop("furthest")} if "furthest" in more else {}
    made_so: Any = RolloutState
    found_so: RolloutState = made_so(passed, "event", None, returning=returning, far=far, **more)
    return found_so.ended(ended) if ended is not None else found_so


# rollouts of versions from 2 on, the newest last, each with its plan; and the version that stands
Past = tuple[RolloutState, Plan]
APPLIED: Past = (rollout(accepted(2), "applied"), plan([WRITE]))
FAILED: Past = (rollout(accepted(2), "failed", batch=0), plan([WRITE]))
PASTS: dict[str, tuple[Sequence[Past], int]] = {
    "nothing is recorded": ([], 1),
    "it ended well": ([APPLIED], 1),
    "nothing had to be done": ([(rollout(accepted(2), "no_change"), plan())], 1),
    "a newer plan took over": ([(rollout(accepted(2), "superseded"), plan([WRITE]))], 1),
    "it failed": ([FAILED], 2),
    "its return failed": (
        [(rollout(accepted(2), "rollback_failed", back=[accepted(1)]), plan([JOB], [WRITE]))],
        2,
    ),
    "its return failed, and nothing was done before": (
        [(rollout(accepted(2), "rollback_failed", back=[accepted(1)]), plan([OTHERS], [WRITE]))],
        1,
    ),
    "its return failed half-way, and nothing was done before": (
        [
            (
                rollout(accepted(2), "rollback_failed", back=[accepted(1)], begun=frozenset({("release/web", 1)})),
                plan([OTHERS], [WRITE]),
            )
        ],
        2,
    ),
    "it went back wholly, and another one's return failed": (
        [(rollout(accepted(2), "rollback_failed", back=[accepted(1)], wholly="release/web"), plan([WRITE]))],
        1,
    ),
    "it failed, and the next ended well": ([FAILED, (rollout(accepted(3), "applied"), plan([WRITE]))], 1),
    "its last Job failed": ([(rollout(accepted(2), "failed", batch=1, furthest=0), plan([WRITE], [JOB]))], 2),
    "it went back": ([(rollout(accepted(2), "rolled_back", back=[accepted(1)]), plan([WRITE]))], 1),
    "another one of its plan went back": (
        [(rollout(accepted(2), "rolled_back", back=[accepted(1, "release/other")]), plan([WRITE]))],
        2,
    ),
    "it failed, and the next was suspended": (
        [FAILED, (rollout(accepted(3, suspended=True), "no_change"), plan())],
        2,
    ),
    "it failed, and the next runs": ([FAILED, (rollout(accepted(3)), plan([WRITE]))], 2),
    "it failed, and then another one": ([FAILED, (rollout(accepted(3, "release/other"), "applied"), plan())], 2),
    "its first Job failed": ([(rollout(accepted(2), "failed", batch=0), plan([JOB], [WRITE]))], 1),
    "it failed, and the first Job of the next": (
        [FAILED, (rollout(accepted(3), "failed", batch=0), plan([JOB], [WRITE]))],
        2,
    ),
    "its first Job failed when others were done": (
        [(rollout(accepted(2), "failed", batch=1, furthest=0), plan([OTHERS], [JOB], [WRITE]))],
        1,
    ),
    "its second batch failed": (
        [(rollout(accepted(2), "failed", batch=1, furthest=0), plan([OTHERS], [WRITE]))],
        2,
    ),
    "its Job ended well": ([(rollout(accepted(2), "failed", batch=1, furthest=0), plan([JOB], [OTHERS], [WRITE]))], 2),
}


@pytest.mark.parametrize(("past", "stands"), PASTS.values(), ids=PASTS)
def test_the_version_that_runs_is_what_the_newest_rollout_left_that_did_anything(
    past: Sequence[Past], stands: int
) -> None:
    rollouts = {("dev", number): one for number, (one, _) in enumerate(past, start=2)}
    rollouts["other", 9] = rollout(accepted(9), "failed", batch=0)
    plans = {one.passed.path: made for one, made in past}
    state = UnitState(accepted(3), "dev", 3, "", accepted(1))
    assert what_runs(WEB, state, rollouts, plans.__getitem__) == accepted(stands)


# the plan, how far its rollout came, and whether anything of the unit ran that may not be undone by its objects alone
RAN: dict[str, tuple[Plan, dict[str, Any], bool]] = {
    "nothing was begun": (plan([JOB], [WRITE]), {}, False),
    "its Job was begun": (plan([JOB], [WRITE]), {"batch": 0}, False),
    "its Job ended": (plan([JOB], [WRITE]), {"batch": 1, "furthest": 0}, True),
    "it ended": (plan([WRITE]), {"furthest": EVERY}, True),
    "no Job of it": (plan([WRITE], [WRITE]), {"batch": 1, "furthest": 0}, False),
    "only another one's Job": (plan([OTHERS_JOB], [WRITE]), {"batch": 1, "furthest": 0}, False),
    "its Job was begun beside another one's": (plan([JOB, OTHERS_JOB], [WRITE]), {"batch": 0}, True),
    "its Job would have been begun beside another one's": (plan([WRITE], [JOB, OTHERS]), {"batch": 0}, False),
    "a Job of a way back": (plan([action(ActionKind.RUN_JOB, step=2)], [WRITE]), {"batch": 1, "furthest": 0}, False),
}


@pytest.mark.parametrize(("made", "far", "moved"), RAN.values(), ids=RAN)
def test_what_ran_is_known_by_what_is_recorded(made: Plan, far: Mapping[str, Any], moved: bool) -> None:  # noqa: FBT001
    assert ran(rollout(accepted(2), "failed", **far), made, "release/web") is moved


def side(number: int, image: int, pods: int = 2, *, artifact: int | None = None, there: bool = True) -> Side:
    """A version whose Deployment has this image and so many pods; versions above 1 name steps."""
    spec = {"replicas": pods, "image": image}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "down"}, "spec": {}}
    steps = [{**step, "timeout": f"{number}m"} for step in STEPS]
    said = release(rollback={"steps": steps}) if number > 1 else release()
    source = ReleaseSource(SourceKind.MANIFESTS, "web", objects=(body,), jobs=(job,))
    units = {WEB: Unit(WEB, "dev", {}, accepted(artifact or number).artifact)} if there else {}
    return Side(Desired(releases={"web": said}, sources={"web": source}), units)


# by its number: the image and the number of pods of each version that was ever accepted
SIDES = {1: side(1, 1), 2: side(2, 2), 3: side(3, 3), 4: side(4, 3, 7), 5: side(5, 5), 6: Side(Desired())}


def state(last: int, successful: int | None, *before: int) -> UnitState:
    older = tuple(map(accepted, before))
    ended = accepted(successful) if successful is not None else None
    return UnitState(accepted(last), "dev", 9, "", ended, older[0] if older else None, older[1:])


# what is recorded, what stands, what is proposed; and the version whose steps are walked, 0: none
BACK: dict[str, tuple[UnitState, Accepted | None, Side, int]] = {
    "the version before": (state(2, 2, 1), accepted(2), side(9, 1, artifact=1), 2),
    "the version before, made anew": (state(2, 2, 1), accepted(2), side(9, 1), 2),
    "the version before with other pods": (state(2, 2, 1), accepted(2), side(9, 1, 5), 2),
    "one that was before that": (state(3, 3, 2, 1), accepted(3), side(9, 1, artifact=1), 0),
    "the one before, after scaling": (state(4, 4, 3, 2), accepted(4), side(9, 2), 4),
    "what was only scaled": (state(4, 4, 3, 2), accepted(4), side(9, 3, artifact=3), 0),
    "a new version": (state(2, 2, 1), accepted(2), side(9, 9), 0),
    "what stands": (state(2, 2, 1), accepted(2), side(9, 2, artifact=2), 0),
    "what stands, derived otherwise": (state(2, 2, 1), accepted(2), side(9, 1, artifact=2), 0),
    "a new version, where all was scaling before": (state(4, 4, 3), accepted(4), side(9, 9), 0),
    "a version, and none of it was there before": (state(2, 2, 6), accepted(2), side(9, 1), 0),
    "nothing": (state(2, 2, 1), accepted(2), side(9, 1, there=False), 0),
    "the one before what failed": (state(3, 2, 1), accepted(3), side(9, 2, artifact=2), 3),
    "two before what failed": (state(3, 2, 1), accepted(3), side(9, 1, artifact=1), 0),
    "the one before what runs, after another failed": (state(3, 2, 1), accepted(2), side(9, 1, artifact=1), 2),
    "the one before what runs, after another was suspended": (
        replace(state(3, 2, 1), accepted=accepted(3, suspended=True)),
        accepted(2),
        side(9, 1, artifact=1),
        2,
    ),
    "forward again to what was gone back from": (state(2, 2, 3, 2, 1), accepted(2), side(9, 3, artifact=3), 0),
    "further back, after it was gone back to": (state(2, 2, 3, 2, 1), accepted(2), side(9, 1, artifact=1), 2),
    "back once more": (state(3, 3, 2, 3, 2, 1), accepted(3), side(9, 2, artifact=2), 3),
    "forward again, scaled meanwhile": (state(4, 4, 5, 3, 2), accepted(4), side(9, 5, artifact=5), 0),
    "further back, scaled meanwhile": (state(4, 4, 5, 3, 2), accepted(4), side(9, 2, artifact=2), 4),
    "forward again after a way back that failed": (state(2, 3, 2, 1), accepted(2), side(9, 3, artifact=3), 0),
    "forward again long after": (
        state(2, 2, *[5] * NEAR, 3, 2, 1),
        accepted(2),
        side(9, 5, artifact=5),
        0,
    ),
    "the first": (state(2, 2), accepted(2), side(9, 1, artifact=1), 0),
    "nothing ever ended well": (state(2, None), accepted(2), side(9, 1, artifact=1), 0),
    "nothing runs": (state(2, None), None, side(9, 1, artifact=1), 0),
    "what runs is gone": (state(2, 2, 1), accepted(2, removed=True), side(9, 1, artifact=1), 0),
    "from a version without steps": (state(1, 1, 2), accepted(1), side(9, 2, artifact=2), 0),
}


@pytest.mark.parametrize(("recorded", "stands", "proposed", "left"), BACK.values(), ids=BACK)
def test_a_plan_goes_back_by_steps_to_the_version_before_the_one_that_runs(
    recorded: UnitState, stands: Accepted | None, proposed: Side, left: int
) -> None:
    at = {accepted(number).revision: one for number, one in SIDES.items()}
    asked: list[UnitRef] = []

    def moved(ref: UnitRef, _: UnitState) -> bool:
        asked.append(ref)
        return False

    last = SIDES[int(recorded.accepted.artifact, 16)]
    found = dict(going_back({WEB: recorded}, proposed, {WEB: last}, at.__getitem__, lambda *_: stands, moved))
    assert [one.at for one in found.values()] == ([accepted(left).revision] if left else [])
    if found:
        assert found[WEB].release is SIDES[left].desired.releases["web"].spec
        mine = stands == recorded.accepted
        assert (found[WEB].moved, asked) == (not mine, [WEB] * mine)
        assert list(found[WEB].jobs) == ["down"]


# what is recorded, what stands, what is proposed; and whether a return from there would go forward
OLDER: dict[str, tuple[UnitState, Accepted | None, Side, bool]] = {
    "the version before": (state(3, 3, 2, 1), accepted(3), side(9, 2, artifact=2), True),
    "one long before": (state(5, 5, 3, 2, 1), accepted(5), side(9, 2), True),
    "without steps": (state(3, 3, 2, 1), accepted(3), side(1, 1), False),
    "a new version": (state(3, 3, 2, 1), accepted(3), side(9, 9), False),
    "forward again": (state(2, 2, 3, 2, 1), accepted(2), side(9, 3, artifact=3), False),
    "scaled": (state(4, 4, 3, 2), accepted(4), side(9, 3, 5), False),
    "what ran before it failed": (state(3, 2, 1), accepted(3), side(9, 2, artifact=2), True),
    "nothing stands": (state(2, None), None, side(9, 2), False),
    "what stands is gone": (state(3, 3, 2), accepted(3, removed=True), side(9, 2), False),
    "it goes": (state(3, 3, 2), accepted(3), Side(Desired()), False),
    "it is nobody's": (state(3, 3, 2), accepted(3), side(9, 2, there=False), False),
}


@pytest.mark.parametrize(("recorded", "stands", "proposed", "older"), OLDER.values(), ids=OLDER)
def test_what_leads_to_a_version_that_came_before_is_known(
    recorded: UnitState,
    stands: Accepted | None,
    proposed: Side,
    older: bool,  # noqa: FBT001
) -> None:
    at = {accepted(number).revision: one for number, one in SIDES.items()}
    found = going_to_older({WEB: recorded}, proposed, at.__getitem__, lambda *_: stands)
    assert list(found) == ([WEB] if older else [])


def test_what_was_removed_in_between_is_no_version_to_go_back_to() -> None:
    gone = replace(state(3, 3), previous=accepted(1, removed=True))
    at = {accepted(number).revision: one for number, one in SIDES.items()}
    for proposed in (side(9, 1), side(9, 1, artifact=1)):
        asked = (proposed, {WEB: SIDES[3]}, at.__getitem__, lambda *_: accepted(3), lambda *_: True)
        assert not dict(going_back({WEB: gone}, *asked))


@pytest.mark.parametrize(
    "left", [Desired(), replace(SIDES[3].desired, sources={}), replace(SIDES[3].desired, releases={})]
)
def test_what_is_not_there_is_not_left(left: Desired) -> None:
    assert leaves(left, SIDES[1].desired, "web") is None


# steps of a return that are done: of web, whose version has two, and of one without steps
GONE: dict[str, tuple[set[tuple[str, int]], tuple[str, ...], tuple[str, ...]]] = {
    "nothing": (set(), ("web", "other"), ()),
    "in part": ({("release/web", 1)}, ("web", "other"), ()),
    "another one's": ({("release/web", 1), ("release/other", 2)}, ("web", "other"), ()),
    "wholly": ({("release/web", 1), ("release/web", 2)}, ("web", "other"), ("release/web",)),
    "wholly, and what failed is of no step": ({("release/web", 1), ("release/web", 2)}, ("web",), ()),
}


@pytest.mark.parametrize(("walked", "names", "back"), GONE.values(), ids=GONE)
def test_what_went_back_wholly_beside_what_did_not_is_known_by_its_steps(
    walked: set[tuple[str, int]], names: tuple[str, ...], back: tuple[str, ...]
) -> None:
    to = [accepted(1, f"release/{name}") for name in names]
    found = rollout(accepted(2), "", back=to, walked=frozenset(walked))
    assert gone_back(SIDES[2].desired, found) == back


def test_the_steps_that_were_done_already_are_told_of_what_is_left() -> None:
    found = leaves(SIDES[3].desired, Desired(), "web", frozenset({1}))
    assert found is not None
    assert [number for number, _ in found.left] == [2]
