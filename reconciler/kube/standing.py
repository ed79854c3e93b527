"""What stands on a cluster of what releases own or want, by place: bodies, and outlines where those are enough.

A list by ApplySet label is the truth of each look; nothing that an earlier look saw takes its place. Where most of many
objects are known to be as wanted, the server is asked for their metadata alone: an object whose version is known needs
no more, of the few others each is read, and where they are not few, all are listed with what they hold. The rules it
keeps: a list that cannot be read fails the look (never an absence); an outline is left only of what is wanted and
known at that very version, or somebody else's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from reconciler.errors import Rejected
from reconciler.kube import marks
from reconciler.kube.client import WORKERS, Client
from reconciler.kube.discovery import ApiResource, Discovery
from reconciler.kube.known import Known
from reconciler.kube.lists import list_all, list_metadata
from reconciler.kube.marks import Marks
from reconciler.kube.outline import Outline, Outlines
from reconciler.kube.parent import Parent
from reconciler.kube.wanted import Place, Wanted, concerns, place_of, ref_of
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.state.observed import Failure, Json
from reconciler.together import all_of

IDS_IN_ONE_LIST: Final = 50  # 60 characters each in the query: well under what servers take as a URL
MANY: Final = 100  # wanted in one list: fewer are listed with what they hold, in one page
FEW: Final = 16  # one in so many (and so many in any case) is read by itself
FROM_MEMORY: Final = (1, 31)  # the first version that answers consistent lists from memory

Listed: TypeAlias = tuple[ApiResource, str]
Live: TypeAlias = dict[Place, Json]  # a body, an Outline, or a Failure where it could not be read


class Standing:
    """Of one cluster; shared by looks, of which there is one at a time."""

    def __init__(self, client: Client, discovery: Discovery, owner: Marks, known: Known) -> None:
        self._client = client
        self._discovery = discovery
        self._owner = owner
        self._known = known
        self._outlines = Outlines(owner)
        self._versions: list[tuple[int, int]] = []  # of the server, once it was asked

    def through(self, client: Client) -> "Standing":
        """The same, asked for by this client."""
        look = copy(self)
        look._client = client
        return look

    def of(self, asked: Iterable[DesiredObjects], wanted: list[Wanted], parents: Mapping[str, Parent]) -> Live:
        """Everything that the releases own, and everything that is wanted and exists."""
        known = {desired.release: desired for desired in asked}
        live = self._owned(
            {name: self._where(one, parents[name], wanted) for name, one in known.items() if name in parents}, wanted
        )
        missing = [found for found in wanted if found.resource is not None and place_of(found.ref) not in live]
        bodies = all_of([partial(self._find, found) for found in missing], WORKERS)
        live.update(
            {place_of(found.ref): body for found, body in zip(missing, bodies, strict=True) if body is not None}
        )
        # An object of ours whose release has no parent: somebody removed the parent. What else it owns is looked for
        # among the kinds that it wants; the generation comes back from the objects themselves.
        lost = {
            name
            for name in known.keys() - set(parents)
            if any(isinstance(body, dict) and self._owner.holds(name, body) for body in bodies)
        }
        live.update(self._owned({name: self._where(known[name], Parent(name), wanted) for name in lost}, wanted))
        return live

    def _where(self, desired: DesiredObjects, parent: Parent, wanted: Iterable[Wanted]) -> set[Listed]:
        """Where objects of this release may be: all remembered kinds in all remembered namespaces, and the wanted."""
        places = {
            (found.resource, found.ref.namespace)
            for found in wanted
            if found.release == desired.release and found.resource is not None
        }
        for group, kind in (one for one in parent.kinds if concerns(desired, *one)):
            resource = self._discovery.preferred(group, kind)
            if resource is not None:  # a kind that is not served any more has no objects
                places |= {(resource, name) for name in (parent.namespaces if resource.namespaced else {""})}
        # One kind is listed once, whichever of its versions is wanted: the wanted version has come first.
        once: dict[tuple[str, str, str], Listed] = {}
        for resource, namespace in sorted(places, key=lambda place: place[0].api_version, reverse=True):
            once[(resource.group, resource.kind, namespace)] = (resource, namespace)
        return set(once.values())

    def _owned(self, places: Mapping[str, set[Listed]], wanted: Iterable[Wanted]) -> Live:
        """What carries the ApplySet label of these releases: one list for each place, for many releases at once."""
        releases: defaultdict[Listed, list[str]] = defaultdict(list)
        for name in sorted(places):
            for place in places[name]:
                releases[place].append(name)
        wants: defaultdict[Place, list[Wanted]] = defaultdict(list)
        for found in wanted:
            wants[place_of(found.ref)].append(found)
        tasks = [
            partial(self._listed, resource, namespace, names[start : start + IDS_IN_ONE_LIST], wants)
            for (resource, namespace), names in sorted(releases.items())
            for start in range(0, len(names), IDS_IN_ONE_LIST)
        ]
        return {place: body for found in all_of(tasks, WORKERS) for place, body in found.items()}

    def _listed(
        self, resource: ApiResource, namespace: str, names: list[str], wants: Mapping[Place, list[Wanted]]
    ) -> Live:
        """What these releases own of one kind in one namespace."""
        ids = ",".join(self._owner.applyset(name) for name in names)
        query = {"labelSelector": f"{marks.PART_OF} in ({ids})"}
        what = f"listing {resource.plural}" + (f" in {namespace}" if namespace else "")
        here = [
            one
            for (group, kind, place, _), found in wants.items()
            if (group, kind, place) == (resource.group, resource.kind, namespace)
            for one in found
            if one.release in names
        ]
        many = len(here) >= MANY and self._answers_from_memory()
        if many and _few(sum(not self._known.has(one) for one in here), len(here)):
            items = list_metadata(self._client, resource.path(namespace), query, what)
            if items is not None:
                outlines = self._outlines.read(f"{what} {ids}", resource.group, resource.kind, items)
                live = self._filled(resource, outlines, wants)
                if live is not None:
                    return live
                self._client.drop(sum(map(len, items)))
        bodies = list_all(self._client, resource.path(namespace), query, what, whole=many)
        return {place_of(ref_of(body)): body for body in bodies}

    def _filled(
        self, resource: ApiResource, outlines: Iterable[Outline], wants: Mapping[Place, list[Wanted]]
    ) -> Live | None:
        """Outlines where those are enough and bodies of the others; None where that is not worth it."""
        live: Live = {one.place: one for one in outlines}
        missing = [place for place, one in live.items() if not is_enough(one, wants.get(place, ()), self._known)]
        if not _few(len(missing), len(live)):
            return None
        try:
            bodies = all_of([partial(self._read, resource, place) for place in missing], WORKERS)
        except Rejected:  # a right to list is none to read each: the list is what may be seen
            return None
        live.update(zip(missing, bodies, strict=True))
        return {place: body for place, body in live.items() if body is not None}

    def _read(self, resource: ApiResource, place: Place) -> Json:
        """The body at a place; None where it is gone meanwhile."""
        _, kind, namespace, name = place
        ref = ObjectRef(resource.group, resource.version, kind, namespace, name)
        return self._client.find(resource.path(namespace, name), f"reading {ref}", secret=kind == "Secret")

    def _find(self, found: Wanted) -> Json | Failure:
        try:
            return self._client.find(found.path, f"reading {found.ref}", secret=found.secret)
        except Rejected as error:  # it may not be read: a fault of this object, and not its absence
            return Failure(error.key, error.message)

    def _answers_from_memory(self) -> bool:
        """Whether this server answers consistent lists from memory; asked once."""
        if not self._versions:
            told = self._client.get("/version", "reading the cluster's version")
            numbers = ["".join(filter(str.isdigit, str(told.get(key, "")))) for key in ("major", "minor")]
            self._versions.append((int(numbers[0] or 0), int(numbers[1] or 0)))
        return self._versions[0] >= FROM_MEMORY


def is_enough(one: Outline, wants: Iterable[Wanted], known: Known) -> bool:
    """Whether nothing more of it is needed: it is wanted, and known to be as it is wanted by each."""
    asked = [replace(found, scaled=True) if one.autoscaled else found.standing for found in wants]
    return bool(asked) and all(
        one.owner == found.release and not one.deleting and known.holds(found, one.version)
        if one.ours
        else bool(one.owner)
        for found in asked
    )


def _few(some: int, of: int) -> bool:
    return some <= FEW or some * FEW <= of
