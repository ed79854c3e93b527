"""Makes one environment's plan out of values: units, desired states, what was observed (contracts: gate.md, G6-G10).

The digest covers content only: artifacts, changed spec fields, ordered actions and the observed state that they
touch. Times, commit ids, tool versions and bookkeeping are added after hashing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.canonical import digest_of
from reconciler.errors import Refused
from reconciler.names import POLICY, ObjectRef, UnitKind, UnitRef
from reconciler.plan import connections, guards, healing, helm, unsupported
from reconciler.plan.ask import PlanAsk, Side
from reconciler.plan.change import (
    PRIORITIES,
    Change,
    Check,
    Operation,
    Plan,
    PlanSet,
    Severity,
    Touched,
    UnitPlan,
)
from reconciler.plan.clusters import plan_cluster
from reconciler.plan.diff import diff
from reconciler.plan.environments import EnvironmentAsk, NodeAsk, plan_environment
from reconciler.plan.part import Part, error, failed, warning
from reconciler.plan.readiness import sayings
from reconciler.plan.releases import ReleaseAsk, plan_release
from reconciler.plan.risk import assess
from reconciler.plan.sequence import in_batches
from reconciler.plan.sharing import scopes, sharing, tiers
from reconciler.plan.sources import about_source
from reconciler.plan.strategies import Staging, staged
from reconciler.plan.unit_plans import digested_fields, unit_plan
from reconciler.plan.units import ref_of
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.spec import Spec
from reconciler.state.observed import Failure, ObservedCluster, ObservedRelease

RUNTIMES: Mapping[str, tuple[str, ...]] = {"k8s": ("k8s",), "compose": ("compose",), "hybrid": ("k8s", "compose")}
# Deletions are shown first; the rest in the order in which a reader asks.
SHOWN = (
    Operation.DELETE,
    Operation.REPLACE,
    Operation.FORGET,
    Operation.ADOPT,
    Operation.HAND_OVER,
    Operation.RUN,
    Operation.CONNECT,
    Operation.CREATE,
    Operation.UPDATE,
)


def make_plan(ask: PlanAsk) -> Plan:
    """The plan of one environment. Never raises on what was observed: what is wrong is a check that blocks."""
    refs = tuple(sorted(ask.units))
    parts = {ref: _part(ask, ref) for ref in refs} if not _broken(ask) else {}
    changes = sorted(
        (change for part in parts.values() for change in part.changes),
        key=lambda change: (SHOWN.index(change.operation), change.unit, change.where, change.subject),
    )
    units = tuple(
        unit_plan(ask, ref).model_copy(update={"way": parts[ref].way} if ref in parts else {}) for ref in refs
    )
    checks = [
        *ask.checks,
        *_broken(ask),
        *healing.said(ask),
        *(check for part in parts.values() for check in part.checks),
    ]
    checks = list(dict.fromkeys(checks))  # what is true of a connection is said once, whoever uses it
    checks += _guards(ask, units, changes, sum(part.owned for part in parts.values()))
    try:
        batches = in_batches(ask, parts)
    except Refused as refused:
        batches = ()
        checks.append(error("", refused.key, refused.message))
    sides = [ask.proposed.desired, *(side.desired for side in ask.accepted.values()), *ask.neighbours]
    shared = sharing(ask.environment, sides, _identities(ask))
    risk, reasons = assess(tiers(shared, sides), units, tuple(changes))
    touched = tuple(sorted((touch for part in parts.values() for touch in part.touched), key=lambda t: t.subject))
    artifact = digest_of("artifact", [[unit.unit, unit.artifact, digested_fields(unit.specs)] for unit in units])
    project, team, tier = _scope(ask, sides)
    static = ask.observed is None and ask.environment != POLICY
    return Plan(
        environment=ask.environment,
        project=project,
        team=team,
        tier=tier,
        units=units,
        changes=tuple(changes),
        batches=batches,
        checks=tuple(checks),
        touched=touched,
        risk=risk,
        priority=PRIORITIES[risk],
        reasons=reasons,
        artifact=artifact,
        digest=digest_of(
            "plan",
            {
                "environment": ask.environment,
                "static": static,  # nobody approves a look by approving a comparison
                "artifact": artifact,
                "actions": [[action.digested() for action in batch] for batch in batches],
                "touched": [touch.model_dump() for touch in touched],
                "blocked": sorted(check.key for check in checks if check.severity is Severity.ERROR),
                **healing.digested(units),
            },
        ),
        observed_at=ask.observed.at if ask.observed is not None else None,
        static=static,
        held=ask.held,
        policy_only=ask.environment == POLICY,
        scopes=scopes(shared, sides),
    )


def plan_set(plans: tuple[Plan, ...]) -> PlanSet:
    """One ticket's plans, and the digest over the list of theirs."""
    listed = tuple(sorted(plans, key=lambda plan: plan.environment))
    return PlanSet(plans=listed, digest=digest_of("ticket", [[plan.environment, plan.digest] for plan in listed]))


