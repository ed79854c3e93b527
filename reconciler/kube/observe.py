"""Looking at releases: what exists, what is ours, and what a server-side dry run says would become of what is wanted.

One look costs one LIST of the parents, one LIST for each kind and namespace that any release remembers or wants there
(all releases in one request, by ApplySet label), one GET for each wanted object that those lists do not hold, and one
dry run for each object whose owned fields are not what is wanted already. Where the rights are to be known too and
anything is to be done, permissions.py asks about them. The rules it keeps: a list that cannot be
read fails the look (never an absence); values leave only as projections on our fields; a dry run with `force` is asked
only to show a result beside its conflicts, and nothing here is ever applied.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from http import HTTPStatus

from reconciler.errors import Refused, Rejected
from reconciler.kube import handing_over, helm_releases, marks, recreate, traffic
from reconciler.kube.adopt import taken_over
from reconciler.kube.answers import Answer, error_of
from reconciler.kube.client import APPLY_TYPE, WORKERS, Client, Request
from reconciler.kube.discovery import Discovery
from reconciler.kube.known import Known, digest, version_of, without_status
from reconciler.kube.marks import Marks
from reconciler.kube.outline import Outline
from reconciler.kube.parent import Parent, Parents
from reconciler.kube.permissions import Need, beside, lacking, missing, needs_of
from reconciler.kube.projection import (
    Fields,
    autoscaler_owns_replicas,
    content,
    equal,
    owned_fields,
    project,
    union,
)
from reconciler.kube.standing import Standing
from reconciler.kube.wanted import Place, Scaled, Wanted, new_kinds, place_of, ref_of, scaled_by, wanted_of
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.specs.jobs import is_stopped
from reconciler.specs.ways import left_out
from reconciler.state.observed import NOT_SERVED, Failure, Json, Lacking, ObservedObject, ObservedRelease
from reconciler.state.readiness import held_by
from reconciler.together import all_of

Judged = ObservedObject | Callable[[], ObservedObject]
Saw = Callable[[dict[Place, Json], float], None]  # what stands where (None: nothing), and when the look began


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run answered: our fields in it and what stands there, or why not."""

    fields: Fields = field(default_factory=dict)
    result: Json = field(default=None, repr=False)
    conflicts: tuple[str, ...] = ()
    failure: Failure | None = None
    unchangeable: bool = False  # the failure is of fields that cannot be changed, and nothing else


