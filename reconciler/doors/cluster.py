"""One cluster's connection for doors: who it is and what our credential may do there. Needs the reconciler's keys."""

from reconciler.app.addresses import pinned_cluster, platform_created
from reconciler.app.wiring import Assembly
from reconciler.doors.reading import Json
from reconciler.errors import Refused


def test(assembly: Assembly, name: str) -> Json:
    """Connect as the reconciler does, and only where it may (G4). Raises what connecting raises."""
    refs = assembly.mirror.refs()
    tip = refs.get(f"refs/heads/{assembly.settings.branch}")
    if tip is None:
        raise Refused(f"reading branch {assembly.settings.branch}: there is none", key="validation_error")
    desired = assembly.planner.desires.at(tip).desired
    if name not in desired.clusters:
        raise Refused(
            f"connecting to cluster {name[:80]}: there is no such cluster on {assembly.settings.branch}",
            key="cluster_not_found",
            hint="`reconciler get cluster` lists them",
        )
    if platform_created(desired, name):
        raise Refused(
            f"connecting to cluster {name}: its install creates it; no connection is recorded yet",
            key="cluster_connection_not_found",
        )
    address = pinned_cluster(desired, name)
    if assembly.planner.new_targets(frozenset({address})):
        raise Refused(
            f"connecting to cluster {name}: nobody accepted its address {address} yet",
            key="credential_scope_denied",
            hint="have its pull request approved, or list it under accepted_addresses in reconciler.toml",
        )
    facts = assembly.connections.of(desired).kube(name).facts()
    recorded = assembly.journal.ledger.clusters.get(name, "")
    return {
        "cluster": name,
        "endpoint": facts.endpoint,
        "uid": facts.uid,
        "recorded_uid": recorded,
        "same_cluster": not recorded or recorded == facts.uid,
        "server_version": facts.server_version,
        "namespaces": list(facts.namespaces),
        "missing_permissions": list(facts.missing_permissions),
    }