def _broken(ask: PlanAsk) -> tuple[Check, ...]:
    desired = ask.proposed.desired
    if ask.environment in desired.broken or desired.unreadable:
        message = (
            f"specs of environment {ask.environment} have problems; nothing of it is planned until they are solved"
        )
        return (error("", "validation_error", message, "reconciler validate lists them"),)
    return ()


def _part(ask: PlanAsk, ref: UnitRef) -> Part:
    match ref.kind:
        case UnitKind.POLICY:
            return Part()
        case UnitKind.RELEASE:
            return _release(ask, ref)
        case UnitKind.CLUSTER:
            return _cluster(ask, ref)
        case UnitKind.ENVIRONMENT:
            return _environment(ask, ref)


def _release(ask: PlanAsk, ref: UnitRef) -> Part:
    new = ask.proposed.desired.releases.get(ref.name)
    side = ask.accepted.get(ref)
    old = side.desired.releases.get(ref.name) if side is not None else None
    chosen = new or old
    if chosen is None:
        return Part()
    spec = chosen.spec
    if old is not None and new is not None and old.spec.cluster != new.spec.cluster:
        message = f"release {ref.name} moves from cluster {old.spec.cluster} to {new.spec.cluster} in one step"
        hint = "add the release there under a new name, and remove this one in a later pull request"
        return Part(checks=(error(str(ref), "release_state_invalid", message, hint),))
    if new is not None and new.spec.suspend:  # after the move: a later step would not find what it left there
        return Part(checks=(warning(str(ref), "", f"release {ref.name} is suspended: accepted, and not applied"),))
    if spec.source.type is SourceKind.COMPOSE or spec.cluster is None:
        message = f"release {ref.name}: sources of type {spec.source.type.value} cannot be applied by this version"
        return Part(checks=(error(str(ref), "release_state_invalid", message, "set suspend: true, or use manifests"),))
    source = ask.proposed.desired.sources.get(ref.name) if new is not None else None
    if source is not None and source.unrendered is not None:  # nobody knows what it says: never read as nothing
        why = source.unrendered
        return Part(checks=(error(str(ref), why.key, f"release {ref.name}: {why.message}", why.hint),))
    asked = tuple(unsupported.in_release(str(ref), new.spec)) if new is not None else ()
    if ask.observed is None:
        compared = _static_release(ask, ref)
        return replace(compared, checks=(*asked, *about_source(str(ref), source, compared.changes)))
    unseen = Failure("cluster_connect_failed", f"looking at cluster {spec.cluster}: it was not looked at")
    cluster = ask.observed.clusters.get(spec.cluster, ObservedCluster(spec.cluster, failure=unseen))
    if cluster.failure is not None:
        rights = connections.base_rights(str(ref), cluster)
        return Part(checks=(*asked, failed(str(ref), cluster.failure), *rights))
    known = ask.known_uids.get(spec.cluster)
    if known and cluster.uid != known:
        message = f"cluster {spec.cluster} is another one than the accepted one ({known} -> {cluster.uid})"
        return Part(checks=(error(str(ref), "target_changed", message, "check its kubeconfig"),))
    switched = helm.switches(str(ref), ref.name, _kept_at(old), _kept_at(new)) if old and new else ()
    if switched:
        return Part(checks=switched)
    found = cluster.releases.get(ref.name, unseen)
    part = plan_release(
        ReleaseAsk(
            unit=str(ref),
            release=ref.name,
            cluster=spec.cluster,
            desired=_objects(ask.proposed.desired, ref.name),
            observed=found,
            forget=new is None and spec.on_removal.value == "forget",
            adopts=ref in ask.fresh,
            leaves_to=_taken_on(ask, spec.cluster),
            comes_from=frozenset(_releases_on(ask, spec.cluster)),
            healing=ask.healing,
        ),
        ask.key,
    )
    if spec.source.type is SourceKind.HELM and isinstance(found, ObservedRelease):
        part = helm.with_entries(_helm_ask(ask, ref, spec, found, removed=new is None), part, ask.key)
    if new is not None:
        objects = _objects(ask.proposed.desired, ref.name)
        part = staged(part, Staging(str(ref), new, f"cluster/{spec.cluster}", objects, found, ask.key, ask.returning))
        part = replace(part, way=(*sayings(new.spec.health, part.steps), *part.way))
    identity = (Touched(subject=f"cluster/{spec.cluster}", state={"uid": cluster.uid}),)
    told = _connection(ask, ref, cluster, part) if part.steps or part.checks else ()
    told = (*told, *about_source(str(ref), source, part.changes))
    return replace(
        part, checks=(*asked, *part.checks, *told), touched=(*part.touched, *(identity if part.steps else ()))
    )


