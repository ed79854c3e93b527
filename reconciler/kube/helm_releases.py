"""Helm's own history of a release, written as Helm writes it: so `helm list`, `history`, `status`, `get` and
`uninstall` say and do the truth about it.

The rules it keeps: every record is written while the release's parent is held (G25) and by compare-and-swap (a new
revision is created and never overwritten; the others carry the resourceVersion that was read); one intent makes one
revision, also where it is done again after a crash; the newest revision is what was previewed, or nothing is written
(G20); a release of Helm that is not ours is never touched.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from reconciler.errors import Refused
from reconciler.kube.answers import error_of
from reconciler.kube.client import Client, Request
from reconciler.kube.held import Held
from reconciler.kube.helm_records import (
    DEPLOYED,
    FAILED,
    SUPERSEDED,
    begun,
    ended,
    first_deployed,
    forgotten,
    ref_of,
    revision_of,
    superseded,
)
from reconciler.kube.lists import list_all
from reconciler.kube.marks import FIELD_MANAGER, Marks
from reconciler.kube.permissions import Need, lacking, missing
from reconciler.kube.shown import check_deleted, shown
from reconciler.ports import DesiredObjects, HelmEntry, HelmOutcome
from reconciler.state.observed import HelmRevision, Json, ObservedRelease

MOST_KEPT: Final = 10  # revisions, as Helm keeps by itself
VERBS: Final = ("list", "create", "update", "delete")
Records = list[tuple[HelmRevision, Json]]  # newest first


def needs_of(namespace: str) -> set[Need]:
    """What keeping a release of Helm in a namespace needs beside its objects."""
    return {Need(verb, "secrets", namespace, kind="Secret") for verb in VERBS}


class HelmReleases:
    """Reads and writes the records of releases of Helm; those that it writes are of releases that are held."""

    def __init__(self, client: Client, owner: Marks, held: Held) -> None:
        self._client = client
        self._owner = owner
        self._held = held
        self._write: Mapping[HelmOutcome, Callable[[DesiredObjects, HelmEntry, Records], None]] = {
            HelmOutcome.BEGUN: self._begin,
            HelmOutcome.DEPLOYED: self._deployed,
            HelmOutcome.FAILED: self._failed,
            HelmOutcome.UNINSTALLED: self._uninstall,
            HelmOutcome.FORGOTTEN: self._forget,
        }

    def added(
        self, asked: Iterable[DesiredObjects], seen: Mapping[str, ObservedRelease], *, rights: bool
    ) -> Mapping[str, ObservedRelease]:
        """What was seen, and of releases of Helm its newest revision, whoever wrote it; with `rights` those too."""
        found = dict(seen)
        for one in asked:
            if one.chart is not None:
                told = lacking(missing(self._client, needs_of(one.namespace))) if rights else ()
                newest = _newest(self._records(one.release, one.namespace))
                before = seen[one.release]
                found[one.release] = replace(before, helm=newest, lacking=tuple(sorted({*before.lacking, *told})))
        return found

    def record(self, wanted: DesiredObjects, entry: HelmEntry) -> None:
        """Write an entry; written already counts as done."""
        at = time.monotonic()
        records = self._records(wanted.release, wanted.namespace)
        self._held.check(wanted.release, entry.generation, at)
        self._write[entry.outcome](wanted, entry, records)

    def _records(self, release: str, namespace: str) -> Records:
        bodies = list_all(
            self._client,
            _collection(namespace),
            {"labelSelector": f"owner=helm,name={release}"},
            f"listing what Helm remembers of release {release}",
        )
        found = [(revision_of(body, self._owner), body) for body in bodies]
        return sorted(found, key=lambda pair: pair[0].number, reverse=True)

    def _begin(self, wanted: DesiredObjects, entry: HelmEntry, records: Records) -> None:
        newest, body = records[0] if records else (None, None)
        what = f"beginning a revision of Helm release {wanted.release}"
        if newest is not None:
            if not newest.ours:
                raise Refused(f"{what}: it is not this reconciler's", key="owned_by_another")
            if _is_this(newest, entry) and (newest.pending or newest.status == DEPLOYED):
                return  # begun before a crash, or done
        if str(newest or "") != entry.before and not _left_by(newest, entry):
            raise Refused(f"{what}: its newest is {newest}, and was {entry.before or 'none'}", key="target_changed")
        if newest is not None and newest.pending:
            if not newest.by_us:
                raise Refused(f"{what}: somebody else's helm is at work on it", key="resource_conflict")
            left = f"generation {newest.generation} of reconciler did not end it"
            self._put(wanted, newest, ended(body, FAILED, left, entry.at), what)
        number = newest.number + 1 if newest is not None else 1
        first = first_deployed(old for _, old in records)
        made = begun(wanted, entry, number, first, self._owner)
        answer = self._client.ask(Request("POST", _collection(wanted.namespace), what, _BY_US, made, secret=True))
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise error_of(answer)
        shown(answer.json, ref_of(wanted.namespace, wanted.release, number), what)

    def _deployed(self, wanted: DesiredObjects, entry: HelmEntry, records: Records) -> None:
        what = f"ending a revision of Helm release {wanted.release}"
        newest, body = records[0] if records else (None, None)
        if newest is None or not _is_this(newest, entry) or not (newest.pending or newest.status == DEPLOYED):
            raise Refused(f"{what}: somebody ran helm on it; its newest is {newest or 'gone'}", key="target_changed")
        for revision, old in records[1:]:
            if revision.status == DEPLOYED and revision.ours:
                self._put(wanted, revision, superseded(old, entry.at), what)
        if newest.pending:  # last, so that a crash in between is found as not done
            self._put(wanted, newest, ended(body, DEPLOYED, entry.words, entry.at), what)
        for revision, old in records[MOST_KEPT:]:
            if revision.ours:
                self._delete(wanted, revision, old)

    def _failed(self, wanted: DesiredObjects, entry: HelmEntry, records: Records) -> None:
        newest, body = records[0] if records else (None, None)
        if newest is not None and newest.by_us and newest.pending and newest.generation == entry.generation:
            what = f"ending a revision of Helm release {wanted.release}"
            self._put(wanted, newest, ended(body, FAILED, entry.words, entry.at), what)

    def _uninstall(self, wanted: DesiredObjects, entry: HelmEntry, records: Records) -> None:
        newest = records[0][0] if records else None
        if newest is not None and newest.ours and str(newest) != entry.before:
            message = (
                f"removing Helm release {wanted.release}: its newest is {newest}, and was {entry.before or 'none'}"
            )
            raise Refused(message, key="target_changed")
        for revision, body in reversed(records):  # the newest last: until then it says what there was
            if revision.ours:
                self._delete(wanted, revision, body)

    def _forget(self, wanted: DesiredObjects, _entry: HelmEntry, records: Records) -> None:
        for revision, body in reversed(records):
            if revision.ours:
                self._put(wanted, revision, forgotten(body), f"letting go of Helm release {wanted.release}")

    def _put(self, wanted: DesiredObjects, revision: HelmRevision, body: Json, what: str) -> None:
        ref = ref_of(wanted.namespace, wanted.release, revision.number)
        path = f"{_collection(wanted.namespace)}/{ref.name}"
        answer = self._client.ask(Request("PUT", path, what, _BY_US, body, secret=True))
        if answer.status != HTTPStatus.OK:
            raise error_of(answer)
        shown(answer.json, ref, what, uid=body["metadata"]["uid"])

    def _delete(self, wanted: DesiredObjects, revision: HelmRevision, body: Json) -> None:
        ref = ref_of(wanted.namespace, wanted.release, revision.number)
        seen = body["metadata"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": seen["uid"], "resourceVersion": seen["resourceVersion"]},
        }
        path = f"{_collection(wanted.namespace)}/{ref.name}"
        answer = self._client.ask(Request("DELETE", path, f"deleting {ref}", None, options, secret=True))
        if answer.absent:
            return
        if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise error_of(answer)
        check_deleted(answer, ref, uid=seen["uid"])


_BY_US: Final = {"fieldManager": FIELD_MANAGER}


def _collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"


def _newest(records: Records) -> HelmRevision | None:
    if not records:
        return None
    return replace(records[0][0], installed=any(one.status in {DEPLOYED, SUPERSEDED} for one, _ in records))


def _is_this(newest: HelmRevision, entry: HelmEntry) -> bool:
    """Whether this very intent wrote it."""
    return newest.by_us and (newest.generation, newest.artifact) == (entry.generation, entry.artifact)


def _left_by(newest: HelmRevision | None, entry: HelmEntry) -> bool:
    """Whether this very intent wrote it, and was told to have failed: it is tried again."""
    return newest is not None and _is_this(newest, entry) and newest.status == FAILED
