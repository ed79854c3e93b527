"""Who a cluster is, what our credential may do there whatever is released, and how long its certificates last.

The identity is the UID of kube-system, which lives as long as the cluster. What is asked for is what every look and
every apply needs (BASE) and what the connection's owner names beside it; each missing permission is told by name. What
the releases need is asked where they are looked at (permissions.py).
"""

from collections.abc import Iterable

from reconciler.errors import Rejected
from reconciler.kube.client import Client
from reconciler.kube.endings import endings
from reconciler.kube.lists import list_all
from reconciler.kube.permissions import Need, missing
from reconciler.ports import ClusterFacts

NAMESPACES = "/api/v1/namespaces"


def base_needs(parent_namespace: str) -> tuple[Need, ...]:
    """What keeping generations needs, whatever is released."""
    return tuple(Need(verb, "configmaps", parent_namespace) for verb in ("get", "list", "create", "update"))


def facts(client: Client, needs: Iterable[Need]) -> ClusterFacts:
    """Identity, version, namespaces and missing permissions. Raises Rejected where the identity cannot be read."""
    uid = client.get(f"{NAMESPACES}/kube-system", "reading the cluster's identity (namespace kube-system)")
    version = client.get("/version", "reading the cluster's version")
    namespaces, unlisted = _namespaces(client)
    return ClusterFacts(
        uid=uid["metadata"]["uid"],
        endpoint=client.endpoint,
        server_version=str(version.get("gitVersion", "")),
        namespaces=namespaces,
        missing_permissions=tuple(sorted([*unlisted, *map(str, missing(client, needs))])),
        endings=endings(client.connection, client.serving_certificate),
    )


def _namespaces(client: Client) -> tuple[tuple[str, ...], list[str]]:
    """All namespaces; a credential that may not list them sees none, and that is said."""
    try:
        bodies = list_all(client, NAMESPACES, {}, "listing namespaces")
    except Rejected as error:
        if error.key != "cluster_permission_insufficient":
            raise
        return (), [str(Need("list", "namespaces"))]
    return tuple(sorted(body["metadata"]["name"] for body in bodies)), []
