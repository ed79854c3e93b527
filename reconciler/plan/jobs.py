"""Jobs that a release runs around its rollout and on its way back: what one run is, and when it may be approved.

A Job of the source is a pattern. Each run of it is an object of its own, named after the operation that it is: the same
operation finds it there and runs it no second time. Rules: what could not be made, or not be read, is known before
anybody approves; a run ends by itself when its time is over; runs of earlier plans go with the next one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.change import (
    Action,
    ActionKind,
    Change,
    Check,
    Line,
    Operation,
    Reference,
    Told,
    Touched,
)
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part, Step, error, failed, warning
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.specs.jobs import RUN, TRIES, ignores_failures, tries
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.release import Hook, HookPoint
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

BEFORE = -9_000  # before everything of the release, Helm's entry among it
EARLY = -20_000  # with what follows added, before those: what a chart makes for its first hooks
AFTER = 3_640  # when everything is applied and asked (3600), before a pause (3800) and any deletion (4000)
LAST = 1_000_000_000  # runs of earlier plans go when everything is done
TOLD = {
    (HookPoint.BEFORE, True): Told.HOOK_BEFORE,
    (HookPoint.BEFORE, False): Told.HOOK_BEFORE_LOSING,
    (HookPoint.AFTER, True): Told.HOOK_AFTER,
    (HookPoint.AFTER, False): Told.HOOK_AFTER_LOSING,
}
OF_BEFORE = frozenset({Told.HOOK_BEFORE, Told.HOOK_BEFORE_LOSING})
TRIED = "0" * RUN  # in the name of the run that a dry run is asked for
ONE_TRY = 0  # backoffLimit of a Job that says none: a run that failed is not begun again by the cluster


@dataclass(frozen=True, slots=True)
class JobAsk:
    """Whose Jobs these are, and what was seen there."""

    unit: str
    release: str
    cluster: str
    observed: ObservedRelease | Failure
    key: bytes = field(repr=False)


def run_id(*parts: object) -> str:
    """What tells one run from all others, in its name and on it."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:RUN]


def run_of(job: Mapping[str, Any], run: str, seconds: int) -> dict[str, Any]:
    """The object that one run of a Job is. It ends within its time, whoever watches."""
    spec = job["spec"]
    own = spec.get("activeDeadlineSeconds")
    deadline = min(own, seconds) if isinstance(own, int) else seconds
    bounded = {"backoffLimit": ONE_TRY, **spec, "activeDeadlineSeconds": deadline}
    return {**job, "metadata": {**job["metadata"], "name": f"{job['metadata']['name']}-{run}"}, "spec": bounded}


