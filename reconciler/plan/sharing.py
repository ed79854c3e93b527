"""Who else lives on the same target (G3): environments that share a host, an API server or a namespace.

Reads the accepted and the proposed side together, so that neither renaming an environment nor calling production
`dev` lowers the risk of what is done to it.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from reconciler.names import POLICY, UnitRef
from reconciler.specs.desired import Desired


def addresses(desired: Desired, environment: str) -> frozenset[str]:
    """What an environment's targets are reached at: "host:port" of its nodes and of its clusters' API servers."""
    found: set[str] = set()
    spec = desired.environments.get(environment)
    for node in spec.spec.nodes if spec is not None else ():
        host = desired.hosts.get(node.host)
        if host is not None:
            found.add(f"{host.spec.address.lower()}:{host.spec.port}")
    for name, cluster in desired.clusters.items():
        if cluster.spec.environment == environment:
            found.add(_api_server(cluster.spec.endpoint) or f"credential:{cluster.spec.credential or name}")
    return frozenset(found)


def sharing(environment: str, sides: Iterable[Desired]) -> frozenset[str]:
    """The environment itself and every other that shares an address with it on any side."""
    if environment == POLICY:
        return frozenset({POLICY})
    listed = tuple(sides)
    own = frozenset().union(*(addresses(side, environment) for side in listed))
    found = {environment}
    for side in listed:
        found |= {name for name in side.environments if own & addresses(side, name)}
    return frozenset(found)


def tiers(environments: Iterable[str], sides: Iterable[Desired]) -> frozenset[str]:
    """Every tier that any side gives any of the environments."""
    names = tuple(environments)
    return frozenset(
        side.environments[name].spec.tier.value for side in sides for name in names if name in side.environments
    )


def scopes(environments: Iterable[str], sides: Iterable[Desired]) -> tuple[tuple[str, str, str], ...]:
    """Every (project, team, environment) that any side gives any of the environments, sorted."""
    names = tuple(environments)
    return tuple(
        sorted(
            {
                (side.environments[name].spec.project, side.environments[name].spec.team, name)
                for side in sides
                for name in names
                if name in side.environments
            }
        )
    )


def by_environment(units: Iterable[UnitRef], owners: Iterable[tuple[UnitRef, str]]) -> dict[str, tuple[UnitRef, ...]]:
    """Units grouped by environment, names sorted. `owners` says the environment of each unit; the last word counts."""
    environment_of = dict(owners)
    grouped: dict[str, list[UnitRef]] = {}
    for ref in sorted(units):
        grouped.setdefault(environment_of[ref], []).append(ref)
    return {name: tuple(refs) for name, refs in sorted(grouped.items())}


def _api_server(endpoint: str | None) -> str:
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    return f"{(parts.hostname or '').lower()}:{parts.port or 443}"