def _kept_at(release: Spec[Release]) -> tuple[str, str | None]:
    return release.spec.source.type.value, release.spec.namespace


def _helm_ask(ask: PlanAsk, ref: UnitRef, spec: Release, found: ObservedRelease, *, removed: bool) -> helm.HelmAsk:
    source = ask.proposed.desired.sources.get(ref.name) if not removed else None
    return helm.HelmAsk(
        unit=str(ref),
        release=ref.name,
        cluster=str(spec.cluster),
        namespace=str(spec.namespace),
        chart=source.chart if source is not None else None,
        objects=source.objects if source is not None else (),
        newest=found.helm,
        forget=removed and spec.on_removal.value == "forget",
    )


def _connection(ask: PlanAsk, ref: UnitRef, cluster: ObservedCluster, part: Part) -> tuple[Check, ...]:
    """What is to be known of the connection before something is done over it."""
    assert ask.observed is not None  # noqa: S101  there are steps
    spec = ask.proposed.desired.clusters.get(cluster.cluster)
    return (
        *connections.base_rights(str(ref), cluster),
        *connections.release_rights(
            str(ref), cluster.cluster, cluster.releases.get(ref.name), tuple(step.action for step in part.steps)
        ),
        *connections.version_checks(cluster.cluster, cluster.server_version, connecting=False),
        *(connections.ending_checks(cluster, spec.spec.certificates.renew_before, ask.observed.at) if spec else ()),
    )


def _releases_on(ask: PlanAsk, cluster: str) -> Iterator[str]:
    """The releases of this plan that are, or were, on a cluster."""
    for other in ask.units:
        if other.kind is UnitKind.RELEASE:
            sides = [ask.proposed.desired, *(side.desired for side in (ask.accepted.get(other),) if side is not None)]
            found = (side.releases.get(other.name) for side in sides)
            if any(release is not None and release.spec.cluster == cluster for release in found):
                yield other.name


def _taken_on(ask: PlanAsk, cluster: str) -> dict[ObjectRef, str]:
    """The objects that the releases of this plan want on a cluster."""
    taken: dict[ObjectRef, str] = {}
    for name in _releases_on(ask, cluster):
        release = ask.proposed.desired.releases.get(name)
        if release is not None and release.spec.cluster == cluster:
            taken |= dict.fromkeys(_objects(ask.proposed.desired, name), name)
    return taken


def _static_release(ask: PlanAsk, ref: UnitRef) -> Part:
    before, after = _masked_objects(ask.accepted.get(ref), ref), _masked_objects(ask.proposed, ref)
    changes = []
    for name in before.keys() | after.keys():  # make_plan sorts what it shows
        fields = tuple(diff(before.get(name) or {}, after.get(name) or {}))
        operation = Operation.CREATE if name not in before else Operation.UPDATE if name in after else Operation.DELETE
        if fields:
            changes.append(
                Change(unit=str(ref), operation=operation, subject=name, where="not looked at", fields=fields)
            )
    return Part(changes=tuple(changes))


