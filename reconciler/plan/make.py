"""Makes one environment's plan out of values: units, desired states, what was observed (contracts: gate.md, G6-G10).

The digest covers content only: artifacts, changed spec fields, ordered actions and the observed state that they
touch. Times, commit ids, tool versions and bookkeeping are added after hashing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.canonical import digest_of
from reconciler.errors import Refused
from reconciler.names import POLICY, UnitKind, UnitRef
from reconciler.plan import guards, healing, ignoring, unsupported
from reconciler.plan.ask import PlanAsk, Side
from reconciler.plan.change import (
    PRIORITIES,
    Change,
    Check,
    Operation,
    Plan,
    PlanSet,
    Severity,
    UnitPlan,
)
from reconciler.plan.clusters import plan_cluster
from reconciler.plan.environments import EnvironmentAsk, NodeAsk, plan_environment
from reconciler.plan.part import Part, error
from reconciler.plan.release_part import objects_of, release_part
from reconciler.plan.risk import assess
from reconciler.plan.sequence import in_batches
from reconciler.plan.sharing import scopes, sharing, tiers
from reconciler.plan.suspension import left_alone
from reconciler.plan.unit_plans import digested_fields, unit_plan
from reconciler.specs.desired import Desired

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
    units = tuple(unit_plan(ask, ref).model_copy(update=_told(parts[ref]) if ref in parts else {}) for ref in refs)
    checks = [
        *ask.checks,
        *_broken(ask),
        *healing.said(ask),
        *ignoring.said(ask),
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
            return release_part(ask, ref)
        case UnitKind.CLUSTER:
            return left_alone(ask, ref) or _cluster(ask, ref)
        case UnitKind.ENVIRONMENT:
            return left_alone(ask, ref) or _environment(ask, ref)


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


def _told(part: Part) -> dict[str, Any]:
    """What a part says of its unit beside changes and checks."""
    return {"way": part.way, "back": part.back, "ungranted": part.ungranted}


def _guards(ask: PlanAsk, units: tuple[UnitPlan, ...], changes: list[Change], owned: int) -> Iterator[Check]:
    desired = ask.proposed.desired
    needing: dict[UnitRef, list[str]] = {}
    living: dict[tuple[str, str], str] = {}
    for name, release in desired.releases.items():
        needing.setdefault(UnitRef(UnitKind.ENVIRONMENT, release.spec.environment), []).append(name)
        if release.spec.cluster is not None:
            needing.setdefault(UnitRef(UnitKind.CLUSTER, release.spec.cluster), []).append(name)
            for ref in objects_of(desired, name):
                living[f"cluster {release.spec.cluster}", ref.namespace] = name
    remaining = sum(map(len, (desired.environments, desired.clusters, desired.releases)))
    if not ask.returning:  # what it deletes is what the rollout made; whoever approved that approved its return (G21)
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
