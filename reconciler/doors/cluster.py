"""One cluster's connection for doors: who it is, what our credential may do there, and until when. Needs our keys."""

from datetime import datetime

from reconciler.app import wants
from reconciler.app.addresses import pinned_cluster, platform_created
from reconciler.app.wiring import Assembly
from reconciler.doors.reading import Json
from reconciler.errors import Refused
from reconciler.plan.change import Check, Severity
from reconciler.plan.connections import NOT_NEEDED, ending_checks, version_checks
from reconciler.ports import DesiredObjects, KubeApi
from reconciler.specs.desired import Desired
from reconciler.state.observed import ObservedCluster


def test(assembly: Assembly, name: str) -> Json:
    """Connect as the reconciler does, and only where it may (G4). Raises what connecting raises."""
    desired = _desired(assembly, name)
    api = _reached(assembly, desired, name)
    facts = api.facts()
    recorded = assembly.journal.ledger.clusters.get(name, "")
    lacking = api.lacking(_wanted(desired, name)) if not recorded or recorded == facts.uid else {}
    told = {right.words for found in lacking.values() for right in found}
    seen = ObservedCluster(name, endings=facts.endings)
    renew_before = desired.clusters[name].spec.certificates.renew_before
    checks = [
        *version_checks(name, facts.server_version, connecting=True),
        *ending_checks(seen, renew_before, assembly.clock.now()),
    ]
    return {
        "cluster": name,
        "endpoint": facts.endpoint,
        "uid": facts.uid,
        "recorded_uid": recorded,
        "same_cluster": not recorded or recorded == facts.uid,
        "server_version": facts.server_version,
        "namespaces": list(facts.namespaces),
        "missing_permissions": sorted({*facts.missing_permissions, *told} - NOT_NEEDED),
        "ends": {ending.what: _time(ending.at) for ending in facts.endings},
        "errors": _messages(checks, Severity.ERROR),
        "warnings": [
            *_messages(checks, Severity.WARNING),
            *(f"the credential may not {words}" for words in sorted(NOT_NEEDED & {*facts.missing_permissions})),
        ],
    }


def certs(assembly: Assembly, name: str) -> list[Json]:
    """Until when each part of a connection is good, the soonest first. Raises what connecting raises."""
    desired = _desired(assembly, name)
    facts = _reached(assembly, desired, name).facts()
    renew_before = desired.clusters[name].spec.certificates.renew_before
    now = assembly.clock.now()
    return [
        {
            "cluster": name,
            "what": ending.what,
            "ends": _time(ending.at),
            "days": (ending.at - now).days,
            "renew": ending.at - now <= renew_before,
        }
        for ending in facts.endings
    ]


def _desired(assembly: Assembly, name: str) -> Desired:
    """What the tracked branch says, where it has this cluster and the cluster may be connected to."""
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
    return desired


def _reached(assembly: Assembly, desired: Desired, name: str) -> KubeApi:
    address = pinned_cluster(desired, name)
    if assembly.planner.new_targets(frozenset({address})):
        raise Refused(
            f"connecting to cluster {name}: nobody accepted its address {address} yet",
            key="credential_scope_denied",
            hint="have its pull request approved, or list it under accepted_addresses in reconciler.toml",
        )
    return assembly.connections.of(desired).kube(name)


def _wanted(desired: Desired, cluster: str) -> list[DesiredObjects]:
    """What the releases on a cluster want there."""
    return [
        wants.of_release(name, release.spec, release, desired.sources[name])
        for name, release in sorted(desired.releases.items())
        if release.spec.cluster == cluster and name in desired.sources and not release.spec.suspend
    ]


def _messages(checks: list[Check], severity: Severity) -> list[str]:
    return [check.message for check in checks if check.severity is severity]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
