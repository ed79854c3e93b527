"""Whom a release asks for numbers: a Service of its own cluster, reached through the API server's proxy.

Anything else would be asked from where the reconciler stands, with what is reachable there. Rule: another address is
a problem with a place.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.colours import service_of
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.probes import Probe
from reconciler.specs.spec import Spec

HINT = "name it as http://SERVICE.NAMESPACE.svc:PORT"
Steps = tuple[str | int, ...]


def check_metrics(release: Spec[Release], objects: Iterable[Mapping[str, Any]], problems: list[Problem]) -> None:
    """Add the questions to `problems` whose Prometheus is no Service of the release's cluster."""
    known = list(objects)
    for steps, probe in _probes(release.spec):
        if probe.prometheus is not None and service_of(probe.prometheus.url, release, known) is None:
            place = release.place_of(*steps, "prometheus", "url")
            message = "Prometheus is asked as a Service of the release's cluster only, and this names none"
            problems.append(Problem(place, VALIDATION, message, HINT))


def _probes(release: Release) -> Iterator[tuple[Steps, Probe]]:
    canary = release.strategy.canary
    groups: tuple[tuple[Steps, tuple[Probe, ...]], ...] = (
        (("health", "checks"), release.health.checks),
        (("rollback", "success"), release.rollback.success),
        (("strategy", "canary", "checks"), canary.checks if canary is not None else ()),
    )
    for steps, group in groups:
        for number, probe in enumerate(group):
            yield (*steps, number), probe
