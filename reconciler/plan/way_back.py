"""The steps of a release's way back: what is done in which order, what can be undone, and what has to hold for it.

The steps are those of the version that is left: only it knows how its database goes back. Its Job, its questions and
its numbers are taken from there, its successor's objects from where it goes to. Rules (G21): a step that cannot be
undone is part of no granted return; a plan that goes back by steps grants none itself, for nobody knows the steps of
going back from that; what a return would miss is said before anybody relies on it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from reconciler.names import ObjectRef, Revision
from reconciler.plan.change import Action, ActionKind, Change, Check, Line, Operation, Told, Ungranted
from reconciler.plan.jobs import JobAsk, checks, reference, run_action, run_change
from reconciler.plan.part import Part, Step, error, warning
from reconciler.plan.pods_in_order import in_order
from reconciler.plan.questions import SUCCESS, probes, words_of
from reconciler.plan.units import object_in, ref_of
from reconciler.specs.claims import POLICY, When, claims_go
from reconciler.specs.jobs import GOES_ON, STOPPED, SUSPENDED, is_stopped
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.release import RollbackAction, RollbackStep
from reconciler.state.observed import Failure, ObservedObject

APART = 1_000_000  # between two steps there is room for every phase of a release
BELOW = 100_000  # phases of a release may be negative
ENTRIES = frozenset({ActionKind.HELM_BEGIN, ActionKind.HELM_DEPLOYED})
HAND = "a person opens the revert pull request: its preview shows these steps, and approving it approves them"


@dataclass(frozen=True, slots=True)
class Leaving:
    """The version that is left, and where it was accepted. `done`: its steps that this return has done already.

    `moved`: more than its objects may have changed since: it ran, a hook of it did, or a step of this way was begun.
    """

    release: Release
    jobs: Mapping[str, Any] = field(repr=False)
    done: frozenset[int] = frozenset()
    moved: bool = True
    at: Revision | None = None

    @property
    def left(self) -> tuple[tuple[int, RollbackStep], ...]:
        """The steps that are still to be done, by their numbers from 1."""
        return tuple((number, step) for number, step in self.all if number not in self.done)

    @property
    def all(self) -> tuple[tuple[int, RollbackStep], ...]:
        """Every step, also those that are done."""
        return tuple(enumerate(self.release.rollback.steps, start=1))

    @property
    def stop(self) -> int:
        """The number of the step that stops the traffic; 0: there is none."""
        return next((number for number, step in self.all if step.action is RollbackAction.STOP_TRAFFIC), 0)

    @property
    def restore(self) -> int:
        """The number of the step that gives it back; 0: there is none."""
        return next((number for number, step in self.all if step.action is RollbackAction.RESTORE_TRAFFIC), 0)

    @property
    def runs(self) -> set[int]:
        """The numbers of the steps that run a Job."""
        return {number for number, step in self.all if step.action is RollbackAction.MIGRATE_DATABASE}

    @property
    def stops(self) -> bool:
        """Whether the traffic is to be away while it is rolled back: what is restored is stopped first."""
        return bool(self.restore) and self.restore not in self.done


def leaving(release: Release, jobs: tuple[Any, ...], done: frozenset[int] = frozenset()) -> Leaving | None:
    """How a version is left; None where it is left as every release is."""
    if release.rollback.plain:
        return None
    return Leaving(release, {body["metadata"]["name"]: body for body in jobs}, done)


def only_numbers(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two versions' objects differ in numbers of pods at most: then there is no version to leave."""
    return [*map(_unnumbered, one)] == [*map(_unnumbered, other)]


def _unnumbered(body: Any) -> Any:
    spec = body.get("spec")
    if body["kind"] not in STOPPED or not isinstance(spec, dict):
        return body
    return {**body, "spec": {key: value for key, value in spec.items() if key != "replicas"}}


def name_of(number: int, step: RollbackStep) -> str:
    """What a step is called in plans and records."""
    return f"rollback.steps[{number - 1}]: {step.action.value}"


