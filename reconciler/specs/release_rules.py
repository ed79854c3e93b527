"""Rules of releases that hold between specs: the place they go to fits them, and their order has no circle."""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from reconciler.specs.complaint import Complaint
from reconciler.specs.desired import Desired
from reconciler.specs.finding import CONFLICT
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.environment import RuntimeType
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.kinds.strategy import StrategyType
from reconciler.specs.objects import identity, object_ref
from reconciler.specs.spec import Spec

RUNTIMES: Mapping[SourceKind, frozenset[RuntimeType]] = MappingProxyType(
    {
        SourceKind.COMPOSE: frozenset({RuntimeType.COMPOSE, RuntimeType.HYBRID}),
        SourceKind.MANIFESTS: frozenset({RuntimeType.K8S, RuntimeType.HYBRID}),
        SourceKind.KUSTOMIZE: frozenset({RuntimeType.K8S, RuntimeType.HYBRID}),
        SourceKind.HELM: frozenset({RuntimeType.K8S, RuntimeType.HYBRID}),
    }
)
MOST_CIRCLES = 20  # told of in one knot: finding each may mean a look at every release of it
MOST_NAMES = 20  # of a circle
ON_COMPOSE = frozenset({StrategyType.ROLLING, StrategyType.RECREATE})


def release_rules(release: Spec[Release], desired: Desired) -> Iterator[Complaint]:
    """Environment, cluster, service and dependencies fit the release."""
    spec = release.spec
    environment = desired.environments.get(spec.environment)
    if environment is None:
        return
    yield from _runtime_rules(release, environment)
    cluster = desired.clusters.get(spec.cluster or "")
    if cluster is not None and cluster.spec.environment != spec.environment:
        message = (
            f"the cluster {cluster.name} belongs to environment {cluster.spec.environment}, not {spec.environment}"
        )
        yield Complaint(release, ("cluster",), message)
    service = desired.services.get(spec.service or "")
    if service is not None and service.spec.project != environment.spec.project:
        message = (
            f"the service {service.name} belongs to project {service.spec.project},"
            f" and {environment.name} to {environment.spec.project}"
        )
        yield Complaint(release, ("service",), message, key="project_scope_denied")
    if service is not None and service.spec.runtime_type not in RUNTIMES[spec.source.type] | {RuntimeType.HYBRID}:
        message = f"the service {service.name} runs on {service.spec.runtime_type}, not from {spec.source.type}"
        yield Complaint(release, ("source", "type"), message)
    for number, name in enumerate(spec.depends_on):
        other = desired.releases.get(name)
        if other is not None and other.spec.environment != spec.environment:
            message = f"the release {name} is in environment {other.spec.environment}, not {spec.environment}"
            yield Complaint(release, ("dependsOn", number), message)


def _runtime_rules(release: Spec[Release], environment: Spec[Environment]) -> Iterator[Complaint]:
    spec, runtime = release.spec, environment.spec.runtime_type
    if runtime not in RUNTIMES[spec.source.type]:
        message = f"{environment.name} is a {runtime} environment and cannot run {spec.source.type}"
        yield Complaint(release, ("source", "type"), message)
    if spec.source.type is SourceKind.COMPOSE and spec.strategy.type not in ON_COMPOSE:
        yield Complaint(release, ("strategy", "type"), f"compose knows {' and '.join(sorted(ON_COMPOSE))} only")


def circles(desired: Desired) -> Iterator[Complaint]:
    """Circles of dependencies, each as a path, said of its first release by name; some of each knot where many meet."""
    edges = {name: set(release.spec.depends_on) & desired.releases.keys() for name, release in desired.releases.items()}
    for knot in _knots(edges):
        told: set[str] = set()
        inner = {name: edges[name] & knot for name in knot}
        for start in islice((name for name in sorted(knot) if name not in told), MOST_CIRCLES):
            path = _circle_from(start, inner)
            if path:
                told.update(path)
                release = desired.releases[start]
                number = release.spec.depends_on.index(path[1])
                message = f"releases wait for each other: {_shown(path)}"
                yield Complaint(release, ("dependsOn", number), message, "take one of them out")


def _knots(edges: Mapping[str, set[str]]) -> Iterator[frozenset[str]]:
    """Sets of names that all lead to each other, in time that grows with names and edges only (Kosaraju's way)."""
    back: dict[str, set[str]] = {name: set() for name in edges}
    for name, following in edges.items():
        for other in following:
            back[other].add(name)
    taken: set[str] = set()
    for name in reversed(_finished(edges)):
        if name not in taken:
            knot = {name}
            waiting = [name]
            while waiting:
                found = back[waiting.pop()] - taken - knot
                knot |= found
                waiting.extend(found)
            taken |= knot
            if len(knot) > 1 or name in edges[name]:
                yield frozenset(knot)


def _finished(edges: Mapping[str, set[str]]) -> list[str]:
    """Names in the order in which a walk into the depth leaves them."""
    left: list[str] = []
    seen: set[str] = set()
    for start in edges:
        way = [(start, iter(edges[start]))] if start not in seen else []
        seen.add(start)
        while way:
            name, following = way[-1]
            other = next((other for other in following if other not in seen), None)
            if other is None:
                left.append(name)
                way.pop()
            else:
                seen.add(other)
                way.append((other, iter(edges[other])))
    return left


def _shown(path: list[str]) -> str:
    middle = len(path) - MOST_NAMES
    parts = path if middle <= 1 else [*path[: MOST_NAMES // 2], f"{middle} more", *path[-MOST_NAMES // 2 :]]
    return " -> ".join(parts)


def _circle_from(start: str, edges: Mapping[str, set[str]]) -> list[str] | None:
    """The shortest way from a release back to itself, both ends named."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for following in sorted(edges[name]):
            if following == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return [*reversed(way), start]
            if following not in came_from:
                came_from[following] = name
                waiting.append(following)
    return None


def shared_objects(desired: Desired) -> Iterator[Complaint]:
    """No object is said by two releases of one cluster."""
    first: dict[tuple[str, tuple[str, str, str, str]], str] = {}
    for name in sorted(desired.sources):
        release = desired.releases[name]
        for item in desired.sources[name].objects:
            other = first.setdefault((release.spec.cluster or "", identity(item)), name)
            if other != name:
                message = f"{object_ref(item)} is also in the release {other} of the same cluster"
                yield Complaint(release, ("source", "path"), message, "keep it in one of them", CONFLICT)
                yield Complaint(
                    desired.releases[other],
                    ("source", "path"),
                    f"{object_ref(item)} is also in the release {name}",
                    "",
                    CONFLICT,
                )
