"""Connections by name: from a desired state and the vault to KubeApi and HostApi values that are kept and reused.

A connection is made for the spec as it stands in one desired state: another endpoint, key or credential is another
connection. A kubeconfig that leads elsewhere than its Cluster says is refused before anything is sent.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.app.addresses import cluster_address, host_address
from reconciler.app.credentials import Vault, normal_address
from reconciler.canonical import digest_of, keyed_tag
from reconciler.errors import Refused, Rejected
from reconciler.kube.connection import ClientCertificate, Connection, connection
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.plan.change import Plan
from reconciler.ports import HostApi, KubeApi
from reconciler.secret import Secret
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Host
from reconciler.specs.kinds.cluster import AuthType

MakeKube = Callable[[str, Connection], KubeApi]
MakeHost = Callable[[str, Host, Secret], HostApi]
KEY_BEGIN = "-----BEGIN "


@dataclass(slots=True)
class Connections:
    """Open connections, by what they are made of. `close` ends those to hosts."""

    vault: Vault
    make_kube: MakeKube
    make_host: MakeHost
    _kubes: dict[str, KubeApi] = field(default_factory=dict)
    _hosts: dict[str, HostApi] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, desired: Desired) -> "DesiredTargets":
        """The targets as one desired state names them."""
        return DesiredTargets(self, desired)

    def kube(self, desired: Desired, cluster: str) -> KubeApi:
        """A cluster's API. Raises Refused(credential_scope_denied, environment_not_found and so on), Rejected."""
        spec = desired.clusters.get(cluster)
        if spec is None:
            raise Refused(f"connecting to cluster {cluster}: there is no such cluster", key="cluster_not_found")
        credential = desired.credentials.get(spec.spec.credential or "")
        if credential is None:
            raise Refused(f"connecting to cluster {cluster}: it has no credential", key="cluster_connection_not_found")
        address = cluster_address(desired, cluster)
        environment = desired.environments.get(spec.spec.environment)
        if environment is None:  # its spec cannot be read, so nobody knows for whom the credential would be used
            message = f"connecting to cluster {cluster}: its environment {spec.spec.environment} is not there"
            raise Refused(message, key="environment_not_found")
        secret = self.vault.open(credential, address=address, project=environment.spec.project)
        made = self._connection(
            cluster, spec.spec.auth_type, address, spec.spec.endpoint, spec.spec.certificate_authority, secret
        )
        identity = self._identity([cluster, made.endpoint, made.ca_pem], secret)
        with self._lock:
            if identity not in self._kubes:
                self._kubes[identity] = self.make_kube(cluster, made)
            return self._kubes[identity]

    @staticmethod
    def _connection(
        cluster: str, auth: AuthType, address: str, endpoint: str | None, ca_pem: str | None, secret: Secret
    ) -> Connection:
        if auth is AuthType.KUBECONFIG:
            found = parse_kubeconfig(secret.reveal())
            if normal_address(found.endpoint) != address:
                message = f"connecting to cluster {cluster}: its kubeconfig leads elsewhere than {address}"
                raise Rejected(message, key="credential_scope_denied", hint="correct the endpoint or the kubeconfig")
            return found
        if not endpoint or not ca_pem:
            message = f"connecting to cluster {cluster}: {auth.value} needs endpoint and certificateAuthority"
            raise Rejected(message, key="endpoint_invalid")
        if auth is AuthType.CERT_TOKEN:
            token = Secret(secret.reveal().rstrip("\r\n"))  # a file of one line ends with a line break
            return connection(endpoint, ca_pem, token=token)
        chain, _, key = secret.reveal().partition("-----END CERTIFICATE-----\n")
        begin = key.rfind(KEY_BEGIN, 0, key.find("PRIVATE KEY-----"))
        chain_pem = chain + "-----END CERTIFICATE-----\n" + key[:begin]
        return connection(endpoint, ca_pem, certificate=ClientCertificate(chain_pem, Secret(key[begin:])))

    def host(self, desired: Desired, host: str) -> HostApi:
        """A host. Raises Refused where its spec or credential is missing or not for it."""
        spec = desired.hosts.get(host)
        if spec is None:
            raise Refused(f"connecting to host {host}: there is no such host", key="ssh_unreachable")
        credential = desired.credentials.get(spec.spec.credential)
        if credential is None:
            raise Refused(f"connecting to host {host}: it has no credential", key="ssh_auth_failed")
        address = host_address(desired, host)
        secret = self.vault.open(credential, address=address, project=_project(desired, host, credential.spec.project))
        identity = self._identity([host, spec.spec.model_dump(mode="json")], secret)
        with self._lock:
            if identity not in self._hosts:
                self._hosts[identity] = self.make_host(host, spec.spec, secret)
            return self._hosts[identity]

    def _identity(self, made_of: list[Any], secret: Secret) -> str:
        """What a connection is made of; keyed, so that a dump of the names lets nobody guess a short password."""
        key = self.vault.keys.hmac
        return digest_of("connection", [*made_of, keyed_tag(key, secret.reveal())])

    def close(self) -> None:
        """End the connections to hosts."""
        with self._lock:
            for api in self._hosts.values():
                api.close()
            self._hosts.clear()
            self._kubes.clear()


@dataclass(frozen=True, slots=True)
class DesiredTargets:
    """ports.Targets of one desired state."""

    connections: Connections
    desired: Desired

    def kube(self, cluster: str) -> KubeApi:
        """A cluster's API, by the name of its spec."""
        return self.connections.kube(self.desired, cluster)

    def host(self, host: str) -> HostApi:
        """A host, by the name of its spec."""
        return self.connections.host(self.desired, host)


def _project(desired: Desired, host: str, own: str) -> str:
    """Whose use of a host it is: of its credential's project, unless an environment of another project has the host."""
    users = {env.spec.project for env in desired.environments.values() if any(n.host == host for n in env.spec.nodes)}
    return min(users - {own}, default=own)


def replaceable(side_of: Callable[[str], Desired], plan: Plan) -> bool:
    """Whether another secret can take a credential's place without a commit: then a rollout waits for it (F15).

    One that is sealed in Git comes with a commit, and no commit passes while the rollout waits: that is a failure.
    `side_of`: whose spec of a cluster is used.
    """
    targets = (action.target.partition("/") for batch in plan.batches for action in batch)
    sides = {name: side_of(name) for name in {name for kind, _, name in targets if kind == "cluster"}}
    specs = [(side, side.clusters[name].spec) for name, side in sides.items() if name in side.clusters]
    held = [side.credentials.get(spec.credential or "") for side, spec in specs]
    return bool(held) and all(one is not None and one.spec.age is None for one in held)