class Observer:
    """Looks at one cluster. A second look at an object of which only the status moved asks nothing: dry runs are
    remembered by what was sent and what stood there."""

    def __init__(self, client: Client, discovery: Discovery, owner: Marks, parents: Parents) -> None:
        self._client = client
        self._discovery = discovery
        self._owner = owner
        self._parents = parents
        self._known = Known()
        self._standing = Standing(client, discovery, owner, self._known)
        self._dry_runs: dict[Place, tuple[tuple[str, str], DryRun]] = {}
        self._scaled: dict[str, frozenset[Scaled]] = {}

    def observe(
        self, releases: Iterable[DesiredObjects], saw: Saw = lambda *_: None, *, rights: bool = False
    ) -> Mapping[str, ObservedRelease]:
        """Each release as it stands and would become. Raises Unavailable where all answers together are too large.

        `saw` is told what stands at the places that the releases want or own, of those that could be read.
        """
        look = copy(self)  # what it remembers is shared
        look._client = self._client.metered()
        look._parents = self._parents.through(look._client)
        look._standing = self._standing.through(look._client)
        return look._observe(tuple(releases), saw, rights=rights)

    def _observe(self, asked: tuple[DesiredObjects, ...], saw: Saw, *, rights: bool) -> Mapping[str, ObservedRelease]:
        at = time.monotonic()
        parents = self._parents.all()
        resource_of = cache(self._discovery.resource)  # one answer for one look, also where a kind is not served
        wanted = [found for desired in asked for found in wanted_of(desired, resource_of)]
        for desired in (one for one in asked if not one.only):  # else no autoscaler was looked for
            self._scaled[desired.release] = scaled_by(found for found in wanted if found.release == desired.release)
        autoscaled = self.autoscaled
        wanted = [replace(found, scaled=True) if _unsent(found, autoscaled) else found for found in wanted]
        try:
            live = self._standing.of(asked, wanted, parents)
        except Rejected as error:
            raise (self._explained(error, wanted) if rights else error) from None
        saw(_read(wanted, live), at)
        judged = self._judge_all(wanted, live)
        observed = {}
        for desired in asked:
            name = desired.release
            own = {found.ref: item for found, item in zip(wanted, judged, strict=True) if found.release == name}
            observed[name] = self._release(name, parents.get(name, Parent(name)).generation, own, live)
        return self._with_rights(observed, wanted, asked) if rights else observed

    def lacking(self, releases: Iterable[DesiredObjects]) -> Mapping[str, tuple[Lacking, ...]]:
        """The rights that are missing of what these releases need, whether anything is to be done or not."""
        asked = tuple(releases)
        resource_of = cache(self._discovery.resource)
        needs = {one.release: _needs(wanted_of(one, resource_of)) | beside(one.needs) for one in asked}
        for one in (one for one in asked if one.chart is not None):
            needs[one.release] |= helm_releases.needs_of(one.namespace)
        return _shared_out(missing(self._client, {need for found in needs.values() for need in found}), needs)

    def _with_rights(
        self, observed: Mapping[str, ObservedRelease], wanted: list[Wanted], asked: tuple[DesiredObjects, ...]
    ) -> dict[str, ObservedRelease]:
        """What is to be done has its rights asked for; one question for all releases of the look."""
        busy = {name for name, found in observed.items() if any(map(_to_do, found.objects.values()))}
        needs = {name: _needs(found for found in wanted if found.release == name) for name in busy}
        for name in busy:
            asked_for = {found.ref for found in wanted if found.release == name}
            needs[name] |= {
                Need("delete", resource.plural, ref.namespace, ref.group, ref.name, ref.kind)
                for ref in observed[name].objects.keys() - asked_for
                for resource in [self._discovery.preferred(ref.group, ref.kind)]
                if resource is not None
            }
        for one in (one for one in asked if one.release in busy):
            needs[one.release] |= beside(one.needs)
        told = _shared_out(missing(self._client, {need for found in needs.values() for need in found}), needs)
        return {name: replace(found, lacking=told.get(name, ())) for name, found in observed.items()}

    def _explained(self, error: Rejected, wanted: list[Wanted]) -> Rejected:
        """A look that was forbidden names every right that is missing, not only the first that it stumbled on."""
        if error.key != "cluster_permission_insufficient":
            return error
        told = ", ".join(one.words for one in lacking(missing(self._client, _needs(wanted))))
        return Rejected(f"{error.message}; the credential may not: {told}", key=error.key) if told else error

    @property
    def autoscaled(self) -> frozenset[Scaled]:
        """What the autoscalers scale that releases wanted when each was last looked at."""
        return frozenset().union(*self._scaled.values())

    def _judge_all(self, wanted: list[Wanted], live: Mapping[Place, Json]) -> list[ObservedObject]:
        fresh = frozenset(
            found.ref.name for found in wanted if found.ref.kind == "Namespace" and place_of(found.ref) not in live
        )
        defined = new_kinds(wanted)
        judged = [self._judge(found, live.get(place_of(found.ref)), fresh, defined) for found in wanted]
        answers = iter(all_of([one for one in judged if not isinstance(one, ObservedObject)], WORKERS))
        return [one if isinstance(one, ObservedObject) else next(answers) for one in judged]

    def _judge(self, found: Wanted, live: Json, fresh: frozenset[str], defined: frozenset[tuple[str, str]]) -> Judged:
        """What one object is, or a question to the server whose answer says it."""
        if isinstance(live, Failure):
            return ObservedObject(found.ref, exists=False, failure=live)
        if isinstance(live, Outline):
            return self._outlined(found, live)
        if live is not None:
            return self._existing(found, live)
        sent = _compared(found, content(found.sent))
        later = ObservedObject(found.ref, exists=False, result=sent, known_after_apply=True)
        if found.resource is None:
            if (found.ref.group, found.ref.kind) in defined:
                return later
            message = f"looking at {found.ref}: {NOT_SERVED} {found.ref.api_version} {found.ref.kind}"
            return ObservedObject(found.ref, exists=False, failure=Failure("validation_error", message))
        if found.ref.namespace in fresh:
            return later
        return partial(self._created, found)

    def _created(self, found: Wanted) -> ObservedObject:
        answered = self._dry_run(found, None)
        if answered.failure is not None:
            return ObservedObject(found.ref, exists=False, failure=answered.failure)
        return ObservedObject(found.ref, exists=False, result=_compared(found, answered.result))

    def _outlined(self, found: Wanted, live: Outline) -> ObservedObject:
        """Of what is left as an outline: it is as wanted, or somebody else's (standing.py)."""
        found = found.standing
        told = replace(found, scaled=True) if live.autoscaled and not found.scaled else found
        wanted = _shared(told, content(told.sent)) if live.ours else None
        return ObservedObject(
            found.ref,
            exists=True,
            uid=live.version.uid,
            resource_version=live.version.resource_version,
            event=live.event,
            live=wanted,
            result=wanted,
            owner=live.owner,
            autoscaled=live.ours and live.autoscaled and not found.scaled,
        )

    def _existing(self, found: Wanted, live: Json) -> Judged:
        found, metadata = found.standing, live["metadata"]
        seen = ObservedObject(
            found.ref,
            exists=True,
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            event=marks.event_of(live),
            owner=self._owner.owner(live),
            stopped=marks.stopped_at(live),
        )
        if seen.owner and not self._owner.is_ours(live):
            return seen  # of what somebody else holds we only say that it exists (G4)
        if metadata.get("deletionTimestamp"):
            message = f"looking at {found.ref}: it is being deleted{held_by(live)}; look again when it is gone"
            return replace(seen, failure=Failure("resource_conflict", message))
        if not found.stopped and traffic.concerns(found.ref, live, stopped=False):
            scaled = found.scaled or autoscaler_owns_replicas(live)
            pods = traffic.rescued(found.sent, live, others=scaled or found.uncounted)
            sent = found.sent if pods is None else traffic.with_pods(found.sent, pods)
            found = replace(found, scaled=False, sent=sent, ignored=found.left)
        elif autoscaler_owns_replicas(live) and not found.stopped:
            seen, found = replace(seen, autoscaled=not found.scaled), replace(found, scaled=True)
        wanted = _shared(found, content(found.sent))
        version = version_of(metadata)
        if seen.owner == found.release and self._known.holds(found, version):
            return replace(seen, live=wanted, result=wanted)
        owned = owned_fields(live)
        stands = _shared(found, project(live, owned))
        if seen.owner == found.release and equal(stands, wanted):
            if seen.stopped is None:
                self._known.remember(found, version)
            return replace(seen, live=stands, result=stands)
        return partial(self._changed, found, live, seen, owned, stands)

    def _changed(self, found: Wanted, live: Json, seen: ObservedObject, owned: Fields, stands: Json) -> ObservedObject:
        answered = self._dry_run(found, live)
        if answered.failure is None and recreate.leaves_rolling(found.sent, live):
            answered = DryRun(
                union(answered.fields, recreate.FIELDS),
                recreate.with_strategy(answered.result, found.sent),
                (*answered.conflicts, *recreate.in_the_way(live)),
            )
        if answered.failure is not None:
            return replace(seen, live=stands, failure=answered.failure, replaceable=answered.unchangeable)
        seen = replace(
            seen,
            live=_shared(found, project(live, union(owned, answered.fields))),
            result=_shared(found, answered.result),
            conflicts=answered.conflicts,
        )
        return seen if seen.owner else taken_over(seen, live, answered.fields)

    def _dry_run(self, found: Wanted, live: Json) -> DryRun:
        """What a server-side apply would make of it; asked once for the same body on the same live version."""
        body = self._dry_body(found, live)
        key = (digest(body), digest(without_status(live)))
        remembered, answered = self._dry_runs.get(place_of(found.ref), (("", ""), DryRun()))
        if live is not None and remembered == key:
            return answered
        if found.fault:
            return DryRun(
                failure=Failure("validation_error", f"asking what would become of {found.ref}: {found.fault}")
            )
        answered = self._ask(found, body, live)
        if answered.failure is None:
            self._dry_runs[place_of(found.ref)] = (key, answered)
        return answered

    def _dry_body(self, found: Wanted, live: Json) -> Json:
        labels = {marks.PART_OF: self._owner.applyset(found.release), marks.RELEASE: found.release}
        sent = found.sent if live is None else handing_over.as_it_stands(found.sent, found.left, live)
        body = marks.marked(sent, labels=labels, annotations={})
        if recreate.leaves_rolling(found.sent, live):
            body = recreate.without_strategy(body)
        if not found.scaled:
            return body
        body = traffic.without_number(found.ref.kind, body)
        if live is not None and traffic.is_ours(live):
            # Handing over keeps the live number: a dry run without it would show the server's default instead.
            body = traffic.with_pods(body, traffic.pods_of(live))
        return body

    def _ask(self, found: Wanted, body: Json, live: Json) -> DryRun:
        answer = self._send(found, body, force=False)
        conflicts: tuple[str, ...] = ()
        if answer.status == HTTPStatus.CONFLICT and answer.field_conflicts:
            conflicts = tuple(one for one in answer.field_conflicts if not marks.is_our_own(one))
            answer = self._send(found, body, force=True)
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
            moved = handing_over.moved(found.left, live, answer.json) if live is not None else ""
            if moved:
                message = f"{answer.what}: {moved} cannot be left to others, the server would change it"
                return DryRun(failure=Failure("validation_error", message))
            fields = owned_fields(answer.json)
            return DryRun(fields, project(answer.json, fields), conflicts)
        if answer.absent and answer.about == "namespaces":
            message = (
                f"{answer.what}: namespace {found.ref.namespace} does not exist and the release does not create it"
            )
            return DryRun(failure=Failure("release_apply_failed", message))
        error = error_of(answer)
        own_fault = answer.status == HTTPStatus.INTERNAL_SERVER_ERROR  # a webhook that is away, a value it cannot read
        if own_fault or isinstance(error, (Rejected, Refused)):
            failure = Failure(error.key, error.message)
            return DryRun(conflicts=conflicts, failure=failure, unchangeable=answer.unchangeable)
        raise error

    def _send(self, found: Wanted, body: Json, *, force: bool) -> Answer:
        query = {"fieldManager": marks.FIELD_MANAGER, "dryRun": "All", "force": "true" if force else "false"}
        what = f"asking what would become of {found.ref}"
        return self._client.ask(Request("PATCH", found.path, what, query, body, APPLY_TYPE, secret=found.secret))

    def _release(
        self, release: str, generation: int, own: dict[ObjectRef, ObservedObject], live: Mapping[Place, Json]
    ) -> ObservedRelease:
        """What it wants, and what it owns beside that; the newest generation that anything of it remembers."""
        held = {
            place: body for place, body in live.items() if isinstance(body, dict) and self._owner.holds(release, body)
        }
        outlined = [one for one in live.values() if isinstance(one, Outline) and one.ours and one.owner == release]
        wanted = {place_of(ref) for ref in own}
        left = {
            ref: ObservedObject(
                ref,
                exists=True,
                uid=body["metadata"]["uid"],
                resource_version=body["metadata"]["resourceVersion"],
                live=project(body, owned_fields(body)),
                owner=release,
                run=marks.run_of(body),
                rests=is_stopped(ref.group, ref.kind) and not traffic.pods_of(body),
                stopped=marks.stopped_at(body),
            )
            for place, body in held.items()
            if place not in wanted
            for ref in [ref_of(body)]
        }
        generations = [*(marks.generation_of(body) for body in held.values()), *(one.generation for one in outlined)]
        newest = max([generation, *generations])
        return ObservedRelease(release, {**own, **left}, newest)