def walked(part: Part, ask: JobAsk, left: Leaving, objects: Mapping[ObjectRef, Any]) -> Part:
    """The part as the steps of the version that is left order it. `objects`: what is wanted when it is rolled back."""
    steps: list[Step] = []
    changes: list[Change] = []
    for number, step in left.left:
        base = APART * number
        steps += [Step(base + one.phase, one.action) for one in _actions(part, ask, left, objects, number, step)]
        changes += _changes(ask, left, number, step)
    steps += _entries(part, left)
    return replace(
        part,
        steps=tuple(steps),
        changes=(*part.changes, *changes),
        checks=(*part.checks, *_preconditions(ask, left), *_runs_in_order(ask, left)),
        way=tuple(lines(left, objects, [item.ref for item in _workloads(ask)])),
        ungranted=Ungranted.GOES_BACK,
    )


def _actions(
    part: Part, ask: JobAsk, left: Leaving, objects: Mapping[ObjectRef, Any], number: int, step: RollbackStep
) -> Iterator[Step]:
    seconds = int(step.timeout.total_seconds())
    match step.action:
        case RollbackAction.STOP_TRAFFIC:
            for item in _workloads(ask):
                yield Step(0, _scaling(ask, ActionKind.STOP_TRAFFIC, item.ref, item.uid, number, seconds))
        case RollbackAction.MIGRATE_DATABASE:
            job = left.jobs[step.job or ""]
            run = run_action(ask, job, name_of(number, step), seconds, number)
            yield Step(0, run.model_copy(update={"stopped": left.stops}))
        case RollbackAction.ROLL_BACK:
            more = {"step": number, "stopped": left.stops, "seconds": seconds}
            for one in part.steps:
                if one.action.kind not in ENTRIES and not (left.stops and _lets_go(one.action)):
                    yield Step(BELOW + one.phase, one.action.model_copy(update=more))
        case RollbackAction.RESTORE_TRAFFIC:
            yield from _restored(part, ask, objects, number, seconds)
        case RollbackAction.VERIFY:
            for place, _ in _questions(left.release):
                yield Step(
                    0,
                    Action(
                        id=f"{ask.unit}:{ActionKind.ASK}:{place}",
                        kind=ActionKind.ASK,
                        unit=ask.unit,
                        target=f"cluster/{ask.cluster}",
                        probe=place,
                        step=number,
                        seconds=seconds,
                    ),
                )
        case _:
            assert_never(step.action)


def _entries(part: Part, left: Leaving) -> Iterator[Step]:
    """What is entered into Helm's history belongs to no step: it is begun before the first, and ends after the last."""
    for one in (one for one in part.steps if one.action.kind in ENTRIES):
        yield Step(one.phase if one.action.kind is ActionKind.HELM_BEGIN else APART * (len(left.all) + 1), one.action)


def _restored(part: Part, ask: JobAsk, objects: Mapping[ObjectRef, Any], number: int, seconds: int) -> Iterator[Step]:
    """Everything that stands now gets its pods back; what is let go of gets them before it is nobody's."""
    seen = {item.ref: item.uid for item in _workloads(ask)}
    made = {
        object_in(one.action) for one in part.steps if one.action.kind is ActionKind.DELETE_OBJECT
    }  # and made again
    for ref, body in objects.items():
        if is_stopped(ref.group, ref.kind):
            uid = seen.get(ref, "") if ref not in made else ""
            pods = own_pods(body, objects)
            yield Step(0, _scaling(ask, ActionKind.RESTORE_TRAFFIC, ref, uid, number, seconds, pods))
    for one in part.steps:
        if _lets_go(one.action):
            ref = object_in(one.action)
            yield Step(0, _scaling(ask, ActionKind.RESTORE_TRAFFIC, ref, one.action.uid, number, seconds))
            yield Step(BELOW, one.action.model_copy(update={"step": number, "seconds": seconds}))


def _lets_go(action: Action) -> bool:
    return action.kind is ActionKind.FORGET_OBJECT and is_stopped(object_in(action).group, object_in(action).kind)


def _changes(ask: JobAsk, left: Leaving, number: int, step: RollbackStep) -> Iterator[Change]:
    if step.action is RollbackAction.MIGRATE_DATABASE:
        yield run_change(ask, left.jobs[step.job or ""], name_of(number, step), reversible=step.returns)
    if step.action is RollbackAction.STOP_TRAFFIC:
        for item in _workloads(ask):
            where = f"cluster {ask.cluster}"
            yield Change(unit=ask.unit, operation=Operation.RUN, subject=f"stop_traffic: {item.ref}", where=where)


