"""The questions of a release's spec: where each stands, and how it is told to people.

A place such as `health.checks[0]` is how an action names its question. Nothing is asked here.
"""

from collections.abc import Iterator

from reconciler.plan.change import Action, ActionKind
from reconciler.plan.hide import hidden
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.fields import format_duration
from reconciler.specs.kinds.probes import Probe, PrometheusProbe

HEALTH, SUCCESS, STEPS = "health.checks", "rollback.success", "strategy.canary.checks"


def probe_in(release: Release, place: str) -> Probe:
    """The question at a place of a release's spec, as an action names it. Raises KeyError."""
    found = dict(probes(release))
    return found[place]


def probes(release: Release) -> Iterator[tuple[str, Probe]]:
    """Every question of a release's spec by its place."""
    canary = release.strategy.canary
    steps = (STEPS, canary.checks if canary is not None else ())
    for place, group in ((HEALTH, release.health.checks), (SUCCESS, release.rollback.success), steps):
        for number, probe in enumerate(group):
            yield f"{place}[{number}]", probe


def questions(unit: str, release: Release) -> tuple[Action, ...]:
    """What tells whether the way back of a release succeeded."""
    target = f"cluster/{release.cluster}"
    return tuple(
        Action(id=f"{unit}:{ActionKind.ASK}:{place}", kind=ActionKind.ASK, unit=unit, target=target, probe=place)
        for place, _ in probes(release)
        if place.startswith(SUCCESS)
    )


def words_of(probe: Probe) -> str:
    """What is asked and wanted, in a notation that needs no language; without what stands behind a `?`."""
    if probe.tcp is not None:
        return f"TCP {probe.tcp.address}"
    if probe.http is not None:
        contains = f", {probe.http.contains!r}" if probe.http.contains else ""
        return f"GET {_shown(probe.http.url)}: {probe.http.status}{contains}"
    if probe.prometheus is not None:
        return f"{_shown(probe.prometheus.url)}: {hidden(criterion(probe.prometheus))}"
    assert probe.traffic is not None  # noqa: S101  exactly one of four
    rate, slowest = probe.traffic.min_success_rate, format_duration(probe.traffic.max_p95)
    return f"{probe.traffic.requests} x GET {_shown(probe.traffic.url)}: 2xx >= {rate}, p95 <= {slowest}"


def criterion(probe: PrometheusProbe) -> str:
    """A query with its bounds, as a chain of comparisons."""
    smallest = f"{probe.min:g} <= " if probe.min is not None else ""
    largest = f" <= {probe.max:g}" if probe.max is not None else ""
    return f"{smallest}{' '.join(probe.query.split())}{largest}"


def _shown(url: str) -> str:
    address, mark, _ = url.partition("?")
    return hidden(address) + ("?..." if mark else "")
