"""What a look at a cluster is for: the objects that a release wants there, and the rights it takes beside these."""

from collections.abc import Iterable
from typing import Any

from reconciler.app import helming
from reconciler.plan.canary import bodies
from reconciler.plan.questions import probes
from reconciler.ports import DesiredObjects, Permission
from reconciler.specs.colours import service_of
from reconciler.specs.kinds import Release
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.spec import Spec


def of_release(name: str, spec: Release, new: Spec[Release] | None, source: ReleaseSource | None) -> DesiredObjects:
    """Of a release. `new` is what is proposed, None where the release is to go; `spec` is that or what was before."""
    rendered = source if new is not None else None
    objects = tuple(rendered.objects) if rendered is not None else ()
    canary = bodies(objects, new.spec.strategy.canary if new is not None else None)
    chart = helming.chart_of(spec, rendered)
    return DesiredObjects(name, spec.namespace or "", (*objects, *canary), _needs(new, objects), chart=chart)


def _needs(release: Spec[Release] | None, objects: Iterable[Any]) -> tuple[Permission, ...]:
    """What asking the Services that a release's questions name takes, beside what applying takes."""
    if release is None:
        return ()
    urls = (probe.url for _, probe in probes(release.spec) if probe.url is not None)
    named = (service_of(url, release, objects) for url in urls)
    return tuple(sorted({Permission("get", "services/proxy", found[0]) for found in named if found is not None}))