def _scaling(
    ask: JobAsk, kind: ActionKind, ref: ObjectRef, uid: str, number: int, seconds: int, pods: int | None = None
) -> Action:
    """`replicas` of one that gives pods back: one more than how many, 0 standing for as many as there were."""
    return Action(
        id=f"{ask.unit}:{kind}:{ref}",
        kind=kind,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        object=reference(ref),
        uid=uid,
        replicas=0 if pods is None else pods + 1,
        step=number,
        seconds=seconds,
    )


def pods_of(action: Action) -> int | None:
    """How many pods a workload is given back; None: as many as it had."""
    return action.replicas - 1 if action.replicas else None


def own_pods(body: Mapping[str, Any], objects: Mapping[ObjectRef, Any]) -> int | None:
    """How many pods the source says; None where it says nothing, or an autoscaler has the number."""
    if body["kind"] == SUSPENDED:
        said = body["spec"].get("suspend")
        return int(not said) if isinstance(said, bool) else None
    said = body["spec"].get("replicas")
    autoscaled = least_of_autoscaler(body, objects.values()) is not None
    return said if type(said) is int and not autoscaled else None


def least_pods(body: Mapping[str, Any], objects: Mapping[ObjectRef, Any]) -> int:
    """How many it gets where nobody knows how many it had: what the source says, and one at least."""
    return max(1, least_of_autoscaler(body, objects.values()) or own_pods(body, objects) or 1)


def least_of_autoscaler(body: Mapping[str, Any], objects: Iterable[Any]) -> int | None:
    """The fewest pods that an autoscaler among these objects leaves a workload; None where none scales it."""
    scaler = next((one for one in objects if _scales(one, body)), None)
    least = scaler["spec"].get("minReplicas", 1) if scaler is not None else None
    return None if scaler is None else max(1, least) if type(least) is int else 1


def _scales(item: Any, workload: Mapping[str, Any]) -> bool:
    spec = item.get("spec")
    target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
    if item["kind"] != "HorizontalPodAutoscaler" or not isinstance(target, dict):
        return False
    same = item["metadata"].get("namespace") == workload["metadata"].get("namespace")
    return same and (target.get("kind"), target.get("name")) == (workload["kind"], workload["metadata"]["name"])


def _workloads(ask: JobAsk) -> list[ObservedObject]:
    """What runs of the release now and can be stopped, in order."""
    if isinstance(ask.observed, Failure):
        return []
    items = sorted(ask.observed.objects.values(), key=lambda item: item.ref)
    mine = [item for item in items if item.exists and item.owner == ask.release]
    return [item for item in mine if is_stopped(item.ref.group, item.ref.kind)]


def _questions(release: Release) -> Iterator[tuple[str, str]]:
    for place, probe in probes(release):
        if place.startswith(SUCCESS):
            yield place, words_of(probe)


def lines(left: Leaving, objects: Mapping[ObjectRef, Any], stands: Iterable[ObjectRef] | None = None) -> Iterator[Line]:
    """The steps in words. `objects`: workloads that are restored. `stands`: what is stopped, where others are."""
    refs = [ref for ref in sorted(objects) if is_stopped(ref.group, ref.kind)]
    names = ", ".join(map(str, refs))
    away = refs if stands is None else stands
    stopped = ", ".join(f"{ref}{' (suspended)' if ref.kind == SUSPENDED else ''}" for ref in away)
    for _, step in left.left:
        time = format_duration(step.timeout)
        match step.action:
            case RollbackAction.STOP_TRAFFIC:
                yield Line(told=Told.STEP_STOP, values=(("names", stopped), ("time", time)))
            case RollbackAction.MIGRATE_DATABASE:
                told = Told.STEP_MIGRATE if step.returns else Told.STEP_MIGRATE_LOSING
                yield Line(told=told, values=(("job", str(ref_of(left.jobs[step.job or ""]))), ("time", time)))
            case RollbackAction.ROLL_BACK:
                yield Line(told=Told.STEP_ROLL_BACK, values=(("time", time),))
            case RollbackAction.RESTORE_TRAFFIC:
                yield Line(told=Told.STEP_RESTORE, values=(("names", names), ("time", time)))
            case RollbackAction.VERIFY:
                asked = [words for _, words in _questions(left.release)]
                values = [(("what", words), ("time", time)) for words in asked]
                yield from (Line(told=Told.STEP_VERIFY, values=one) for one in values)
                if not asked:
                    yield Line(told=Told.STEP_READY)
            case _:
                assert_never(step.action)


