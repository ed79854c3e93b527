"""A release's steps in the order of its strategy: what stands beside what, what is asked when, what is waited for.

Takes what `plan/releases.py` found and only orders it anew, with questions and pauses between. Every question and pause
is an action of its own, so that it is a batch, recorded before and after: a restart neither repeats nor shortens it.

Blue-green (specs/colours.py names the objects): the new workload is made and asked while the old one has the traffic;
one write of the Service moves that; it is asked again, and after the delay the old workload goes. The way back while
the old one still stands is the same write. A return waits for nothing and asks what `rollback.success` says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.canary import CanaryAsk, with_canary
from reconciler.plan.change import Action, ActionKind, Check, Line, Plan, Reference, Told
from reconciler.plan.part import Part, Step, warning
from reconciler.plan.questions import HEALTH, SUCCESS, probes, words_of
from reconciler.plan.weights import canary_words, in_order
from reconciler.specs.colours import HASH, VERSION, beside, selects, service_of
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.probes import Probe
from reconciler.specs.spec import Spec
from reconciler.state.observed import Failure, ObservedRelease

SPREAD = 1000  # between two phases of plan/releases.py there is room for these
ASK_BESIDE = 2200  # after workloads (2), before the switch
SWITCH = 2500
ASK = 3600  # after everything that is applied (0 to 3), before anything is deleted (4 and more)
PAUSE = 3800


@dataclass(frozen=True, slots=True)
class Staging:
    """Whose steps these are, towards which target, and what is wanted there."""

    unit: str
    release: Spec[Release]
    target: str
    objects: Mapping[ObjectRef, Any] = field(repr=False)
    observed: ObservedRelease | Failure
    key: bytes = field(repr=False)
    returning: bool = False


def staged(part: Part, ask: Staging) -> Part:
    """The same changes, in the order and with the questions and pauses of the release's strategy."""
    if not part.steps:
        return part
    moved = replace(part, steps=tuple(replace(step, phase=SPREAD * step.phase) for step in part.steps))
    if ask.release.spec.strategy.blue_green is not None:
        return _blue_green(moved, ask, ask.release.spec.strategy.blue_green.service)
    asked = _asked(ask)
    found = _with(in_order(moved, ask.objects.values(), ask.observed), _asks(ask, asked, ASK), _lines(Told.ASK, asked))
    settings = ask.release.spec.strategy.canary
    if settings is not None and not ask.returning:
        cluster = ask.target.partition("/")[2]
        steps = CanaryAsk(ask.unit, ask.release, cluster, settings, ask.objects, ask.observed, ask.key)
        found = with_canary(found, steps)
    return replace(found, way=(*found.way, *_afterwards(ask)))


def standing(plan: Plan, batch: int) -> str:
    """Where traffic is when a rollout stops at a batch, in words; empty where no strategy moved any."""
    found = []
    for unit in plan.units:
        found += canary_words(plan, unit.unit, batch)
        for service in (dict(line.values)["service"] for line in unit.way if line.told is Told.SWITCH):
            at = next(
                n for n, actions in enumerate(plan.batches) if any(_writes(a, unit.unit, service) for a in actions)
            )
            words = "still answers from the version before" if batch < at else "answers from the new version"
            doubtful = "may answer from either version: its switch was not seen to end"
            found.append(f"Service {service} {doubtful if batch == at else words}")
    return "; ".join(found)


def _writes(action: Action, unit: str, service: str | int) -> bool:
    found = action.object
    applies = action.unit == unit and action.kind is ActionKind.APPLY_OBJECT
    return applies and found is not None and (found.kind, found.name) == ("Service", service)


def _blue_green(part: Part, ask: Staging, service: str) -> Part:
    switch = next((step for step in part.steps if _moves(step, part, service)), None)
    workload = next((ref for ref, body in ask.objects.items() if _is_versioned(ref, body)), None)
    if switch is None or workload is None:
        asked = _asked(ask)
        return _with(part, _asks(ask, asked, ASK), [*_lines(Told.ASK, asked), *_afterwards(ask)])
    steps = tuple(replace(step, phase=SWITCH) if step is switch else step for step in part.steps)
    return _switching(replace(part, steps=steps), ask, service, workload)


def _switching(part: Part, ask: Staging, service: str, workload: ObjectRef) -> Part:
    settings = ask.release.spec.strategy.blue_green
    assert settings is not None  # noqa: S101  asked of such releases only
    part = _replacing(part, service, workload)
    old = [change.subject for change in part.changes if change.replaced and not change.subject.startswith("Service ")]
    before = {} if ask.returning else _asked_beside(ask, service)
    after = _asked(ask)
    version = workload.name.rpartition("-")[2]
    more = [*_asks(ask, before, ASK_BESIDE, beside(service, version)), *_asks(ask, after, ASK)]
    lines = [
        Line(told=Told.BESIDE, values=(("name", str(workload)),)),
        *_lines(Told.ASK_BESIDE, before, ("service", beside(service, version))),
        Line(told=Told.SWITCH, values=(("service", service),)),
        *_lines(Told.ASK, after),
    ]
    waits = int(settings.scale_down_delay.total_seconds())
    if old and waits and not ask.returning:
        more.append(Step(PAUSE, _pause(ask, service, waits, workload)))
        time = format_duration(settings.scale_down_delay)
        lines.append(Line(told=Told.PAUSE, values=(("time", time), ("names", ", ".join(old)))))
    if old:
        lines.append(Line(told=Told.LEAVE, values=(("names", ", ".join(old)),)))
        lines.append(Line(told=Told.BACK, values=(("service", service),)))
    lines += _afterwards(ask)
    return replace(
        _with(part, more, lines), checks=(*part.checks, *_mixed(ask, service, workload), *_first(part, ask, service))
    )


