"""Who else lives on the same target (G3): environments that share a host, an API server or a namespace.

Reads the accepted and the proposed side together, so that neither renaming an environment nor calling production
`dev` lowers the risk of what is done to it.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from reconciler.names import UnitRef
from reconciler.specs.desired import Desired

NOBODY: Mapping[str, frozenset[str]] = MappingProxyType({})


def addresses(desired: Desired, environment: str, identities: Mapping[str, frozenset[str]] = NOBODY) -> frozenset[str]:
    """What an environment's targets are reached at, and who they are known to be.

    "host:port" and the pinned key of its nodes, "host:port" of its clusters' API servers, and their `identities` (the
    UIDs of kube-system by cluster): neither another name for the same address nor another address lowers anything.
    """
    found: set[str] = set()
    spec = desired.environments.get(environment)
    for node in spec.spec.nodes if spec is not None else ():
        host = desired.hosts.get(node.host)
        if host is not None:
            found |= {
                f"{host.spec.address.lower()}:{host.spec.port}",
                f"key:{' '.join(host.spec.host_key.split()[:2])}",
            }
    for name, cluster in desired.clusters.items():
        if cluster.spec.environment == environment:
            found |= _api_servers(desired, name) | {f"uid:{uid}" for uid in identities.get(name, ())}
    return frozenset(found)


def sharing(
    environment: str, sides: Iterable[Desired], identities: Mapping[str, frozenset[str]] = NOBODY
) -> frozenset[str]:
    """The environment itself and every other that shares a target with it on any side."""
    listed = tuple(sides)
    own = frozenset().union(*(addresses(side, environment, identities) for side in listed))
    found = {environment}
    for side in listed:
        found |= {name for name in side.environments if own & addresses(side, name, identities)}
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


def _api_servers(desired: Desired, cluster: str) -> set[str]:
    """The endpoint's address; of a kubeconfig that says it instead, every address that its credential may reach."""
    spec = desired.clusters[cluster].spec
    credentials = (credential.spec for name, credential in desired.credentials.items() if name == spec.credential)
    listed = [spec.endpoint] if spec.endpoint else [address for one in credentials for address in one.addresses]
    return {_host_and_port(text) for text in listed} or {f"cluster:{cluster}"}


def _host_and_port(text: str) -> str:
    bare = (
        text if "://" in text else f"https://[{text}]" if text.count(":") > 1 and "[" not in text else f"https://{text}"
    )
    parts = urlsplit(bare)
    return f"{(parts.hostname or '').lower()}:{parts.port or 443}"
