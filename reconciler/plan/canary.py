"""The steps of a canary: a growing number of new pods beside the old ones, looked at, then all of them.

The old Deployment is not touched until the canary has passed its last step, so the way back is to delete the canary;
where HTTPRoutes share out the traffic (plan/weights.py), after one write that gives everything back to the old pods.
Each step's action finds what the one before left (G20). A dry run can only be asked for what stands now: what later
steps leave is the first one's answer with another number of pods. Where an autoscaler has the number of the old pods,
that of the canary is counted when its step is done and judged by nobody: it is in no digest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Check, Line, Told, Touched
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part, Step, error, failed
from reconciler.plan.questions import STEPS, words_of
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.plan.weights import Weights, first_time, reference, weights_of
from reconciler.specs.canaries import canary_of, pods_for, range_of, replicas_of, scaler_of, stable_of, uncounted
from reconciler.specs.colours import service_of
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.probes import Probe
from reconciler.specs.kinds.strategy import Canary
from reconciler.specs.routes import canary_name, canary_service, services_of
from reconciler.specs.spec import Spec
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

FIRST = 1001  # after configuration (1), before workloads (2)
BETWEEN = 8
LEAVE = 3700  # when everything is applied and asked


@dataclass(frozen=True, slots=True)
class CanaryAsk:
    """What a canary's steps are made of."""

    unit: str
    release: Spec[Release]
    cluster: str
    settings: Canary
    objects: Mapping[ObjectRef, Any] = field(repr=False)
    observed: ObservedRelease | Failure
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Staging:
    """What was found for it: the canary, its Services, its routes, and who counts its pods."""

    ask: CanaryAsk
    stable: Any = field(repr=False)
    canary: ObservedObject
    services: tuple[ObservedObject, ...]
    weights: Weights
    counted: bool  # an autoscaler has the number of the old pods

    @property
    def passing(self) -> tuple[ObservedObject, ...]:
        return self.canary, *self.services


def bodies(objects: Iterable[Any], settings: Canary | None) -> tuple[Any, ...]:
    """What is looked at beside what a release wants: its canary, with one pod, and the Services of it alone."""
    known = list(objects)
    stable = stable_of(known) if settings is not None else None
    if stable is None:
        return ()
    return canary_of(stable, 1), *(canary_service(one) for one in services_of(known, stable))


def with_canary(part: Part, ask: CanaryAsk) -> Part:
    """The release's part with the steps of its canary, where pods of a running Deployment change."""
    objects = list(ask.objects.values())
    stable = stable_of(objects)
    if stable is None or isinstance(ask.observed, Failure) or not _changes_pods(part, ref_of(stable)):
        return part
    if (said := first_time(ask.unit, part)) is not None:
        return replace(part, checks=(*part.checks, said))
    weights = weights_of(ask.unit, f"cluster/{ask.cluster}", objects, stable, ask.observed, ask.key)
    if isinstance(weights, Check):
        return replace(part, checks=(*part.checks, weights))
    found = [ask.observed.objects.get(ref) for ref in (ref_of(canary_of(stable, 1)), *weights.beside)]
    checks = tuple(check for item in found for check in _in_the_way(ask, item))
    if checks:
        return replace(part, checks=(*part.checks, *checks))
    canary, *services = [item for item in found if item is not None]
    old = ask.observed.objects.get(ref_of(stable))
    counted = scaler_of(objects, stable) is not None or (old is not None and old.autoscaled)
    return _staged(part, _Staging(ask, stable, canary, tuple(services), weights, counted))


def _in_the_way(ask: CanaryAsk, item: ObservedObject | None) -> Iterator[Check]:
    if item is None or item.failure is not None:
        unseen = Failure("cluster_connect_failed", "looking at the canary: it was not looked at")
        yield failed(ask.unit, item.failure if item is not None and item.failure is not None else unseen)
    elif item.exists and item.owner != ask.release.name:
        message = f"{item.ref} exists on {ask.cluster} and is not of this release, whose canary has that name"
        yield error(ask.unit, "owned_by_another", message)


def _staged(part: Part, found: _Staging) -> Part:
    ask = found.ask
    ours = {reference(item.ref) for item in (*found.passing, *found.weights.routes)}
    kept = tuple(step for step in part.steps if step.action.object not in ours)
    names = {str(item.ref) for item in found.passing}
    changes = tuple(
        change.model_copy(update={"replaced": True}) if change.subject in names else change for change in part.changes
    )  # a canary that was left behind is used again, and goes with this one
    touched = tuple(
        Touched(
            subject=f"cluster/{ask.cluster}: {item.ref} (canary)",
            state={"exists": item.exists, "uid": item.uid, "live": _masked(found, item) if item.exists else None},
        )
        for item in found.passing
    )
    return replace(
        part,
        steps=(*kept, *_steps(found)),
        changes=changes,
        touched=(*part.touched, *touched, *found.weights.touched()),
        way=(*_lines(found), *part.way, *_last_lines(found)),
    )


