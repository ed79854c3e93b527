"""Which addresses a desired state reaches, and which of them may be reached (contracts: gate.md, G4).

A preview connects only to addresses that are accepted: of accepted specs, of reconciler.toml, or accepted by the
approval of a static preview. Knows no connection. A place is "host:port", lower case; an address is a place with the
pin of who has to answer there, a host key or a certificate authority, so that another key is another target. A
kubeconfig holds its authority inside; the UID that is recorded at its first connection stands for that.
"""

import hashlib
from collections.abc import Callable, Iterable, Set

from reconciler.app.credentials import normal_address
from reconciler.errors import Rejected
from reconciler.names import UnitKind, UnitRef
from reconciler.specs.desired import Desired


def cluster_address(desired: Desired, cluster: str) -> str:
    """The API server's address: the endpoint, else the only address of its credential. Raises Rejected."""
    spec = desired.clusters[cluster].spec
    if spec.endpoint:
        return normal_address(spec.endpoint)
    credential = desired.credentials.get(spec.credential or "")
    if credential is not None and len(credential.spec.addresses) == 1:
        text = credential.spec.addresses[0]
        return normal_address(text if "://" in text else f"https://{text}")
    raise Rejected(
        f"connecting to cluster {cluster}: it names no endpoint",
        key="endpoint_invalid",
        hint="set endpoint, or give its credential exactly one address",
    )


def host_address(desired: Desired, host: str) -> str:
    """A host's address and port."""
    spec = desired.hosts[host].spec
    bare = f"[{spec.address}]" if ":" in spec.address else spec.address
    return f"{bare.lower()}:{spec.port}"


def clusters_and_hosts(desired: Desired, units: Iterable[UnitRef]) -> tuple[set[str], set[str]]:
    """The clusters and hosts that units of a desired state live on. Platform clusters are reached by their install."""
    clusters: set[str] = set()
    hosts: set[str] = set()
    for ref in units:
        if ref.kind is UnitKind.RELEASE and ref.name in desired.releases:
            cluster = desired.releases[ref.name].spec.cluster
            if cluster is not None and cluster in desired.clusters:
                clusters.add(cluster)
        elif ref.kind is UnitKind.CLUSTER and ref.name in desired.clusters:
            clusters.add(ref.name)
        elif ref.kind is UnitKind.ENVIRONMENT and ref.name in desired.environments:
            environment = desired.environments[ref.name].spec
            if environment.mode.value == "platform_managed":
                hosts |= {node.host for node in environment.nodes if node.host in desired.hosts}
    return {name for name in clusters if not platform_created(desired, name)}, hosts


def platform_created(desired: Desired, cluster: str) -> bool:
    """Whether a cluster is installed by us."""
    return desired.clusters[cluster].spec.source_type.value == "platform_created"


def reached(
    desired: Desired, units: Iterable[UnitRef], side_of: Callable[[str], Desired] | None = None
) -> frozenset[str]:
    """Every address that looking at these units would connect to. Raises Rejected(endpoint_invalid).

    `side_of`: whose spec of a cluster is used, where that is not the desired state itself.
    """
    clusters, hosts = clusters_and_hosts(desired, units)
    found = {pinned_cluster(side_of(name) if side_of is not None else desired, name) for name in clusters}
    return frozenset(found | {_pinned_host(desired, name) for name in hosts})


def pinned_cluster(desired: Desired, cluster: str) -> str:
    """The address of an API server: its place, with the authority that its spec names. Raises Rejected."""
    return _pinned(
        cluster_address(desired, cluster), (desired.clusters[cluster].spec.certificate_authority or "").split()
    )


def _pinned_host(desired: Desired, host: str) -> str:
    return _pinned(host_address(desired, host), desired.hosts[host].spec.host_key.split()[:2])


def _pinned(place: str, pin: Iterable[str]) -> str:
    text = " ".join(pin)
    return f"{place} sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}" if text else place


def new_targets(wanted: Set[str], known: Set[str], listed: Set[str]) -> frozenset[str]:
    """The addresses that nobody accepted: `known` are accepted ones, `listed` the places of reconciler.toml.

    A place that is listed is accepted with whatever pin comes first; with another one it is a new target.
    """
    taken = {_place(address) for address in known}
    return frozenset(address for address in wanted - known if _place(address) in taken or _place(address) not in listed)


def _place(address: str) -> str:
    return address.partition(" ")[0]
