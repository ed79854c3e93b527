"""Looks at the targets of a plan, in parallel, as values. A target that is away is a Failure, never an empty one.

A dry run is an observation: what it answers is compared by the core. Looking changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from reconciler.errors import ReconcilerError
from reconciler.ports import DesiredObjects, Targets
from reconciler.state.observed import Failure, Observed, ObservedCluster, ObservedHost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at: releases by cluster (none: only the connection), and hosts; each with the targets to use."""

    clusters: Mapping[str, tuple[Targets, tuple[DesiredObjects, ...]]]
    hosts: Mapping[str, Targets]


def observe(environment: str, wanted: Wanted, at: datetime, workers: int) -> Observed:
    """One look at everything wanted. `at`: when it begins."""
    jobs: list[tuple[str, str]] = [
        *(("cluster", name) for name in wanted.clusters),
        *(("host", n) for n in wanted.hosts),
    ]
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(jobs) or 1))) as pool:
        clusters = {
            name: pool.submit(_cluster, name, targets, releases)
            for name, (targets, releases) in wanted.clusters.items()
        }
        hosts = {name: pool.submit(_host, name, targets) for name, targets in wanted.hosts.items()}
        return Observed(
            environment,
            at,
            {name: job.result() for name, job in clusters.items()},
            {name: job.result() for name, job in hosts.items()},
        )


def _cluster(name: str, targets: Targets, releases: Sequence[DesiredObjects]) -> ObservedCluster:
    def look() -> ObservedCluster:
        api = targets.kube(name)
        facts = api.facts()
        connected = ObservedCluster(
            name,
            uid=facts.uid,
            endpoint=facts.endpoint,
            server_version=facts.server_version,
            namespaces=facts.namespaces,
            missing_permissions=facts.missing_permissions,
            endings=facts.endings,
        )
        return _or(
            lambda: replace(connected, releases=api.observe(releases, rights=True) if releases else {}),
            lambda failure: replace(connected, failure=failure),
        )

    return _or(look, lambda failure: ObservedCluster(name, failure=failure))


def _host(name: str, targets: Targets) -> ObservedHost:
    return _or(lambda: targets.host(name).observe(), lambda failure: ObservedHost(name, failure=failure))


def _or(look: Callable[[], T], away: Callable[[Failure], T]) -> T:
    try:
        return look()
    except ReconcilerError as error:
        return away(Failure(error.key, error.message))
