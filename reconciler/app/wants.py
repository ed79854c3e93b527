"""What a look at a cluster is for: the objects that a release wants there, and the rights it takes beside these.

Knows which bodies a dry run is asked for beside what is to stand: a canary, and the runs of Jobs.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.app import helming
from reconciler.plan.canary import bodies
from reconciler.plan.jobs import tried
from reconciler.plan.questions import probes
from reconciler.plan.way_back import Leaving
from reconciler.ports import DesiredObjects, Permission
from reconciler.specs.colours import service_of
from reconciler.specs.ignoring import ignored
from reconciler.specs.jobs import STOPPED, SUSPENDED
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.release import RollbackAction
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.spec import Spec


def of_release(
    name: str,
    spec: Release,
    new: Spec[Release] | None,
    source: ReleaseSource | None,
    left: Leaving | None = None,
    returned_from: Release | None = None,
) -> DesiredObjects:
    """Of a release. `new` is what is proposed, None where the release is to go; `spec` is that or what was before.

    `left`: the version that it goes back from, by steps of its own; `returned_from`: that in any case.
    """
    rendered = source if new is not None else None
    objects = tuple(rendered.objects) if rendered is not None else ()
    canary = bodies(objects, new.spec.strategy.canary if new is not None else None)
    jobs = [*(rendered.jobs if rendered is not None else ()), *(left.jobs.values() if left is not None else ())]
    runs = {one["metadata"]["name"]: one for one in tried(jobs)}  # of two of one name, that of the version that is left
    versions = [new.spec] if new is not None else []
    versions += [left.release] if left is not None else []
    needs = {need for one in versions if new is not None for need in _needs(new, one, objects, jobs)}
    return DesiredObjects(
        name,
        spec.namespace or "",
        (*objects, *canary, *runs.values()),
        tuple(sorted(needs)),
        chart=helming.chart_of(spec, rendered),
        stopped=left is not None and left.stops,
        ignored=ignored(new.spec, objects, returned_from) if new is not None else {},
    )


def _needs(named: Spec[Release], release: Release, objects: Sequence[Any], jobs: Iterable[Any]) -> Iterator[Permission]:
    """What asking Services, counting pods and reading logs takes, beside what applying takes."""
    urls = (probe.url for _, probe in probes(release) if probe.url is not None)
    found = (service_of(url, named, objects) for url in urls)
    yield from (Permission("get", "services/proxy", one[0]) for one in found if one is not None)
    if any(step.action is RollbackAction.STOP_TRAFFIC for step in release.rollback.steps):
        yield from (
            Permission("list", "pods", _namespace(body)) for body in objects if body["kind"] in {*STOPPED, SUSPENDED}
        )
        suspended = (body for body in objects if body["kind"] == SUSPENDED)
        yield from (Permission("list", "jobs", _namespace(body), "batch") for body in suspended)
    yield from (Permission("get", "pods/log", _namespace(body)) for body in jobs)


def _namespace(body: Any) -> str:
    return str(body["metadata"].get("namespace") or "")