def tried(jobs: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """What is looked at of Jobs before anybody approves them: the run that none will be."""
    return tuple(run_of(job, TRIED, 1) for job in jobs)


def hooked(part: Part, ask: JobAsk, hooks: tuple[Hook, ...], jobs: Mapping[str, Any]) -> Part:
    """The part with its hooks before and after everything else."""
    found = [(hook, jobs[hook.job]) for hook in hooks if hook.job in jobs]
    if not found:
        return part
    steps, lines = [], []
    for number, (hook, job) in enumerate(found):
        first = hook.when is HookPoint.BEFORE
        seconds = int(hook.timeout.total_seconds())
        action = run_action(ask, job, hook.name, seconds)
        steps.append(Step((BEFORE if first else AFTER) + number, action))
        told = TOLD[hook.when, hook.reversible]
        values = (("name", hook.name), ("job", str(ref_of(job))), ("time", format_duration(hook.timeout)))
        lines.append(Line(told=told, values=values))
    before = tuple(line for line in lines if line.told in OF_BEFORE)
    after = tuple(line for line in lines if line.told not in OF_BEFORE)
    return replace(
        part,
        steps=(*part.steps, *steps),
        changes=(*part.changes, *(run_change(ask, job, hook.name, reversible=hook.reversible) for hook, job in found)),
        checks=(*part.checks, *checks(ask, {hook.job: job for hook, job in found}, part.changes)),
        way=(*before, *part.way, *after),
    )


def made_first(part: Part, prepared: frozenset[ObjectRef]) -> Part:
    """The part in which these objects are made before the first Job, where one is run before everything else.

    Not where their namespace is made: a Job in it is refused, and nothing else needs them so early.
    """
    if not any(step.action.kind is ActionKind.RUN_JOB and step.phase < 0 for step in part.steps):
        return part
    made = {change.subject for change in part.changes if change.operation is Operation.CREATE}
    wanted = {reference(ref) for ref in prepared if f"Namespace {ref.namespace}" not in made}
    steps = (replace(step, phase=EARLY + step.phase) if step.action.object in wanted else step for step in part.steps)
    return replace(part, steps=tuple(steps))


def run_action(ask: JobAsk, job: Mapping[str, Any], name: str, seconds: int, step: int = 0) -> Action:
    """The run of a Job. `post` is what it is made of, so that nothing else is run under this approval."""
    return Action(
        id=f"{ask.unit}:{ActionKind.RUN_JOB}:{name}",
        kind=ActionKind.RUN_JOB,
        unit=ask.unit,
        target=f"cluster/{ask.cluster}",
        object=reference(ref_of(job)),
        post=content_of(job, ask.key),
        hook=name,
        seconds=seconds,
        step=step,
    )


def run_change(ask: JobAsk, job: Mapping[str, Any], name: str, *, reversible: bool) -> Change:
    """The line of the preview that says that a Job is run."""
    return Change(
        unit=ask.unit,
        operation=Operation.RUN,
        subject=f"{ref_of(job)} ({name})",
        where=f"cluster {ask.cluster}",
        reversible=reversible,
    )


def content_of(job: Mapping[str, Any], key: bytes) -> str:
    """What a Job is made of."""
    return fingerprint(mask_object(job, key, kind="Job"))


def checks(ask: JobAsk, jobs: Mapping[str, Any], changes: Iterable[Change] = ()) -> Iterator[Check]:
    """What keeps Jobs from being run: asked of the server by a dry run of each."""
    if isinstance(ask.observed, Failure):
        return
    made = {change.subject for change in changes if change.operation is Operation.CREATE}
    for name, job in sorted(jobs.items()):
        yield from _tried_again(ask, name, job)
        ref = ref_of(run_of(job, TRIED, 1))
        item = ask.observed.objects.get(ref)
        if item is None:
            yield failed(ask.unit, Failure("cluster_connect_failed", f"looking at Job {name}: it was not looked at"))
        elif item.failure is not None:
            yield failed(ask.unit, Failure(item.failure.key, f"Job {name} could not be run: {item.failure.message}"))
        elif item.exists:
            yield error(ask.unit, "resource_conflict", f"{ref} exists on {ask.cluster}: nobody may take that name")
        elif f"Namespace {ref.namespace}" in made:
            message = f"Job {name} would run before the namespace {ref.namespace} is made"
            yield error(ask.unit, "release_apply_failed", message, "make the namespace in a release of its own")
    for one in ask.observed.lacking:
        if one.kind == "Job":
            yield error(
                ask.unit,
                "cluster_permission_insufficient",
                f"on cluster {ask.cluster} the credential may not {one.words}",
                "grant it to the credential's account, or take what needs it out of the source",
            )


def _tried_again(ask: JobAsk, name: str, job: Mapping[str, Any]) -> Iterator[Check]:
    """Once is what is promised; where the source asks for more, whoever approves it reads so."""
    most = tries(job)
    if ignores_failures(job):
        how = "any number of times: its podFailurePolicy ignores failures"
    elif most > TRIES:
        how = f"up to {most} times: it says backoffLimit {most - TRIES}"
    else:
        return
    hint = f"backoffLimit: {ONE_TRY} and restartPolicy: Never, without podFailurePolicy, is once"
    yield warning(ask.unit, "", f"Job {name} may start its work {how}", hint)


def runs_of(observed: ObservedRelease | Failure) -> tuple[ObservedObject, ...]:
    """Runs of earlier plans that are still there."""
    if isinstance(observed, Failure):
        return ()
    found = (item for item in observed.objects.values() if item.exists and item.run and item.owner == observed.release)
    return tuple(sorted(found, key=lambda item: item.ref))


def cleaned(part: Part, ask: JobAsk) -> Part:
    """The part in which runs of earlier plans are taken away, where it does anything at all."""
    runs = runs_of(ask.observed) if part.steps else ()
    if not runs:
        return part
    gone = [
        Change(
            unit=ask.unit,
            operation=Operation.DELETE,
            subject=str(item.ref),
            where=f"cluster {ask.cluster}",
            replaced=True,  # by the runs of this plan, or by nobody: it has ended and was told of
        )
        for item in runs
    ]
    steps = [
        Step(
            LAST,
            Action(
                id=f"{ask.unit}:{ActionKind.DELETE_OBJECT}:{item.ref}",
                kind=ActionKind.DELETE_OBJECT,
                unit=ask.unit,
                target=f"cluster/{ask.cluster}",
                object=reference(item.ref),
                uid=item.uid,
            ),
        )
        for item in runs
    ]
    touched = [
        Touched(subject=f"cluster/{ask.cluster}: {item.ref}", state={"exists": True, "uid": item.uid}) for item in runs
    ]
    return replace(
        part,
        changes=(*part.changes, *gone),
        steps=(*part.steps, *steps),
        touched=(*part.touched, *touched),
    )


def reference(ref: ObjectRef) -> Reference:
    """An ObjectRef that travels in JSON."""
    return Reference(group=ref.group, version=ref.version, kind=ref.kind, namespace=ref.namespace, name=ref.name)