def _steps(found: _Staging) -> Iterator[Step]:
    ask, item = found.ask, found.canary
    wanted, weight = replicas_of(found.stable), 0
    before = fingerprint(_masked(found, item)) if item.exists else ""
    yield from found.weights.first()
    for service in found.services:
        yield Step(
            FIRST, _action(ask, service, ActionKind.APPLY_OBJECT, "", _stands(ask, service), _made(ask, service))
        )
    for number, step in enumerate(ask.settings.steps):
        phase = FIRST + BETWEEN * number
        pods = pods_for(step.weight, wanted)
        after = fingerprint(mask_object(_result(found, pods), ask.key, kind=item.ref.kind))
        counted = {"share": step.weight} if found.counted else {"replicas": pods}
        yield Step(phase, _action(ask, item, ActionKind.APPLY_OBJECT, f":{number}", before, after, **counted))
        before = after
        yield from found.weights.shift(phase + 1, number, weight, step.weight)
        weight = step.weight
        seconds = int(step.pause.total_seconds())
        if seconds:
            yield Step(phase + 2, _action(ask, item, ActionKind.PAUSE, f":{number}", "", "", seconds=seconds))
        for place, probe in enumerate(ask.settings.checks):
            named = f"{STEPS}[{place}]"
            yield Step(phase + 3, _question(ask, f"{number}:{named}", named, _instead(found, probe)))
    yield from found.weights.rest(weight)
    yield Step(LEAVE, _action(ask, item, ActionKind.DELETE_OBJECT, "", before, ""))
    for service in found.services:
        yield Step(LEAVE, _action(ask, service, ActionKind.DELETE_OBJECT, "", _made(ask, service), ""))


def _action(
    ask: CanaryAsk, item: ObservedObject, kind: ActionKind, tail: str, pre: str, post: str, **more: int
) -> Action:
    return Action(
        id=f"{ask.unit}:{kind}:{item.ref}{tail}",
        kind=kind,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        object=reference(item.ref),
        uid=item.uid if kind is not ActionKind.PAUSE else "",
        pre=pre,
        post=post,
        canary=kind is not ActionKind.PAUSE,
        **more,
    )


def _question(ask: CanaryAsk, tail: str, probe: str, instead: str) -> Action:
    return Action(
        id=f"{ask.unit}:{ActionKind.ASK}:{tail}",
        kind=ActionKind.ASK,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        probe=probe,
        instead=instead,
    )


def _instead(found: _Staging, probe: Probe) -> str:
    """The canary's own Service, where the question names one whose traffic is shared out: that has old pods only."""
    asked = probe.http or probe.traffic
    named = service_of(asked.url, found.ask.release, found.ask.objects.values()) if asked is not None else None
    return canary_name(named[1]) if named is not None and named in found.weights.sent else ""


def _result(found: _Staging, pods: int) -> Any:
    """What the canary is after a step; where its pods are counted later, without their number."""
    result = found.canary.result if found.canary.result is not None else canary_of(found.stable, pods)
    return uncounted(result) if found.counted else {**result, "spec": {**result["spec"], "replicas": pods}}


def _masked(found: _Staging, item: ObservedObject) -> Any:
    counted = found.counted and item is found.canary
    return mask_object(uncounted(item.live) if counted else item.live, found.ask.key, kind=item.ref.kind)


def _stands(ask: CanaryAsk, item: ObservedObject) -> str:
    return fingerprint(mask_object(item.live, ask.key, kind=item.ref.kind)) if item.exists else ""


def _made(ask: CanaryAsk, item: ObservedObject) -> str:
    return fingerprint(mask_object(item.result, ask.key, kind=item.ref.kind))


def _lines(found: _Staging) -> Iterator[Line]:
    ask = found.ask
    name = str(ref_of(found.stable))
    if found.services:
        names = ", ".join(str(item.ref) for item in found.passing)
        yield Line(told=Told.PASSING, values=(("names", names),))
    for step in ask.settings.steps:
        yield _share(found, step.weight)
        yield from found.weights.lines(step.weight)
        yield Line(told=Told.WATCH, values=(("time", format_duration(step.pause)),))
        for probe in ask.settings.checks:
            what, instead = ("what", words_of(probe)), _instead(found, probe)
            told = Told.ASK_BESIDE if instead else Told.ASK
            yield Line(told=told, values=(what, ("service", instead)) if instead else (what,))
    of = (("of", replicas_of(found.stable)),) if not found.counted else ()
    yield Line(told=Told.PROMOTE_COUNTED if found.counted else Told.PROMOTE, values=(("name", name), *of))
    yield from found.weights.lines(0)


def _last_lines(found: _Staging) -> Iterator[Line]:
    names = ", ".join(str(item.ref) for item in found.passing)
    yield Line(told=Told.LEAVE, values=(("names", names),))
    routes = ", ".join(str(item.ref) for item in found.weights.routes)
    name = ("name", str(ref_of(found.stable)))
    if routes:
        yield Line(told=Told.BACK_WEIGHTS, values=(name, ("routes", routes)))
    else:
        yield Line(told=Told.BACK_CANARY, values=(name,))


def _share(found: _Staging, weight: int) -> Line:
    """What a step's share comes to in pods; of traffic only where nothing else shares it out."""
    wanted = replicas_of(found.stable)
    if found.counted:
        scaler = scaler_of(found.ask.objects.values(), found.stable)
        between = range_of(scaler) if scaler is not None else None
        if between is None:
            return Line(told=Told.SHARE_THEN, values=(("weight", weight),))
        fewest, most = between
        pods = (("pods", pods_for(weight, fewest)), ("most", pods_for(weight, most)))
        return Line(told=Told.SHARE_BETWEEN, values=(("weight", weight), ("of", fewest), ("to", most), *pods))
    pods_wanted = pods_for(weight, wanted)
    values = (("weight", weight), ("of", wanted), ("pods", pods_wanted))
    if found.services:
        return Line(told=Told.PODS, values=values)
    share = round(100 * pods_wanted / (wanted + pods_wanted)) if wanted + pods_wanted else 0
    return Line(told=Told.SHARE, values=(*values, ("share", share)))


def _changes_pods(part: Part, stable: ObjectRef) -> bool:
    """Whether the running Deployment gets other pods."""
    exists = any(step.action.object == reference(stable) and step.action.pre for step in part.steps)
    return exists and any(change.subject == str(stable) and change.restarts for change in part.changes)
