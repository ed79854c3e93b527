"""Changing one object: apply, delete, forget. Each sends what was seen of the object as a precondition.

The rules it keeps (G25): an update, a deletion and a letting go carry the UID and resourceVersion read after the
release's parent was taken, and after that read the parent was still ours; so what anybody wrote in between answers 409,
and then the object and the parent are read again. A creation reads the parent before, and that of a canary after it
too: one that a newer plan overtook goes again. Nothing is forced: a field of another manager stops the apply. What is
left: any other creation that is overtaken while it is on its way stands until the next plan shows it; and an object
that appears just before our creation is found out by the answer (200 instead of 201), after our values that nobody else
owned were added.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from reconciler.errors import LeftBehind, Refused, Unavailable
from reconciler.kube import adopt, claims, handing_over, jobs, marks, recreate, traffic
from reconciler.kube.answers import Answer
from reconciler.kube.client import APPLY_TYPE, JSON_TYPE, MERGE_TYPE, Client, Request
from reconciler.kube.discovery import Discovery
from reconciler.kube.forgetting import without_us
from reconciler.kube.held import Held
from reconciler.kube.known import decided, version_of
from reconciler.kube.manner import Manner
from reconciler.kube.marks import Marks
from reconciler.kube.numbers import keep_number, unmark
from reconciler.kube.outline import Outline
from reconciler.kube.parent import Parent, Parents
from reconciler.kube.projection import autoscaler_owns_replicas, kept, owned_fields, union, without_replicas
from reconciler.kube.runs import Runs
from reconciler.kube.seen import Seen
from reconciler.kube.shown import check_deleted, shown
from reconciler.kube.shown import found as found_object
from reconciler.kube.verdicts import Moved, changed, check_applied, is_moved, moving
from reconciler.kube.wanted import Place, Scaled, Wanted, place_of, wanted
from reconciler.names import ObjectRef
from reconciler.specs.routes import is_of_a_canary
from reconciler.specs.ways import REPLICAS, Way, left_out
from reconciler.state.observed import Json

ATTEMPTS: Final = 5  # a controller that writes status moves the resourceVersion under us


class Writer:
    """Changes objects of releases whose parent this process has taken; safe for several threads."""

    def __init__(self, client: Client, discovery: Discovery, owner: Marks, parents: Parents) -> None:
        self._client = client
        self._discovery = discovery
        self._owner = owner
        self.held = Held(parents)
        self.name: Final = str(uuid4())  # on the runs of Jobs that this process counts on
        self.runs: Final = Runs(client)
        self._seen = Seen()

    def begin(self, release: str, generation: int, event: str, turn: int) -> None:
        """Take the release for this turn of this generation."""
        self._seen.forget()
        self.held.take(release, generation, event, turn)

    def saw(self, live: dict[Place, Json], at: float) -> None:
        """What a look found, begun `at` (monotonic); None: nothing. A first write needs no look of its own."""
        self._seen.keep(live, at)

    def apply(
        self,
        release: str,
        body: Json,
        *,
        generation: int,
        expected_uid: str,
        autoscaled: frozenset[Scaled],
        manner: Manner | None = None,
    ) -> None:
        """Server-side apply under our field manager."""
        how = manner or Manner()
        found = replace(self._wanted(release, body), ignored=how.ignored)
        what = f"applying {found.ref}"
        seen: Json = None
        for attempt in range(ATTEMPTS):
            live, at = self.look(found.path, found.ref, again=attempt > 0)
            parent = self.held.check_to_write(release, generation, found.ref, at)
            if live is None:
                self._check_absent_is_expected(what, expected_uid)
            if attempt and decided(live) != seen:
                raise moving(what)  # more than its status moved: whoever decided this looks again
            if live is None:
                parent = self.held.again(parent)
            else:
                self.check_existing(what, release, live, generation, expected_uid)
                if how.run:
                    self._check_run(found, parent, live, how.run)
            if self._apply_once(found, parent, live, autoscaled=found.scalable in autoscaled, how=how):
                return
            seen = decided(live)
        raise moving(what)

    def _apply_once(self, found: Wanted, parent: Parent, live: Json, *, autoscaled: bool, how: Manner) -> bool:
        """Whether it was applied; else the object is not at the version that was read."""
        what = f"applying {found.ref}"
        try:
            sent = self._marked(found, parent, live, autoscaled=autoscaled, how=how)
        except Moved:
            return False
        if live is not None and how.take:
            moved = self._take_over(found, live, sent, how.take)
            if moved is not None and is_moved(moved):
                return False
        answer = self._client.ask(_apply_request(found, what, sent))
        if answer.field_conflicts and all(map(marks.is_our_own, answer.field_conflicts)):  # no autoscaler any more
            answer = self._client.ask(_apply_request(found, what, sent, force=live is not None))
        if is_moved(answer):
            return False
        check_applied(answer, existed=live is not None)
        made = shown(answer.json, found.ref, what, uid=live["metadata"]["uid"] if live is not None else "")
        if not how.stopped:
            unmark(self._client, found.path, found.ref, made)
        if how.run:
            self.runs.know(made)
        if live is None and (is_of_a_canary(found.sent) or (how.run and answer.status == HTTPStatus.CREATED)):
            self._undo_unless_held(parent, found, made, run=bool(how.run))
        return True

    def _undo_unless_held(self, parent: Parent, found: Wanted, made: Json, *, run: bool) -> None:
        """A creation is fenced by nothing but the parent. Where somebody took the release while it was on its way (we
        stood still, or the network did), a canary that came too late goes again, if nobody has touched it, and so does
        the `run` of a Job, if nobody has claimed it (or it is stopped for good, or told); then raises Refused. Nothing
        else does: whoever took the release may have found it as wanted, and count on it.
        """
        deletion = partial(_deletion, found.path, found.ref)
        try:
            self.held.again(parent)
        except Refused as refused:
            if not run:
                self._client.ask(deletion(made))
                raise
            ways = (deletion, partial(_stop, found.path, found.ref))
            words = claims.take_away(self._client, found.path, found.ref, made, self.name, ways)
            if words:
                raise LeftBehind(f"{refused.message}; {words}", key=refused.key) from refused
            raise

    def claim(self, release: str, body: Json, *, run: str, generation: int, expected_uid: str) -> None:
        """Count on a run that was found, and is what this would make: who made it, and comes too late, leaves it."""
        found = self._wanted(release, body)
        what = f"claiming {found.ref}"
        for attempt in range(ATTEMPTS):
            live, at = self.look(found.path, found.ref, again=attempt > 0)
            if live is None:
                raise moving(what)  # whoever wants it run looks again
            parent = self.held.check(release, generation, at)
            self.check_existing(what, release, live, generation, expected_uid)
            self._check_run(found, parent, live, run)
            if claims.claimant(live) == self.name:
                return
            answer = self._client.ask(claims.claiming(found.path, found.ref, live, self.name))
            if not is_moved(answer):
                check_applied(answer, existed=True)
                return
        raise moving(what)

    def _check_run(self, found: Wanted, parent: Parent, live: Json, run: str) -> None:
        if not self.runs.knows(live):
            body = self._marked(found, parent, None, autoscaled=False, how=Manner(run=run))
            self.runs.check(found, body, run, live)

    def delete(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Delete it, and what it made, in the background."""

        def request(path: str, live: Json) -> Request:
            return _deletion(path, ref, live)

        self._leave(release, ref, generation, expected_uid, request)

    def forget(self, release: str, ref: ObjectRef, *, generation: int, expected_uid: str) -> None:
        """Take our marks and our ownership of fields away; every value stays (G28)."""

        def request(path: str, live: Json) -> Request:
            query = {"fieldManager": marks.FORGET_MANAGER}
            return Request(
                "PATCH", path, f"letting go of {ref}", query, without_us(live), MERGE_TYPE, secret=ref.kind == "Secret"
            )

        self._leave(release, ref, generation, expected_uid, request)

    def _leave(
        self,
        release: str,
        ref: ObjectRef,
        generation: int,
        expected_uid: str,
        request: Callable[[str, Json], Request],
    ) -> None:
        resource = self._discovery.preferred(ref.group, ref.kind)
        if resource is None:
            return  # the kind is not served any more: no object of it is left
        path = resource.path(ref.namespace, ref.name)
        for attempt in range(ATTEMPTS):
            live, at = self.look(path, ref, again=attempt > 0)
            self.held.check(release, generation, at)
            if live is None:
                return
            asked = request(path, live)
            if live["metadata"]["uid"] != expected_uid:
                raise changed(f"{asked.what}: it is not the object that was previewed")
            owner = self._owner.owner(live)
            if not owner and asked.method == "PATCH":
                return  # we let go of it already
            if not self._owner.is_ours(live) or owner != release:
                raise _not_ours(asked.what, owner)
            _check_newest(asked.what, live, generation)
            answer = self._client.ask(asked)
            if answer.absent:
                return
            if not is_moved(answer):
                check_applied(answer, existed=True)
                if asked.method == "DELETE":
                    check_deleted(answer, ref, uid=expected_uid)
                else:
                    shown(answer.json, ref, asked.what, uid=expected_uid)
                return
        raise moving(f"leaving {ref}")

    def look(self, path: str, ref: ObjectRef, *, again: bool) -> tuple[Json, float]:
        """The object, or None, and a time (monotonic) before which nothing of it was read."""
        what = f"reading {ref}"
        known = self._seen.pop(place_of(ref)) if not again else None
        if known is not None and not isinstance(known[0], Outline):
            return found_object(known[0], ref, what), known[1]
        at = time.monotonic()
        live = found_object(self._client.find(path, what, secret=ref.kind == "Secret"), ref, what)
        if known is not None and live is not None and version_of(live["metadata"]) == known[0].version:
            return live, known[1]  # it is what the look saw, so the parent that was read after it counts
        return live, at

    def _wanted(self, release: str, body: Json) -> Wanted:
        found = wanted(release, body, self._discovery.resource)
        if found.resource is None:
            raise Unavailable(
                f"applying {found.ref}: the server does not serve {found.ref.api_version} {found.ref.kind} yet",
                key="cluster_connect_failed",
            )
        return found

    def check_existing(self, what: str, release: str, live: Json, generation: int, expected_uid: str) -> None:
        """The object may be applied to: it is the previewed one, or the one that this very plan created before."""
        owner = self._owner.owner(live)
        if owner and not self._owner.is_ours(live):
            raise _not_ours(what, owner)
        _check_newest(what, live, generation)
        if expected_uid:
            if live["metadata"]["uid"] != expected_uid:
                raise changed(f"{what}: it is not the object that was previewed")
        elif owner != release or marks.generation_of(live) != generation:
            raise changed(f"{what}: it should not exist yet, but it does")

    def _check_absent_is_expected(self, what: str, expected_uid: str) -> None:
        if expected_uid:
            raise changed(f"{what}: the object that was previewed is gone")

    def _marked(self, found: Wanted, parent: Parent, live: Json, *, autoscaled: bool, how: Manner) -> Json:
        sent = found.sent if live is None else left_out(found.sent, found.left)
        autoscaled = autoscaled or (live is not None and (found.standing.scaled or autoscaler_owns_replicas(live)))
        annotations = {marks.GENERATION: str(parent.generation), marks.EVENT: parent.event}
        if recreate.leaves_rolling(sent, live):
            self._own_strategy(found, live)
        if how.stopped and traffic.concerns(found.ref, live, stopped=True):
            annotations |= traffic.mark_to_be(sent, how.replicas) if live is None else traffic.mark_of(live)
            sent = traffic.kept_stopped(sent)
        elif traffic.concerns(found.ref, live, stopped=False):
            pods = traffic.rescued(sent, live, others=autoscaled or found.uncounted)
            if pods is not None:
                keep_number(self._client, found.path, found.ref, live, pods)
                sent = traffic.without_number(found.ref.kind, sent)
        elif autoscaled:
            sent = without_replicas(sent)
        if live is not None:
            kept_away = traffic.concerns(found.ref, live, stopped=how.stopped)
            self._hand_over(found, live, (*found.left, REPLICAS) if autoscaled and not kept_away else found.left)
        labels = {marks.PART_OF: self._owner.applyset(found.release), marks.RELEASE: found.release}
        annotations |= {marks.CLAIMED: self.name} if how.run else {}
        body = marks.marked(sent, labels=labels | ({marks.RUN: how.run} if how.run else {}), annotations=annotations)
        if live is None and how.replicas and not how.stopped:
            body["spec"] = {**body["spec"], "replicas": how.replicas}
        if live is not None:
            seen = live["metadata"]
            body["metadata"].update(uid=seen["uid"], resourceVersion=seen["resourceVersion"])
        return body

    def _take_over(self, found: Wanted, live: Json, sent: Json, managers: frozenset[str]) -> Answer | None:
        """Move the ownership of what we are about to set; `live` and `sent` then stand at the version after it.

        Of an object that is ours already exactly the fields that others changed come back, and nothing else moves.
        """
        what = f"taking over {found.ref}"
        query = {"fieldManager": marks.FIELD_MANAGER, "dryRun": "All", "force": "true"}
        asked = self._client.ask(Request("PATCH", found.path, what, query, sent, APPLY_TYPE, secret=found.secret))
        if is_moved(asked):
            return asked
        check_applied(asked, existed=True)
        fields = owned_fields(asked.json)
        ours = self._owner.owner(live) == found.release
        patch = (adopt.taken_back if ours else adopt.ownership)(
            live, adopt.differing(live, asked.json, fields) if ours else fields, managers
        )
        if patch is None:
            return None
        query = {"fieldManager": adopt.TAKING}
        answer = self._client.ask(Request("PATCH", found.path, what, query, patch, MERGE_TYPE, secret=found.secret))
        if not is_moved(answer):
            check_applied(answer, existed=True)
            after = shown(answer.json, found.ref, what, uid=live["metadata"]["uid"])
            live["metadata"] = after["metadata"]
            sent["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"]
        return answer

    def _own_strategy(self, found: Wanted, live: Json) -> None:
        """Own the rolling strategy as it stands, with everything that we own already, so that the next apply can take
        it away (kube/recreate.py). Changes no value."""
        seen = live["metadata"]
        ours = kept(live, union(owned_fields(live), recreate.FIELDS))
        identity = {key: found.sent[key] for key in ("apiVersion", "kind")}
        names = {key: seen[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        body = {**ours, **identity, "metadata": {**ours.get("metadata", {}), **names}}
        query = {"fieldManager": marks.FIELD_MANAGER, "force": "false"}
        what = f"owning the strategy of {found.ref}"
        answer = self._client.send(Request("PATCH", found.path, what, query, body, APPLY_TYPE))
        live["metadata"] = shown(answer.json, found.ref, what, uid=seen["uid"])["metadata"]

    def _hand_over(self, found: Wanted, live: Json, ways: tuple[Way, ...]) -> None:
        """Let go of what is left to others, every value as it stands (handing_over.py)."""
        stale = handing_over.taken_again(live, found.left)
        if stale is not None:
            self._give_up(found, live, stale, MERGE_TYPE, {"fieldManager": adopt.TAKING})
        body = handing_over.handed_over(live, ways)  # of what is held after that, or it would be taken back with this
        if body is not None:
            query = {"fieldManager": marks.HAND_OVER_MANAGER, "force": "false"}
            self._give_up(found, live, body, APPLY_TYPE, query)

    def _give_up(self, found: Wanted, live: Json, sent: Json, kind: str, query: dict[str, str]) -> None:
        """Raises Moved where it is not at the version that was read; `live` then stands at the version after it."""
        what, seen = f"leaving fields of {found.ref} to others", live["metadata"]
        sent["metadata"] |= {key: seen[key] for key in ("uid", "resourceVersion")}
        answer = self._client.ask(Request("PATCH", found.path, what, query, sent, kind, secret=found.secret))
        if is_moved(answer):
            raise Moved
        check_applied(answer, existed=True)
        live["metadata"] = shown(answer.json, found.ref, what, uid=seen["uid"])["metadata"]


def _apply_request(found: Wanted, what: str, body: Json, *, force: bool = False) -> Request:
    query = {"fieldManager": marks.FIELD_MANAGER, "force": "true" if force else "false"}
    return Request("PATCH", found.path, what, query, body, APPLY_TYPE, secret=found.secret)


def _deletion(path: str, ref: ObjectRef, live: Json) -> Request:
    """Delete exactly this, as it was read."""
    seen = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": seen,
    }
    return Request("DELETE", path, f"deleting {ref}", None, body, JSON_TYPE, secret=ref.kind == "Secret")


def _stop(path: str, ref: ObjectRef, live: Json) -> Request | None:
    """Stop a run for good, at the version that was read; None where that is done."""
    turned = jobs.stopping(live)
    if turned is None:
        return None
    query = {"fieldManager": marks.FIELD_MANAGER, "force": "true"}
    return Request("PATCH", path, f"stopping {ref}", query, traffic.written(live, turned), APPLY_TYPE)


def _check_newest(what: str, live: Json, generation: int) -> None:
    if marks.generation_of(live) > generation:
        raise Refused(
            f"{what}: it was written by generation {marks.generation_of(live)}, which is newer than {generation}",
            key="resource_conflict",
        )


def _not_ours(what: str, owner: str) -> Refused:
    held = f"{owner} holds it" if owner else "no release of ours holds it"
    return Refused(f"{what}: {held}", key="owned_by_another")