def _masked_objects(side: Side | None, ref: UnitRef) -> Mapping[str, Any]:
    unit = side.units.get(ref) if side is not None else None
    found: Mapping[str, Any] = unit.content["objects"] if unit is not None else {}
    return found


def _cluster(ask: PlanAsk, ref: UnitRef) -> Part:
    cluster = ask.proposed.desired.clusters.get(ref.name)
    if cluster is None or ask.observed is None:
        return Part()
    if cluster.spec.network_entry.mode.value != "standard":
        message = (
            f"cluster {ref.name}: networkEntry {cluster.spec.network_entry.mode.value} cannot be set up by this version"
        )
        return Part(checks=(error(str(ref), "network_entry_apply_failed", message, "use mode: standard"),))
    return plan_cluster(
        str(ref),
        ref.name,
        ask.observed.clusters.get(ref.name),
        known_uid=ask.known_uids.get(ref.name, ""),
        platform=cluster.spec.source_type.value == "platform_created",
        renew_before=cluster.spec.certificates.renew_before,
        at=ask.observed.at,
    )


def _environment(ask: PlanAsk, ref: UnitRef) -> Part:
    new = ask.proposed.desired.environments.get(ref.name)
    side = ask.accepted.get(ref)
    old = side.desired.environments.get(ref.name) if side is not None else None
    nodes = {node.host: node.role.value for node in new.spec.nodes} if new is not None else {}
    before = {node.host: "" for node in old.spec.nodes} if old is not None else {}
    chosen = new or old
    asked = tuple(unsupported.in_environment(str(ref), new.spec)) if new is not None else ()
    if chosen is None or ask.observed is None or chosen.spec.mode.value != "platform_managed":
        return Part(checks=asked)
    version = chosen.spec.bundle.version if chosen.spec.bundle is not None else ""
    part = plan_environment(
        EnvironmentAsk(
            unit=str(ref),
            environment=ref.name,
            runtimes=RUNTIMES[chosen.spec.runtime_type.value],
            nodes=tuple(NodeAsk(host, role) for host, role in {**before, **nodes}.items()),
            bundle_version=version,
            bundle=ask.bundles.get(version),
            hosts=ask.observed.hosts,
        )
    )
    return replace(part, checks=(*asked, *part.checks))


def _objects(desired: Desired, release: str) -> dict[ObjectRef, Any]:
    source = desired.sources.get(release)
    return {ref_of(body): body for body in source.objects} if source is not None else {}


def _guards(ask: PlanAsk, units: tuple[UnitPlan, ...], changes: list[Change], owned: int) -> Iterator[Check]:
    desired = ask.proposed.desired
    needing: dict[UnitRef, list[str]] = {}
    living: dict[tuple[str, str], str] = {}
    for name, release in desired.releases.items():
        needing.setdefault(UnitRef(UnitKind.ENVIRONMENT, release.spec.environment), []).append(name)
        if release.spec.cluster is not None:
            needing.setdefault(UnitRef(UnitKind.CLUSTER, release.spec.cluster), []).append(name)
            for ref in _objects(desired, name):
                living[f"cluster {release.spec.cluster}", ref.namespace] = name
    remaining = sum(map(len, (desired.environments, desired.clusters, desired.releases)))
    yield from guards.deletion_cap(changes, owned, ask.limits)
    yield from guards.empty_desired(units, changes, remaining=remaining)
    yield from guards.removed_with_dependants(units, needing)
    yield from guards.namespace_in_use(changes, living)


def _identities(ask: PlanAsk) -> dict[str, frozenset[str]]:
    """By cluster, who it is: as recorded and as seen now. Two names for one API server are one target (G3)."""
    seen = ask.observed.clusters if ask.observed is not None else {}
    found: dict[str, frozenset[str]] = {}
    for name, uid in (*ask.known_uids.items(), *((name, cluster.uid) for name, cluster in seen.items())):
        if uid:
            found[name] = found.get(name, frozenset()) | {uid}
    return found


def _scope(ask: PlanAsk, sides: list[Desired]) -> tuple[str, str, str]:
    for side in sides:
        if ask.environment in side.environments:
            spec = side.environments[ask.environment].spec
            return spec.project, spec.team, spec.tier.value
    return "", "", ""


__all__ = ["PlanAsk", "Side", "make_plan", "plan_set"]