def _runs_in_order(ask: JobAsk, left: Leaving) -> Iterator[Check]:
    """What is said of what stands. Of a live object only what is ours is known: a number that is not says nothing."""
    found = ((item.ref, item.live or {}) for item in (_workloads(ask) if left.stop else ()))
    yield from in_order(ask.unit, ((ref, live, (live.get("spec") or {}).get("replicas")) for ref, live in found))


def _comes_in_order(ask: JobAsk, left: Leaving, objects: Mapping[ObjectRef, Any]) -> Iterator[Check]:
    found = sorted(ref for ref in objects if left.stop and is_stopped(ref.group, ref.kind))
    yield from in_order(ask.unit, ((ref, objects[ref], own_pods(objects[ref], objects)) for ref in found))


def prepared(
    part: Part,
    ask: JobAsk,
    own: Leaving | None,
    objects: Mapping[ObjectRef, Any],
    before: Mapping[ObjectRef, Any] | None,
) -> Part:
    """The part with how it could be gone back from, also where nothing has to be done: an approval grants its return.

    `before`: the objects that it would go back to; None: there are none.
    """
    known = before is not None
    leads_away = before is not None and not only_numbers([*objects.values()], [*before.values()])
    if own is None or not (part.steps or leads_away) or part.ungranted is not None:
        return part
    irreversible = [step.job or "" for _, step in own.left if not step.returns]
    found = [*_preconditions(ask, own), *_comes_in_order(ask, own, objects)]
    if known and irreversible:
        jobs = ", ".join(irreversible)
        message = f"{ask.unit}: no return is granted: Job {jobs} of its way back is not said to be reversible"
        automatic = "; a failed rollout stays as it is" if own.release.rollback.automatic else ""
        found.append(warning(ask.unit, "", f"{message}{automatic}", HAND))
    return replace(
        part,
        checks=(*part.checks, *found),
        back=tuple(lines(own, objects)) if known else (),
        ungranted=Ungranted.IRREVERSIBLE if irreversible else None,
    )


def _preconditions(ask: JobAsk, left: Leaving) -> Iterator[Check]:
    """What the steps rely on: their Jobs can be made, pods be counted, questions be asked."""
    yield from checks(ask, {step.job: left.jobs[step.job] for _, step in left.left if step.job is not None})
    if isinstance(ask.observed, Failure):
        return
    actions = {step.action for _, step in left.left}
    asked = [words for _, words in _questions(left.release)]
    needed = {"services/proxy"} if RollbackAction.VERIFY in actions and asked else set()
    needed |= {"pods", "jobs"} if RollbackAction.STOP_TRAFFIC in actions else set()
    for one in ask.observed.lacking:
        if one.kind in needed:
            message = f"the way back of {ask.unit} could not be gone: on cluster {ask.cluster} the credential may not"
            hint = "grant it to the credential's account, or take the step out of rollback.steps"
            yield error(ask.unit, "cluster_permission_insufficient", f"{message} {one.words}", hint)
    if RollbackAction.VERIFY in actions and not asked:
        message = f"{ask.unit}: the step verify asks nothing, for rollback.success is empty: readiness alone counts"
        yield warning(ask.unit, "", message, "say what a way back that succeeded answers")
    if RollbackAction.STOP_TRAFFIC in actions:
        for ref, item in sorted(ask.observed.objects.items(), key=lambda pair: pair[0]):
            job = (ref.group, ref.kind) == ("batch", "Job") and not item.run
            if item.exists and item.owner == ask.release and (job or ref.kind in GOES_ON):
                message = f"stop_traffic cannot stop {ref}, which runs there: it has no replicas to take"
                yield error(ask.unit, "release_state_invalid", message, "remove it in a change of its own first")
            elif item.exists and item.owner == ask.release and claims_go(item.live, When.SCALED):
                message = f"stop_traffic would delete the data of {ref}, which runs there: its claims go with its pods"
                hint = f"let its {POLICY} say {When.SCALED}: Retain, in a change of its own first"
                yield error(ask.unit, "release_state_invalid", message, hint)
