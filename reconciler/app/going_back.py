"""Whether a release's plan goes back by steps of its own.

Rule: it does where it leads to the version that came right before the accepted one (G21), and nowhere else. Which of
two came before is told by where each stood first: what was gone back from comes after what was gone back to, however
often they were exchanged, so the way there is forward again. A version is what its objects say but for numbers of
pods, so scaling in between neither hides it nor is one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from reconciler.machine.entry import Accepted
from reconciler.machine.states import RolloutState, UnitState
from reconciler.names import Digest, Revision, UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.way_back import Leaving, leaving, only_numbers
from reconciler.specs.desired import Desired

NEAR = 10  # successes of which it is asked whether they are a version that was scaled since; older ones by artifact
UNFINISHED = frozenset({"failed", "rollback_failed"})  # something of it was done, and it did not end well


def going_back(
    states: Mapping[UnitRef, UnitState],
    proposed: Side,
    accepted: Mapping[UnitRef, Side],
    at: Callable[[Revision], Side],
    runs: Callable[[UnitRef, UnitState], Accepted | None],
    moved: Callable[[UnitRef, UnitState], bool],
) -> Iterator[tuple[UnitRef, Leaving]]:
    """Releases that lead back to what ran before, with the steps of the version that they leave.

    `runs`: what is left, which is not what was accepted last where that was rolled back, is suspended, or failed
    before anything of it was done. `moved`: whether more than its objects may have changed by what was accepted last.
    """
    for ref, state in states.items():
        unit = proposed.units.get(ref)
        stands = runs(ref, state)
        if unit is None or stands is None or stands.removed or unit.artifact == stands.artifact:
            continue
        last = stands == state.accepted
        left = accepted[ref].desired if last else at(stands.revision).desired
        found = leaves(left, proposed.desired, ref.name)
        if found is not None and _leads_back(ref, state, stands, proposed, left, at):
            yield ref, replace(found, moved=moved(ref, state) if last else True, at=stands.revision)


def what_runs(
    ref: UnitRef, state: UnitState, rollouts: Mapping[tuple[str, int], RolloutState], plan_of: Callable[[str], Plan]
) -> Accepted | None:
    """The version that stands on the targets, if only in part; by the newest rollout that did anything of the unit."""
    for number in sorted((at for name, at in rollouts if name == state.environment), reverse=True):
        rollout = rollouts[state.environment, number]
        mine = next((one for one in rollout.passed.units if one.unit == str(ref)), None)
        if mine is None or mine.suspended or rollout.finished is None:
            continue
        if rollout.ends[str(ref)] not in UNFINISHED:
            return state.successful
        if str(ref) in rollout.owing:
            return mine
        plan = plan_of(rollout.passed.path)
        if not _untouched(rollout, plan, str(ref)) and not _owes(rollout, plan, str(ref)):
            return mine
    return state.successful


def gone_back(left: Desired, state: RolloutState) -> tuple[str, ...]:
    """The units of a return that failed of which every step is done; none where that is all of them."""
    units = [one.unit for one in state.returning.to] if state.returning is not None else []
    back = tuple(unit for unit in units if (steps := _steps(left, unit)) and steps <= state.walked)
    return back if len(back) < len(units) else ()


def _steps(left: Desired, unit: str) -> set[tuple[str, int]]:
    release = left.releases.get(unit.removeprefix("release/"))
    return {(unit, number) for number, _ in enumerate(release.spec.rollback.steps, start=1)} if release else set()


def _owes(rollout: RolloutState, plan: Plan, unit: str) -> bool:
    """Whether a way back of a unit that failed has a Job left that nobody saw end well."""
    left = (one for batch in plan.batches[rollout.furthest(unit) + 1 :] for one in batch if one.unit == unit)
    return any(one.kind is ActionKind.RUN_JOB and one.step for one in left)


def _untouched(rollout: RolloutState, plan: Plan, unit: str) -> bool:
    """Whether nothing of a unit was begun but Jobs before it, of which none ended well.

    What was begun when its return was, nobody knows of a Job: it counts.
    """
    begun = [one for batch in plan.batches[: rollout.furthest(unit) + 2] for one in batch if one.unit == unit]
    if rollout.ends[unit] == "rollback_failed":
        return not begun
    return not ran(rollout, plan, unit) and all(one.kind is ActionKind.RUN_JOB for one in begun)


def leaves(left: Desired, to: Desired, name: str, done: frozenset[int] = frozenset()) -> Leaving | None:
    """The steps of a release's way from one side back to another; None where it goes as every release does.

    A version that differs in numbers of pods alone, or in no object, has nothing to walk back.
    """
    release, source = left.releases.get(name), left.sources.get(name)
    if release is None or source is None or _same(left, to, name):
        return None
    return leaving(release.spec, source.jobs, done)


def going_to_older(
    states: Mapping[UnitRef, UnitState],
    proposed: Side,
    at: Callable[[Revision], Side],
    runs: Callable[[UnitRef, UnitState], Accepted | None],
) -> Iterator[UnitRef]:
    """Releases with steps of their own that lead to a version which came before the one that stands.

    A return from there would go forward, and their steps lead further back.
    """
    for ref, state in states.items():
        stands, unit, release = runs(ref, state), proposed.units.get(ref), proposed.desired.releases.get(ref.name)
        if stands is None or stands.removed or unit is None or release is None or release.spec.rollback.plain:
            continue
        known = _history(state, stands)
        there = _first(known, unit.artifact, proposed.desired, ref, at)
        if there > _first(known, stands.artifact, at(stands.revision).desired, ref, at):
            yield ref


def _leads_back(
    ref: UnitRef,
    state: UnitState,
    stands: Accepted,
    proposed: Side,
    left: Desired,
    at: Callable[[Revision], Side],
) -> bool:
    """Whether what is proposed is the version that ended well right before the one that is left came."""
    known = _history(state, stands)
    for one in known[_first(known, stands.artifact, left, ref, at) + 1 :]:
        if one.artifact == proposed.units[ref].artifact:
            return True
        before = at(one.revision).desired
        if not _same(before, left, ref.name):
            return _same(before, proposed.desired, ref.name)
    return False


def _history(state: UnitState, stands: Accepted) -> list[Accepted]:
    """What ended well before what stands, newest first, since the release was there."""
    newest = () if stands == state.successful else (state.successful,)
    known = takewhile(lambda one: one is not None and not one.removed, (*newest, state.previous, *state.earlier))
    return [one for one in known if one is not None]


def _first(
    known: Sequence[Accepted], artifact: Digest, version: Desired, ref: UnitRef, at: Callable[[Revision], Side]
) -> int:
    """Where in a history (newest first) a version stood first; -1: it never did."""
    found = (
        number
        for number, one in enumerate(known)
        if one.artifact == artifact or (number < NEAR and _same(at(one.revision).desired, version, ref.name))
    )
    return max(found, default=-1)


def _same(one: Desired, other: Desired, name: str) -> bool:
    found = [side.sources[name].objects for side in (one, other) if name in side.sources]
    return len(found) == 2 and only_numbers(*found)


def hooks_of(plan: Plan, unit: str) -> list[tuple[int, Action]]:
    """The Jobs that a unit runs around its rollout, with the batch of each."""
    batches = enumerate(plan.batches)
    runs = [(number, one) for number, batch in batches for one in batch if one.kind is ActionKind.RUN_JOB]
    return [(number, one) for number, one in runs if one.unit == unit and not one.step]


def ran(rollout: RolloutState, plan: Plan, unit: str) -> bool:
    """Whether, by what is recorded, a version ran, or a Job before it ended well.

    Where it did not, and its objects are as they were, there is nothing to walk back. Where several units share a batch
    that did not end, nobody knows of their Jobs.
    """
    furthest = rollout.furthest(unit)
    if furthest >= len(plan.batches):
        return True
    shared = (number for number, _ in hooks_of(plan, unit) if {one.unit for one in plan.batches[number]} != {unit})
    return any(number <= furthest for number, _ in hooks_of(plan, unit)) or any(
        number <= rollout.batch for number in shared
    )
