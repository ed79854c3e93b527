"""Rules of hosts, nodes, clusters and virtual IPs that hold before anything is connected to.

Knows resolved specs; connects to nothing and looks nothing up. Each rule yields complaints; resolve.py places them.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from reconciler.specs.addresses import allows, same_spelling
from reconciler.specs.complaint import Complaint
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import AnySpec, Cluster, Credential, Environment, Host
from reconciler.specs.kinds.cluster import AuthType, LvsVip, SourceType
from reconciler.specs.kinds.credential import CredentialType
from reconciler.specs.kinds.environment import Mode, NodeRole, RuntimeType
from reconciler.specs.kinds.probes import Webhook
from reconciler.specs.references import Steps
from reconciler.specs.spec import Spec

ROLES: Mapping[RuntimeType, frozenset[NodeRole]] = MappingProxyType(
    {
        RuntimeType.K8S: frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER}),
        RuntimeType.COMPOSE: frozenset({NodeRole.COMPOSE_MANAGER, NodeRole.COMPOSE_WORKER}),
        RuntimeType.HYBRID: frozenset(NodeRole),
    }
)
CREDENTIAL_OF: Mapping[AuthType, CredentialType] = MappingProxyType(
    {
        AuthType.KUBECONFIG: CredentialType.KUBECONFIG,
        AuthType.CERT_TOKEN: CredentialType.TOKEN,
        AuthType.CERT_KEY: CredentialType.CERT_BUNDLE,
    }
)
LOGIN = frozenset({CredentialType.SSH_KEY, CredentialType.PASSWORD})
DENIED = "credential_scope_denied"


def node_rules(environment: Spec[Environment]) -> Iterator[Complaint]:
    """Roles fit the runtime, no host stands twice, and there are enough of each."""
    spec = environment.spec
    seen: dict[str, int] = {}
    for number, node in enumerate(spec.nodes):
        if node.role not in ROLES[spec.runtime_type]:
            allowed = " or ".join(role for role in NodeRole if role in ROLES[spec.runtime_type])
            message = f"{node.role} is no role of a {spec.runtime_type} environment"
            yield Complaint(environment, ("nodes", number, "role"), message, allowed, "node_role_invalid")
        if node.host in seen:
            message = f"the host {node.host} stands twice, first as node {seen[node.host] + 1}"
            yield Complaint(environment, ("nodes", number, "host"), message, key="node_role_invalid")
        seen.setdefault(node.host, number)
    yield from _enough_nodes(environment)


def _enough_nodes(environment: Spec[Environment]) -> Iterator[Complaint]:
    spec = environment.spec
    count = Counter(node.role for node in spec.nodes)
    on_k8s = spec.runtime_type in (RuntimeType.K8S, RuntimeType.HYBRID)
    on_compose = spec.runtime_type in (RuntimeType.COMPOSE, RuntimeType.HYBRID)
    if on_k8s and not count[NodeRole.CONTROL_PLANE] and (spec.mode is Mode.PLATFORM_MANAGED or count[NodeRole.WORKER]):
        message = "a Kubernetes environment needs at least one node with role control_plane"
        yield Complaint(environment, ("nodes",), message, key="insufficient_nodes")
    if on_compose and count[NodeRole.COMPOSE_MANAGER] != 1:
        message = f"a compose environment needs one compose_manager and has {count[NodeRole.COMPOSE_MANAGER]}"
        yield Complaint(environment, ("nodes",), message, key="insufficient_nodes")
    pods, services = ipaddress.ip_network(spec.install.pod_cidr), ipaddress.ip_network(spec.install.service_cidr)
    if pods.overlaps(services):
        yield Complaint(environment, ("install", "serviceCidr"), f"{services} overlaps the network of the pods, {pods}")


def access_rules(environment: Spec[Environment], desired: Desired) -> Iterator[Complaint]:
    """Credentials of an environment's hosts and alerts belong to its project and to their addresses."""
    for number, node in enumerate(environment.spec.nodes):
        host = desired.hosts.get(node.host)
        credential = desired.credentials.get(host.spec.credential) if host is not None else None
        if credential is not None:
            yield from _of_project(environment, ("nodes", number, "host"), credential, environment)
    for number, alert in enumerate(environment.spec.monitoring.alerts):
        steps: Steps = ("monitoring", "alerts", number)
        yield from webhook_rules(environment, steps, alert, desired)
        credential = desired.credentials.get(alert.credential or "")
        if credential is not None:
            yield from _of_project(environment, (*steps, "credential"), credential, environment)


def webhook_rules(spec: Spec[AnySpec], steps: Steps, webhook: Webhook, desired: Desired) -> Iterator[Complaint]:
    """A webhook's credential is a token for its address."""
    credential = desired.credentials.get(webhook.credential or "")
    if credential is not None:
        yield from _of_type(spec, (*steps, "credential"), credential, frozenset({CredentialType.TOKEN}))
        yield from _for_address(spec, (*steps, "url"), credential, webhook.url)


def host_rules(host: Spec[Host], desired: Desired) -> Iterator[Complaint]:
    """A host's credential logs in, there."""
    credential = desired.credentials.get(host.spec.credential)
    if credential is not None:
        yield from _of_type(host, ("credential",), credential, LOGIN)
        yield from _for_address(host, ("address",), credential, host.spec.address, host.spec.port)