def _with(part: Part, steps: list[Step], lines: list[Line]) -> Part:
    return replace(part, steps=(*part.steps, *steps), way=tuple(lines))


def _moves(step: Step, part: Part, service: str) -> bool:
    """Whether a step is the write of the Service that moves the traffic."""
    found = step.action.object
    if step.action.kind is not ActionKind.APPLY_OBJECT or not step.action.pre or found is None:
        return False
    if (found.kind, found.name) != ("Service", service):
        return False
    subject = str(_ref(found))
    fields = (one for change in part.changes if change.subject == subject for one in change.fields)
    return any(one.path.startswith("spec.selector") for one in fields)


def _is_versioned(ref: ObjectRef, body: Any) -> bool:
    return ref.kind == "Deployment" and VERSION in (body["spec"]["template"].get("metadata") or {}).get("labels", {})


def _replacing(part: Part, service: str, workload: ObjectRef) -> Part:
    """The deletions of the versions that this one takes the place of are told from others."""
    name = re.escape(workload.name.rpartition("-")[0])
    versions = {
        "Deployment": re.compile(rf"{name}(-[0-9a-f]{{{HASH}}})?"),
        "Service": re.compile(rf"{re.escape(service)}-[0-9a-f]{{{HASH}}}"),
    }

    def is_version(found: Reference | None) -> bool:
        if found is None or found.namespace != workload.namespace:
            return False
        return found.kind in versions and versions[found.kind].fullmatch(found.name) is not None

    gone = {
        str(_ref(step.action.object))
        for step in part.steps
        if step.action.kind is ActionKind.DELETE_OBJECT and step.action.object is not None
        if is_version(step.action.object)
    }
    changes = tuple(
        change.model_copy(update={"replaced": True}) if change.subject in gone else change for change in part.changes
    )
    return replace(part, changes=changes)


def _asked(ask: Staging) -> dict[str, Probe]:
    """What is asked when everything is applied. A return asks at its end what tells whether it succeeded."""
    return {place: probe for place, probe in probes(ask.release.spec) if place.startswith(HEALTH) and not ask.returning}


def _asked_beside(ask: Staging, service: str) -> dict[str, Probe]:
    """What can be asked of the new version alone, before the switch: the questions that the Service would answer."""
    return {place: probe for place, probe in _asked(ask).items() if _is_of(probe, ask, service)}


def _is_of(probe: Probe, ask: Staging, service: str) -> bool:
    asked = probe.http or probe.traffic
    found = service_of(asked.url, ask.release, ask.objects.values()) if asked is not None else None
    return found is not None and found[1] == service


def _asks(ask: Staging, asked: Mapping[str, Probe], phase: int, instead: str = "") -> list[Step]:
    return [
        Step(
            phase,
            Action(
                id=f"{ask.unit}:{ActionKind.ASK}:{instead and f'{instead}:'}{place}",
                kind=ActionKind.ASK,
                unit=ask.unit,
                target=ask.target,
                probe=place,
                instead=instead,
            ),
        )
        for place in asked
    ]


def _pause(ask: Staging, what: str, seconds: int, watched: ObjectRef) -> Action:
    return Action(
        id=f"{ask.unit}:{ActionKind.PAUSE}:{what}",
        kind=ActionKind.PAUSE,
        unit=ask.unit,
        target=ask.target,
        object=Reference(
            group=watched.group,
            version=watched.version,
            kind=watched.kind,
            namespace=watched.namespace,
            name=watched.name,
        ),
        seconds=seconds,
    )


def _lines(told: Told, asked: Mapping[str, Probe], *more: tuple[str, str]) -> list[Line]:
    return [Line(told=told, values=(("what", words_of(probe)), *more)) for probe in asked.values()]


def _afterwards(ask: Staging) -> list[Line]:
    """What a return is judged by; a return itself tells of nothing."""
    asked = {place: probe for place, probe in probes(ask.release.spec) if place.startswith(SUCCESS)}
    return _lines(Told.ASK_BACK, asked) if not ask.returning else []


def _mixed(ask: Staging, service: str, workload: ObjectRef) -> Iterator[Check]:
    """Services that take in both versions while both stand."""
    body = ask.objects[workload]
    for ref, item in sorted(ask.objects.items(), key=lambda pair: pair[0]):
        if selects(item, body) and VERSION not in item["spec"]["selector"]:
            message = f"{ref} is not switched: it answers from both versions of {service} while both stand"
            yield warning(ask.unit, "", message)


def _first(part: Part, ask: Staging, service: str) -> Iterator[Check]:
    """The Service that is switched for the first time takes in every version's pods until then."""
    for change in part.changes:
        fields = (one for one in change.fields if one.path.startswith("spec.selector") and VERSION in one.path)
        if change.subject.startswith("Service ") and any(one.before is None for one in fields):
            message = f"Service {service} selects no version yet: until its first switch it answers from both"
            yield warning(ask.unit, "", message, "this passes with the first switch")


def _ref(found: Reference) -> ObjectRef:
    return ObjectRef(found.group, found.version, found.kind, found.namespace, found.name)
