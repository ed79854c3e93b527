"""One release's part of a plan: which side is wanted, what is in the way, and what is done around its objects.

Puts together what `releases.py` compares, `helm.py` enters, `strategies.py` orders, and Jobs and ways back add. Rule:
whatever keeps a release from being planned is a check that blocks, never a release that is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from reconciler.names import ObjectRef, UnitKind, UnitRef
from reconciler.plan import connections, helm, passing, unknown, unsupported
from reconciler.plan.ask import PlanAsk, Side
from reconciler.plan.at_once import run_at_once, run_by_return
from reconciler.plan.change import Change, Check, Operation, Touched, Ungranted
from reconciler.plan.diff import diff
from reconciler.plan.jobs import JobAsk, cleaned, hooked, made_first
from reconciler.plan.part import Part, error, failed
from reconciler.plan.readiness import sayings
from reconciler.plan.releases import ReleaseAsk, lost_by_return, plan_release
from reconciler.plan.sources import about_source
from reconciler.plan.stopped import let_go
from reconciler.plan.strategies import Staging, staged
from reconciler.plan.suspension import left_alone
from reconciler.plan.units import place_of, ref_of
from reconciler.plan.way_back import leaving, only_numbers, prepared, walked
from reconciler.specs.chart import DEFINITION, is_made_once
from reconciler.specs.chart_hooks import hooks_of, prepares
from reconciler.specs.desired import Desired
from reconciler.specs.jobs import named as jobs_named
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.release import Hook, SourceKind
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.spec import Spec
from reconciler.state.observed import Failure, ObservedCluster, ObservedRelease


def release_part(ask: PlanAsk, ref: UnitRef) -> Part:
    """A release's part of its environment's plan."""
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
    alone = left_alone(ask, ref)
    if alone is not None:  # after the move: a later step would not find what it left there
        return alone
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
        early = run_at_once(ask, ref, objects_of(ask.proposed.desired, ref.name), compared.changes)
        return replace(compared, checks=(*asked, *early, *about_source(str(ref), source, compared.changes)))
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
    taken = _taken_on(ask, spec.cluster)
    made = ask.made[ref] | {*map(place_of, taken)} if ref in ask.made else None
    found, others = unknown.apart(cluster.releases.get(ref.name, unseen), made)
    wanted = objects_of(ask.proposed.desired, ref.name)
    part = plan_release(
        ReleaseAsk(
            unit=str(ref),
            release=ref.name,
            cluster=spec.cluster,
            desired=wanted,
            observed=found,
            forget=new is None and spec.on_removal.value == "forget",
            adopts=ref in ask.fresh,
            keeps_runs=new is not None,
            healing=ask.healing,
            leaves_to=taken,
            comes_from=frozenset(_releases_on(ask, spec.cluster)),
            made_once=partial(_made_once, side, ref.name),
            ran=passing.ran(ask, ref, wanted),
        ),
        ask.key,
    )
    early = run_at_once(ask, ref, wanted, part.changes)
    part = replace(part, checks=(*part.checks, *early, *passing.soon_gone(str(ref), wanted, part)))
    if spec.source.type is SourceKind.HELM and isinstance(found, ObservedRelease):
        part = helm.with_entries(_helm_ask(ask, ref, spec, found, removed=new is None), part, ask.key)
    jobs = JobAsk(str(ref), ref.name, spec.cluster, found, ask.key)
    if new is not None:
        at_once = ask.returning or ref in ask.leaving
        part = staged(part, Staging(str(ref), new, f"cluster/{spec.cluster}", wanted, found, ask.key, at_once))
        part = replace(part, way=(*sayings(new.spec.health, part.steps), *part.way))
        part = _around(ask, ref, new, part, jobs)
    part = replace(part, checks=(*part.checks, *let_go(part, jobs), *unknown.said_of(str(ref), part, others)))
    identity = (Touched(subject=f"cluster/{spec.cluster}", state={"uid": cluster.uid}),)
    told = _connection(ask, ref, cluster, part) if part.steps or part.checks else ()
    told = (*told, *about_source(str(ref), source, part.changes))
    return replace(
        part, checks=(*asked, *part.checks, *told), touched=(*part.touched, *(identity if part.steps else ()))
    )


def _around(ask: PlanAsk, ref: UnitRef, new: Spec[Release], part: Part, jobs: JobAsk) -> Part:
    """The part with what is run around it: hooks, or the steps of a way back, which runs no hooks.

    A change of numbers of pods alone is no version: nothing is run around it, so that scaling stays scaling (G23).
    """
    objects = objects_of(ask.proposed.desired, ref.name)
    left = ask.leaving.get(ref)
    unfinished = ref in ask.unfinished or ask.returning
    if left is not None and (part.steps or (left.moved and unfinished)):
        part = walked(part, jobs, left, objects)
    source = ask.proposed.desired.sources.get(ref.name)
    own = {body["metadata"]["name"]: body for body in source.jobs} if source is not None else {}
    side = ask.accepted.get(ref)
    goal = ask.otherwise.get(ref, side)
    known = objects_of(goal.desired, ref.name) if goal is not None and ref not in ask.fresh else None
    before = side.desired.sources.get(ref.name) if side is not None else None
    numbers = before is not None and source is not None and _only_numbers(before, source)
    numbers = numbers and ref not in ask.otherwise  # what differs from the accepted side says nothing of what runs
    if ask.returning or ask.healing or (numbers and ref not in ask.unfinished):
        return part
    if left is None and (part.steps or ref in ask.unfinished):
        part = hooked(part, jobs, _hooks(new, own, jobs.observed), own)
        part = made_first(part, frozenset(of for of, body in objects.items() if prepares(body)))
    if left is None:
        part = replace(part, ungranted=Ungranted.OLDER) if ref in ask.older else part
        part = prepared(part, jobs, leaving(new.spec, tuple(own.values())), objects, known)
        lost = (*lost_by_return(str(ref), part, objects, known), *run_by_return(ref, part, new.spec, known))
        part = replace(part, checks=(*part.checks, *lost))
    return cleaned(part, jobs)


def _only_numbers(before: ReleaseSource, after: ReleaseSource) -> bool:
    """Whether numbers of pods differ at most; another Job to be run, or another chart, is another version."""
    charts = [source.chart.metadata if source.chart is not None else None for source in (before, after)]
    return charts[0] == charts[1] and before.jobs == after.jobs and only_numbers(before.objects, after.objects)


def _hooks(new: Spec[Release], own: Mapping[str, Any], observed: ObservedRelease | Failure) -> tuple[Hook, ...]:
    """Those that the release names, and then those that its chart brings and it does not name."""
    if new.spec.source.type is not SourceKind.HELM or isinstance(observed, Failure):
        return new.spec.hooks
    named = {job for _, job in jobs_named(new.spec)}
    jobs = (body for name, body in own.items() if name not in named)
    install = observed.helm is None or not observed.helm.installed
    return (*new.spec.hooks, *hooks_of(jobs, install=install, timeout=new.spec.health.timeout))


def _made_once(accepted: Side | None, release: str, ref: ObjectRef) -> bool:
    """Whether a definition lay in crds/ when its release was accepted, wherever it lay before; where nobody can say so
    now, it did: it is deleted with everything of its kind."""
    source = accepted.desired.sources.get(release) if accepted is not None else None
    if source is None or ref.kind != DEFINITION:
        return False
    if source.unrendered is not None:
        return True
    return any(is_made_once(body) and body["metadata"]["name"] == ref.name for body in source.objects)


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
        jobs=source.jobs if source is not None else (),
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
            taken |= dict.fromkeys(objects_of(ask.proposed.desired, name), name)
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


def objects_of(desired: Desired, release: str) -> dict[ObjectRef, Any]:
    """A release's objects by their identity; none where it is removed."""
    source = desired.sources.get(release)
    return {ref_of(body): body for body in source.objects} if source is not None else {}
