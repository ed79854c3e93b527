"""Desired objects as they are sent: identified, placed, cleaned, and without what an autoscaler owns.

Asks only which kinds are served, and knows nothing of live objects. The rule it keeps: preview and apply send
what this module made, so they send the same.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from reconciler.errors import Rejected
from reconciler.kube.discovery import ApiResource
from reconciler.kube.projection import sendable
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.specs.ways import NUMBERS, REPLICAS, Way
from reconciler.state.observed import Json

AUTOSCALER = "HorizontalPodAutoscaler"
DEFINITION = "CustomResourceDefinition"
Scaled = tuple[str, str, str]  # kind, namespace, name of what an autoscaler scales
ResourceOf: TypeAlias = Callable[[str, str, str], ApiResource | None]  # group, version, kind -> where it is served
Place = tuple[str, str, str, str]  # group, kind, namespace, name: an identity whatever the version


@dataclass(frozen=True, slots=True)
class Wanted:
    """One desired object. `resource` is None where the server does not serve its kind."""

    release: str
    ref: ObjectRef
    resource: ApiResource | None
    sent: Json = field(repr=False)
    scaled: bool = False  # an autoscaler in the same look scales it, or its pods are kept away
    stopped: bool = False  # the traffic of its release is stopped
    ignored: tuple[Way, ...] = ()  # left to others: sent with its creation alone, and never compared

    @property
    def standing(self) -> "Wanted":
        """As it is compared with an object that is there: a number of pods that is left to others is as an
        autoscaler's."""
        return replace(self, scaled=True) if REPLICAS in self.ignored and not self.scaled else self

    @property
    def left(self) -> tuple[Way, ...]:
        """What is left to others beside the number of pods."""
        return tuple(way for way in self.ignored if way != REPLICAS)

    @property
    def uncounted(self) -> bool:
        """Whether how many pods it has, or whether it rests, is left to others."""
        return not NUMBERS.isdisjoint(self.ignored)

    @property
    def secret(self) -> bool:
        """Whether what the server says about it may hold a secret."""
        return self.ref.kind == "Secret"

    @property
    def fault(self) -> str:
        """What the server would answer with an error of its own (500) instead of naming it; empty: nothing known."""
        values = self.sent.get("data") if self.secret else None
        wrong = [key for key, value in values.items() if not _is_base64(value)] if isinstance(values, dict) else []
        return f"data of {', '.join(sorted(wrong))} is not base64 (the values are not shown)" if wrong else ""

    @property
    def scalable(self) -> Scaled:
        """How an autoscaler would name it."""
        return (self.ref.kind, self.ref.namespace, self.ref.name)

    @property
    def path(self) -> str:
        """Where it is served; asked only where it is."""
        assert self.resource is not None  # noqa: S101  callers have looked
        return self.resource.path(self.ref.namespace, self.ref.name)


def _is_base64(value: Json) -> bool:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (ValueError, AttributeError):
        return False
    return True


def place_of(ref: ObjectRef) -> Place:
    """The identity under which live objects are found."""
    return (ref.group, ref.kind, ref.namespace, ref.name)


def ref_of(body: Json) -> ObjectRef:
    """The identity that a body states."""
    group, slash, version = str(body.get("apiVersion", "")).rpartition("/")
    metadata = body.get("metadata") or {}
    name, kind = metadata.get("name"), body.get("kind")
    if not (isinstance(name, str) and name and isinstance(kind, str) and kind and version):
        raise Rejected(
            "reading a desired object: apiVersion, kind and metadata.name are needed", key="validation_error"
        )
    return ObjectRef(group if slash else "", version, kind, str(metadata.get("namespace") or ""), name)


def wanted_of(desired: DesiredObjects, resource_of: ResourceOf) -> Iterator[Wanted]:
    """The desired objects of one release, in order. Raises Rejected where two of them are one object."""
    seen: set[Place] = set()
    for body in desired.objects:
        stated = ref_of(body)
        if not concerns(desired, stated.group, stated.kind):
            continue
        found = wanted(desired.release, body, resource_of, namespace=desired.namespace)
        if desired.ignored:
            found = replace(found, ignored=desired.ignored.get(stated, ()))
        if place_of(found.ref) in seen:
            raise Rejected(
                f"reading the objects of release {desired.release}: {found.ref} is there twice", key="validation_error"
            )
        seen.add(place_of(found.ref))
        yield replace(found, stopped=desired.stopped) if desired.stopped else found


def concerns(desired: DesiredObjects, group: str, kind: str) -> bool:
    """Whether a look for this release is at such objects."""
    return not desired.only or (group, kind) in desired.only


def wanted(release: str, body: Json, resource_of: ResourceOf, *, namespace: str = "") -> Wanted:
    """One desired object; a namespaced one without a namespace goes to the given one."""
    stated = ref_of(body)
    resource = resource_of(stated.group, stated.version, stated.kind)
    where = stated.namespace or namespace
    if resource is not None and not resource.namespaced:
        where = ""
    elif resource is not None and not where:
        raise Rejected(f"reading the objects of release {release}: {stated} has no namespace", key="validation_error")
    ref = ObjectRef(stated.group, stated.version, stated.kind, where, stated.name)
    sent = sendable(body)
    metadata = {key: value for key, value in sent["metadata"].items() if key != "namespace"}
    return Wanted(release, ref, resource, {**sent, "metadata": {**metadata, **({"namespace": where} if where else {})}})


def scaled_by(objects: Iterable[Wanted]) -> frozenset[Scaled]:
    """What the autoscalers among these objects scale."""
    return frozenset(
        (str(target.get("kind")), found.ref.namespace, str(target.get("name")))
        for found in objects
        if found.ref.kind == AUTOSCALER
        for target in [(found.sent.get("spec") or {}).get("scaleTargetRef") or {}]
    )


def new_kinds(objects: Iterable[Wanted]) -> frozenset[tuple[str, str]]:
    """Group and kind of what the definitions among these objects define."""
    return frozenset(
        (str(spec.get("group")), str((spec.get("names") or {}).get("kind")))
        for found in objects
        if found.ref.kind == DEFINITION
        for spec in [found.sent.get("spec") or {}]
    )
