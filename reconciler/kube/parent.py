"""The ApplySet parent of a release: one ConfigMap that remembers the generation, the last event, and where its objects
are.

It always stands in one namespace of the cluster (`default` unless the connection says otherwise), because that exists
before any plan and is found again whatever a release is renamed to. The rules it keeps (G25): the generation only
grows, and within one generation the turn does (each recorded intent of a plan is a turn: of two workers on one, who
stood still has the lower). Every change is a compare-and-swap by resourceVersion; kinds and namespaces are
remembered before the first object is created there and are never taken back, so what a release owns can always be
found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from reconciler.errors import Refused, Unavailable
from reconciler.kube import marks
from reconciler.kube.answers import error_of
from reconciler.kube.client import Client, Request
from reconciler.kube.discovery import GroupKind
from reconciler.kube.lists import list_all
from reconciler.kube.marks import Marks
from reconciler.kube.shown import found as found_object
from reconciler.kube.shown import shown
from reconciler.names import ObjectRef
from reconciler.state.observed import Json

ATTEMPTS: Final = 4  # of a compare-and-swap; each failure means that somebody else wrote


@dataclass(frozen=True, slots=True)
class Parent:
    """What the target remembers of a release."""

    release: str
    generation: int = 0
    turn: int = 0
    event: str = ""
    kinds: frozenset[GroupKind] = frozenset()
    namespaces: frozenset[str] = frozenset()
    version: str = ""  # its resourceVersion; empty: it does not exist
    body: Json = field(default=None, repr=False)


class Parents:
    """Reads and writes the parents of one reconciler on one cluster."""

    def __init__(self, client: Client, owner: Marks) -> None:
        self._client = client
        self._owner = owner
        self._collection = f"/api/v1/namespaces/{quote(owner.parent_namespace, safe='')}/configmaps"

    def through(self, client: Client) -> "Parents":
        """The same, asked for by this client."""
        return Parents(client, self._owner)

    def all(self) -> Mapping[str, Parent]:
        """Every parent of ours, by release: one LIST."""
        query = {"labelSelector": f"{marks.APPLYSET_ID},{marks.RELEASE}"}
        bodies = list_all(self._client, self._collection, query, "listing the parents of releases")
        parents = (_parsed(body) for body in bodies)
        return {found.release: found for found in parents if self._is_own(found)}

    def read(self, release: str) -> Parent:
        """The parent as it stands; without a version where there is none."""
        what = f"reading the parent of release {release}"
        body = found_object(self._client.find(self._path(release), what), self._ref(release), what)
        if body is None:
            return Parent(release)
        found = _parsed(body)
        if found.release != release or not self._is_own(found):
            raise Refused(
                f"reading the parent of release {release}: ConfigMap {self._owner.parent_name(release)} is not ours",
                key="owned_by_another",
            )
        return found

    def take(self, release: str, generation: int, event: str, turn: int = 0) -> Parent:
        """Make this turn of this generation the newest. An equal one is a resume. Raises Refused where a newer one
        holds it."""
        for _ in range(ATTEMPTS):
            found = self.read(release)
            if found.generation > generation:
                raise Refused(
                    f"beginning generation {generation} of release {release}: the cluster remembers generation "
                    f"{found.generation}, so this plan is not the newest",
                    key="resource_conflict",
                    hint="Nothing is applied by an older plan; look at who else reconciles this cluster.",
                )
            if (found.generation, found.turn) > (generation, turn):
                raise _overtaken(found)
            if (found.generation, found.turn, found.event) == (generation, turn, event) and found.version:
                return found
            written = self._write(replace(found, generation=generation, turn=turn, event=event))
            if written is not None:
                return written
        raise _moving(release)

    def again(self, held: Parent) -> Parent:
        """The parent read anew. Raises Refused where it is not held as it was."""
        found = self.read(held.release)
        check_held(found, held.generation, held.turn)
        return found

    def remember(self, held: Parent, kinds: Iterable[GroupKind], namespaces: Iterable[str]) -> Parent:
        """The parent read anew and still held, with these kinds and namespaces remembered."""
        for _ in range(ATTEMPTS):
            found = self.again(held)
            more = replace(found, kinds=found.kinds | set(kinds), namespaces=found.namespaces | set(namespaces))
            if more == found:
                return found
            written = self._write(more)
            if written is not None:
                return written
        raise _moving(held.release)

    def _write(self, wanted: Parent) -> Parent | None:
        """The parent as written, or None where somebody else wrote first."""
        body = self._rendered(wanted)
        query = {"fieldManager": marks.FIELD_MANAGER}
        method, path = ("PUT", self._path(wanted.release)) if wanted.version else ("POST", self._collection)
        what = f"recording generation {wanted.generation} of release {wanted.release}"
        answer = self._client.ask(Request(method, path, what, query, body))
        if answer.status == HTTPStatus.CONFLICT or (answer.absent and wanted.version):
            return None
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise error_of(answer)
        uid = wanted.body["metadata"]["uid"] if wanted.version else ""
        written = _parsed(shown(answer.json, self._ref(wanted.release), what, uid=uid))
        if replace(written, version="", body=None) != replace(wanted, version="", body=None):
            raise Unavailable(f"{what}: the server's answer does not show it", key="cluster_connect_failed")
        return written

    def _ref(self, release: str) -> ObjectRef:
        return ObjectRef("", "v1", "ConfigMap", self._owner.parent_namespace, self._owner.parent_name(release))

    def _rendered(self, wanted: Parent) -> Json:
        """The ConfigMap; what others wrote on it stays."""
        body: dict[str, Any] = dict(wanted.body or {"apiVersion": "v1", "kind": "ConfigMap"})
        metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
        metadata["name"] = self._owner.parent_name(wanted.release)
        metadata["namespace"] = self._owner.parent_namespace
        if wanted.version:
            metadata["resourceVersion"] = wanted.version
        labels = {marks.APPLYSET_ID: self._owner.applyset(wanted.release), marks.RELEASE: wanted.release}
        annotations = {
            marks.APPLYSET_TOOLING: marks.TOOLING,
            marks.APPLYSET_KINDS: ",".join(sorted(f"{kind}.{group}".rstrip(".") for group, kind in wanted.kinds)),
            # The parent's own namespace is named too where it is used: nothing else is ever listed there.
            marks.APPLYSET_NAMESPACES: ",".join(sorted(wanted.namespaces - {""})),
            marks.GENERATION: str(wanted.generation),
            marks.EVENT: wanted.event,
            marks.TURN: str(wanted.turn),
        }
        return marks.marked({**body, "metadata": metadata}, labels=labels, annotations=annotations)

    def _path(self, release: str) -> str:
        return f"{self._collection}/{quote(self._owner.parent_name(release), safe='')}"

    def _is_own(self, found: Parent) -> bool:
        metadata = found.body["metadata"]
        own = (self._owner.parent_name(found.release), self._owner.applyset(found.release))
        return own == (metadata["name"], metadata.get("labels", {}).get(marks.APPLYSET_ID))


def check_held(found: Parent, generation: int, turn: int | None = None) -> None:
    """Raises Refused where this generation, and this turn of it, does not hold the release (any more)."""
    if not found.version or found.generation != generation:
        raise Refused(
            f"applying generation {generation} of release {found.release}: the cluster remembers generation "
            f"{found.generation}; nothing more of this plan is applied",
            key="resource_conflict",
            hint="Another plan took over, or the parent object was removed; a new preview shows what is left to do.",
        )

    if turn is not None and found.turn != turn:
        raise _overtaken(found)


def _overtaken(found: Parent) -> Refused:
    return Refused(
        f"applying generation {found.generation} of release {found.release}: another worker went on with this plan",
        key="resource_conflict",
        hint="Nothing more is written from here; the audit branch says how the plan went on.",
    )


def _parsed(body: Json) -> Parent:
    metadata = body["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    kinds = (text.partition(".") for text in _listed(annotations, marks.APPLYSET_KINDS))
    return Parent(
        release=labels.get(marks.RELEASE, ""),
        generation=marks.generation_of(body),
        turn=marks.counted(body, marks.TURN),
        event=annotations.get(marks.EVENT, ""),
        kinds=frozenset((group, kind) for kind, _, group in kinds),
        namespaces=frozenset(_listed(annotations, marks.APPLYSET_NAMESPACES)),
        version=metadata["resourceVersion"],
        body=body,
    )


def _listed(annotations: Mapping[str, str], name: str) -> list[str]:
    return [part for part in annotations.get(name, "").split(",") if part]


def _moving(release: str) -> Unavailable:
    return Unavailable(
        f"recording the generation of release {release}: its parent keeps changing under us", key="resource_conflict"
    )
