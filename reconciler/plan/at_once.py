"""Jobs that a plan would run at once, though somebody names them for a moment of their own.

A Job that a version names in its hooks or its way back is no object of it; one that nothing names is applied, and so it
runs, beside pods. Rule: what one version or release knows as a step of its way back is not made as an ordinary object
by another one: the version after it, or a release that shares the source with it. What one knows as a hook goes forward
as an ordinary object does: that it would run at once is said.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.names import ObjectRef, UnitRef
from reconciler.plan.ask import PlanAsk
from reconciler.plan.change import Change, Check, Operation
from reconciler.plan.part import Part, error, warning
from reconciler.plan.units import ref_of
from reconciler.specs.chart_hooks import is_job
from reconciler.specs.desired import Desired
from reconciler.specs.images import containers, image_name
from reconciler.specs.jobs import job_in, named
from reconciler.specs.kinds import Release
from reconciler.specs.release_source import ReleaseSource

MADE = frozenset({Operation.CREATE, Operation.REPLACE})
HOOKS, STEPS = "hooks", "rollback.steps"
ALIKE = 2  # of: the same name, a file of the source that both read, the same work
HINT = "name it in hooks or rollback.steps, or take it out of the source"
EARLIER = "take it out of the source in a change of its own first"


def run_at_once(
    ask: PlanAsk, ref: UnitRef, wanted: Mapping[ObjectRef, Any], changes: Iterable[Change]
) -> Iterator[Check]:
    """What keeps Jobs from being made as ordinary objects, or is said of it."""
    made = {change.subject for change in changes if change.operation in MADE}
    for one, body in sorted(wanted.items(), key=lambda pair: pair[0]):
        found = [*_names_it(ask, ref, body)] if is_job(body) and str(one) in made else []
        first = next((words for where, words in found if where == STEPS), "")
        said = first or next((words for _, words in found), "")
        if said:
            message = f"{ref}: {one} would run at once, as any object that is made: {said}, and this release does not"
            refused = error(str(ref), "release_state_invalid", message, HINT)
            yield refused if first else warning(str(ref), "", message, HINT)


def run_by_return(ref: UnitRef, part: Part, new: Release, before: Mapping[ObjectRef, Any] | None) -> Iterator[Check]:
    """What keeps a Job from being a step where the version that is gone back to would make it as an ordinary object."""
    if before is None or part.ungranted is not None:
        return
    steps = {step.job for step in new.rollback.steps}
    for one, body in sorted(before.items(), key=lambda pair: pair[0]):
        if is_job(body) and one.name in steps:
            message = f"{ref}: going back would run {one} once more: it is an ordinary object of the version before"
            yield error(str(ref), "release_state_invalid", message, EARLIER)


def _names_it(ask: PlanAsk, ref: UnitRef, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a Job is known as one for a moment of its own, and who knows it there, in words."""
    name = ref_of(body).name
    for version in _versions(ask, ref):
        known = _where(version, hooks=not ask.returning).get(name)
        if known is not None:
            yield known, f"the version before names it in {known}"
    own = ask.proposed.desired.sources.get(ref.name)
    for other, release, source in _others(ask, ref):
        for job, where in _where(release, hooks=not ask.returning).items():
            if own is None or source is None or not _alike(body, own, job, source):
                continue
            if job == name or not any(_alike(one, own, job, source) for one in own.jobs):  # else it names that one, too
                yield where, f"release {other} names {'it' if job == name else f'it as {job}'} in {where}"


def _versions(ask: PlanAsk, ref: UnitRef) -> Iterator[Release]:
    """Every other version of a release that planning knows: accepted last, running, left, or gone back to."""
    if ref in ask.leaving:
        yield ask.leaving[ref].release
    for side in (ask.accepted.get(ref), ask.otherwise.get(ref)):
        found = side.desired.releases.get(ref.name) if side is not None else None
        if found is not None:
            yield found.spec


def _others(ask: PlanAsk, ref: UnitRef) -> Iterator[tuple[str, Release, ReleaseSource | None]]:
    """Other releases, as they are proposed; one that is not there, or cannot be read, as it was accepted."""
    seen = {ref.name}
    for desired in (ask.proposed.desired, *ask.neighbours):
        found: Desired = desired
        for name, release in sorted(found.releases.items()):
            if name not in seen:
                yield name, release.spec, found.sources.get(name)
        if desired is ask.proposed.desired:
            seen |= desired.releases.keys()


def _where(release: Release, *, hooks: bool = True) -> dict[str, str]:
    """By the name of each Job that a release names: where it does. `hooks`: also of those, which no return runs."""
    found = {job: ".".join(one for one in place[:-1] if isinstance(one, str)) for place, job in named(release)}
    return {job: where for job, where in found.items() if hooks or where != HOOKS}


def _alike(body: Mapping[str, Any], own: ReleaseSource, job: str, source: ReleaseSource) -> bool:
    """Whether it is that Job of another release too: of one folder, base or chart, whatever was put before its name."""
    same_name = ref_of(body).name == job
    theirs = job_in(source.jobs, job)  # nothing where nobody can render it here
    same_files = bool({path for path, _ in own.files} & {path for path, _ in source.files})
    same_work = theirs is not None and _work(body) == _work(theirs)
    return sum((same_name, same_files, same_work)) >= ALIKE


def _work(job: Mapping[str, Any]) -> list[Any]:
    """What it runs, in whichever version; of settings and secrets each release has its own."""
    return [(image_name(one["image"]), one.get("command"), one.get("args")) for one in containers(job)]