def _unsent(found: Wanted, autoscaled: frozenset[Scaled]) -> bool:
    """Whether its number of pods is somebody else's, or kept away."""
    return found.scalable in autoscaled or (found.stopped and is_stopped(found.ref.group, found.ref.kind))


def _to_do(seen: ObservedObject) -> bool:
    return seen.known_after_apply or not equal(seen.live, seen.result)


def _needs(wanted: Iterable[Wanted]) -> set[Need]:
    return {need for found in wanted if found.resource is not None for need in needs_of(found.resource, found.ref)}


def _shared_out(absent: Iterable[Need], needs: Mapping[str, set[Need]]) -> dict[str, tuple[Lacking, ...]]:
    """What is missing, by the releases that need it."""
    told = lacking(absent)
    named = {name: {str(need) for need in found} for name, found in needs.items()}
    return {name: tuple(one for one in told if one.words in found) for name, found in named.items()}


def _read(wanted: Iterable[Wanted], live: Mapping[Place, Json]) -> dict[Place, Json]:
    absent: dict[Place, Json] = {place_of(found.ref): None for found in wanted if found.resource is not None}
    return {place: body for place, body in (absent | dict(live)).items() if not isinstance(body, Failure)}


def _shared(found: Wanted, value: Json) -> Json:
    """The same of an object that is there: also without what is left to others."""
    return left_out(_compared(found, value), found.left)


def _compared(found: Wanted, value: Json) -> Json:
    """What enters the comparison: without the number of replicas where an autoscaler owns it (G9)."""
    return traffic.without_number(found.ref.kind, value) if found.scaled else value