def cluster_rules(cluster: Spec[Cluster], desired: Desired) -> Iterator[Complaint]:
    """A cluster fits its environment, and its credentials fit it."""
    spec = cluster.spec
    environment = desired.environments.get(spec.environment)
    if environment is None:
        return
    if environment.spec.runtime_type is RuntimeType.COMPOSE:
        message = f"{environment.name} is a compose environment and has no cluster"
        yield Complaint(cluster, ("environment",), message, key="endpoint_invalid")
    if spec.source_type is SourceType.PLATFORM_CREATED and environment.spec.mode is not Mode.PLATFORM_MANAGED:
        message = f"a platform_created cluster needs a platform_managed environment, and {environment.name} is not"
        yield Complaint(cluster, ("sourceType",), message, "use external_imported")
    credential = desired.credentials.get(spec.credential or "")
    if credential is not None:
        yield from _of_project(cluster, ("credential",), credential, environment)
        yield from _of_type(cluster, ("credential",), credential, frozenset({CREDENTIAL_OF[spec.auth_type]}))
        if spec.endpoint is not None:
            yield from _for_address(cluster, ("endpoint",), credential, spec.endpoint)
    if spec.network_entry.lvs_vip is not None:
        yield from _vip_rules(cluster, spec.network_entry.lvs_vip, environment, desired)


VIP: Steps = ("networkEntry", "lvsVip")


def _vip_rules(
    cluster: Spec[Cluster], vip: LvsVip, environment: Spec[Environment], desired: Desired
) -> Iterator[Complaint]:
    password = desired.credentials.get(vip.auth_credential)
    if password is not None:
        yield from _of_project(cluster, (*VIP, "authCredential"), password, environment)
        yield from _of_type(cluster, (*VIP, "authCredential"), password, frozenset({CredentialType.PASSWORD}))
    if len(set(vip.backend_nodes)) < 2 or len(set(vip.backend_nodes)) < len(vip.backend_nodes):
        message = "at least two different hosts are needed behind a virtual IP, each once"
        yield Complaint(cluster, (*VIP, "backendNodes"), message, key="backend_nodes_invalid")
    network = ipaddress.ip_network(f"{vip.address}/{vip.prefix}", strict=False)
    members = {node.host for node in environment.spec.nodes}
    for number, name in enumerate(vip.backend_nodes):
        host = desired.hosts.get(name)
        if host is not None and name not in members:
            message = f"{name} is no node of {environment.name}"
            yield Complaint(cluster, (*VIP, "backendNodes", number), message, key="backend_nodes_invalid")
        if host is not None and (address := _ip(host.spec.address)) is not None and address not in network:
            message = f"{name} ({address}) is not in the virtual IP's network {network}"
            yield Complaint(cluster, (*VIP, "backendNodes", number), message, key="backend_nodes_invalid")


def vip_hosts(desired: Desired) -> Iterator[Complaint]:
    """No virtual IP is a host's address."""
    named: dict[str, list[str]] = {}
    for host in desired.hosts.values():
        named.setdefault(same_spelling(host.spec.address), []).append(host.name)
    for cluster in desired.clusters.values():
        vip = cluster.spec.network_entry.lvs_vip
        if vip is None or cluster.spec.environment not in desired.environments:
            continue
        for name in named.get(same_spelling(vip.address), ()):
            message = f"{vip.address} is the address of the host {name}"
            yield Complaint(cluster, (*VIP, "address"), message, key="vip_conflict")


def vip_conflicts(desired: Desired) -> Iterator[Complaint]:
    """No two clusters share a virtual IP, a router id in one network, or an environment with another's virtual IP."""
    taken: dict[tuple[str, str], str] = {}
    for cluster in sorted(desired.clusters.values(), key=lambda cluster: cluster.name):
        vip = cluster.spec.network_entry.lvs_vip
        if vip is None:
            continue
        network = ipaddress.ip_network(f"{vip.address}/{vip.prefix}", strict=False)
        for claim, steps, message, key in (
            (("address", vip.address), "address", f"{vip.address} is the virtual IP of", "vip_conflict"),
            (
                ("environment", cluster.spec.environment),
                "address",
                "the environment has the virtual IP of",
                "vip_conflict",
            ),
            (
                ("router", f"{network} {vip.virtual_router_id}"),
                "virtualRouterId",
                f"router id {vip.virtual_router_id} in {network} is taken by",
                "keepalived_config_invalid",
            ),
        ):
            other = taken.setdefault(claim, cluster.name)
            if other != cluster.name:
                yield Complaint(cluster, (*VIP, steps), f"{message} cluster {other}", key=key)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _of_project(
    spec: Spec[Environment] | Spec[Cluster], steps: Steps, credential: Spec[Credential], environment: Spec[Environment]
) -> Iterator[Complaint]:
    if credential.spec.project != environment.spec.project:
        message = (
            f"the credential {credential.name} belongs to project {credential.spec.project},"
            f" and {environment.name} to {environment.spec.project}"
        )
        yield Complaint(spec, steps, message, "give the project a credential of its own", DENIED)


def _of_type(
    spec: Spec[AnySpec], steps: Steps, credential: Spec[Credential], wanted: frozenset[CredentialType]
) -> Iterator[Complaint]:
    if credential.spec.type not in wanted:
        types = " or ".join(sorted(wanted))
        yield Complaint(spec, steps, f"the credential {credential.name} is a {credential.spec.type}; needed is {types}")


def _for_address(
    spec: Spec[AnySpec], steps: Steps, credential: Spec[Credential], address: str, port: int | None = None
) -> Iterator[Complaint]:
    if not allows(credential.spec.addresses, address, port):
        where = f"{address}:{port}" if port is not None else address
        message = f"the credential {credential.name} may not be used for {where}"
        yield Complaint(spec, steps, message, f"list the address in Credential/{credential.name}", DENIED)
