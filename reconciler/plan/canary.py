"""The steps of a canary: a growing number of new pods beside the old ones, looked at, then all of them.

The old Deployment is not touched until the canary has passed its last step, so the way back is to delete the canary.
Each step's action finds what the one before left (G20). A dry run can only be asked for what stands now: what later
steps leave is the first one's answer with another number of pods.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Change, Line, Reference, Told, Touched
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part, Step, error, failed
from reconciler.plan.questions import words_of
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.specs.canaries import canary_of, pods_for, replicas_of, stable_of
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.strategy import Canary
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

FIRST = 1001  # after configuration (1), before workloads (2)
BETWEEN = 8
LEAVE = 3700  # when everything is applied and asked


@dataclass(frozen=True, slots=True)
class CanaryAsk:
    """What a canary's steps are made of."""

    unit: str
    release: str
    cluster: str
    settings: Canary
    objects: Mapping[ObjectRef, Any] = field(repr=False)
    observed: ObservedRelease | Failure
    key: bytes = field(repr=False)


def bodies(objects: Iterable[Any], settings: Canary | None) -> tuple[Any, ...]:
    """What is looked at beside what a release wants: its canary, with one pod."""
    stable = stable_of(objects) if settings is not None else None
    return (canary_of(stable, 1),) if stable is not None else ()


def with_canary(part: Part, ask: CanaryAsk) -> Part:
    """The release's part with the steps of its canary, where pods of a running Deployment change."""
    stable = stable_of(ask.objects.values())
    if stable is None or isinstance(ask.observed, Failure) or not _changes_pods(part, ref_of(stable)):
        return part
    canary = canary_of(stable, 1)
    item = ask.observed.objects.get(ref_of(canary))
    if item is None or item.failure is not None:
        failure = Failure("cluster_connect_failed", f"looking at {ref_of(canary)}: it was not looked at")
        found = item.failure if item is not None and item.failure is not None else failure
        return replace(part, checks=(*part.checks, failed(ask.unit, found)))
    if item.exists and item.owner != ask.release:
        message = f"{item.ref} exists on {ask.cluster} and is not of this release, whose canary has that name"
        return replace(part, checks=(*part.checks, error(ask.unit, "owned_by_another", message)))
    kept = tuple(step for step in part.steps if step.action.object != _reference(item.ref))
    changes = tuple(_passing(change, item.ref) for change in part.changes)
    live = mask_object(item.live, ask.key, kind=item.ref.kind) if item.exists else None
    touched = Touched(
        subject=f"cluster/{ask.cluster}: {item.ref} (canary)",
        state={"exists": item.exists, "uid": item.uid, "live": live},
    )
    steps = tuple(_steps(ask, stable, item))
    return replace(
        part,
        steps=(*kept, *steps),
        changes=changes,
        touched=(*part.touched, touched),
        way=tuple(_lines(ask, stable)),
    )


def _steps(ask: CanaryAsk, stable: Any, item: ObservedObject) -> Iterator[Step]:
    wanted = replicas_of(stable)
    before = fingerprint(mask_object(item.live, ask.key, kind=item.ref.kind)) if item.exists else ""
    for number, step in enumerate(ask.settings.steps):
        phase = FIRST + BETWEEN * number
        pods = pods_for(step.weight, wanted)
        after = fingerprint(mask_object(_result(stable, item, pods), ask.key, kind=item.ref.kind))
        yield Step(phase, _action(ask, item, ActionKind.APPLY_OBJECT, f":{number}", before, after, replicas=pods))
        before = after
        seconds = int(step.pause.total_seconds())
        if seconds:
            yield Step(phase + 1, _action(ask, item, ActionKind.PAUSE, f":{number}", "", "", seconds=seconds))
        for place in range(len(ask.settings.checks)):
            probe = f"strategy.canary.checks[{place}]"
            yield Step(phase + 2, _question(ask, f"{number}:{probe}", probe))
    yield Step(LEAVE, _action(ask, item, ActionKind.DELETE_OBJECT, "", before, ""))


def _action(
    ask: CanaryAsk, item: ObservedObject, kind: ActionKind, tail: str, pre: str, post: str, **more: int
) -> Action:
    return Action(
        id=f"{ask.unit}:{kind}:{item.ref}{tail}",
        kind=kind,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        object=_reference(item.ref),
        uid=item.uid if kind is not ActionKind.PAUSE else "",
        pre=pre,
        post=post,
        canary=kind is not ActionKind.PAUSE,
        **more,
    )


def _question(ask: CanaryAsk, tail: str, probe: str) -> Action:
    return Action(
        id=f"{ask.unit}:{ActionKind.ASK}:{tail}",
        kind=ActionKind.ASK,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        probe=probe,
    )


def _result(stable: Any, item: ObservedObject, pods: int) -> Any:
    """What the canary is after a step."""
    found = item.result if item.result is not None else canary_of(stable, pods)
    return {**found, "spec": {**found["spec"], "replicas": pods}}


def _lines(ask: CanaryAsk, stable: Any) -> Iterator[Line]:
    wanted = replicas_of(stable)
    for step in ask.settings.steps:
        pods = pods_for(step.weight, wanted)
        share = round(100 * pods / (wanted + pods)) if wanted + pods else 0
        values = (("weight", step.weight), ("of", wanted), ("pods", pods), ("share", share))
        yield Line(told=Told.SHARE, values=values)
        yield Line(told=Told.WATCH, values=(("time", format_duration(step.pause)),))
        yield from (Line(told=Told.ASK, values=(("what", words_of(probe)),)) for probe in ask.settings.checks)
    name = str(ref_of(stable))
    yield Line(told=Told.PROMOTE, values=(("name", name), ("of", wanted)))
    yield Line(told=Told.LEAVE, values=(("names", str(ref_of(canary_of(stable, 1)))),))
    yield Line(told=Told.BACK_CANARY, values=(("name", name),))


def _changes_pods(part: Part, stable: ObjectRef) -> bool:
    """Whether the running Deployment gets other pods."""
    exists = any(step.action.object == _reference(stable) and step.action.pre for step in part.steps)
    return exists and any(change.subject == str(stable) and change.restarts for change in part.changes)


def _passing(change: Change, canary: ObjectRef) -> Change:
    """A canary that was left behind is used again, and goes with this one."""
    return change.model_copy(update={"replaced": True}) if change.subject == str(canary) else change


def _reference(ref: ObjectRef) -> Reference:
    return Reference(group=ref.group, version=ref.version, kind=ref.kind, namespace=ref.namespace, name=ref.name)
