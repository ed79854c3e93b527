"""Objects of a release's source with the places they are written at: what every Kubernetes object has, checked.

Knows the shape that every Kubernetes object has and no kind's fields. Rules: names that become part of an address are
checked here; an object is said once in a release.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.names import ObjectRef
from reconciler.specs.cluster_scoped import CLUSTER_SCOPED, declared_cluster_scoped, group_of
from reconciler.specs.finding import CONFLICT, VALIDATION
from reconciler.specs.kinds.fields import LABEL
from reconciler.specs.nodes import pointer
from reconciler.specs.substitute import Steps

_API_VERSION = re.compile(r"([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?v[0-9a-z]+", re.ASCII)
_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}", re.ASCII)
_NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9][-A-Za-z0-9._:]{0,252}", re.ASCII)  # RBAC names hold ':'
_NAMESPACE = re.compile(LABEL, re.ASCII)


@dataclass(frozen=True, slots=True)
class Placed:
    """An object, the file it is in, its way within the document, and the document's known places."""

    value: dict[str, Any]
    path: str
    way: Steps
    places: Mapping[str, list[int]]
    sealed: bool = False  # it was encrypted

    def place(self, *steps: str | int) -> Place:
        """Where a part of it is written; the nearest known part around it."""
        way = [*self.way, *steps]
        while True:
            match self.places.get(pointer(way)):
                case [int(line), int(column)]:
                    return Place(self.path, line, column)
            if not way:
                return Place(self.path)
            way.pop()


def flattened(document: Placed, problems: list[Problem]) -> list[Placed]:
    """The objects of a document: itself, or those of its List."""
    match document.value:
        case {"apiVersion": "v1", "kind": "List", "items": list(items)}:
            parts = [
                Placed(item, document.path, (*document.way, "items", number), document.places)
                for number, item in enumerate(items)
            ]
            return [one for part in parts for one in flattened(part, problems)]
        case {}:
            return [document]
        case _:
            problems.append(
                Problem(document.place(), VALIDATION, "an object is a mapping with apiVersion, kind and metadata.name")
            )
            return []


def is_object(item: Placed, problems: list[Problem]) -> bool:
    """Whether it has an identity; every problem with it is noted."""
    metadata = item.value.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    wanted = (
        (item.value.get("apiVersion"), _API_VERSION, ("apiVersion",), "such as apps/v1"),
        (item.value.get("kind"), _KIND, ("kind",), "such as Deployment"),
        (fields.get("name"), _NAME, ("metadata", "name"), "letters, digits, '-', '.' and ':'"),
        (
            fields.get("namespace", "default"),
            _NAMESPACE,
            ("metadata", "namespace"),
            "lower case letters, digits and '-'",
        ),
    )
    good = "sops" not in item.value
    if not good:
        message = "what SOPS encrypted stands in a document of its own"
        problems.append(Problem(item.place(), VALIDATION, message, "take it out of the list"))
    for value, pattern, steps, words in wanted:
        if not (isinstance(value, str) and pattern.fullmatch(value)):
            good = False
            name = ".".join(steps)
            problems.append(Problem(item.place(*steps), VALIDATION, f"an object needs {name}, {words}"))
    return good


def default_namespaces(objects: list[dict[str, Any]], namespace: str) -> None:
    """Put checked objects that name no namespace and need one into this one."""
    without = CLUSTER_SCOPED | declared_cluster_scoped(objects)
    for item in objects:
        if (group_of(item["apiVersion"]), item["kind"]) not in without:
            item["metadata"] = {**item["metadata"], "namespace": item["metadata"].get("namespace", namespace)}


def object_ref(item: Mapping[str, Any]) -> ObjectRef:
    """The identity of a checked object."""
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item["metadata"]
    return ObjectRef(group, version, item["kind"], metadata.get("namespace", ""), metadata["name"])


def named_in(value: Any) -> str:
    """Kind and name of what may be an object; empty where it says none."""
    match value:
        case {"kind": str(kind), "metadata": {"name": str(name)}}:
            return f"{kind[:60]} {name[:80]}"
    return ""


def identity(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What makes two objects the same: group, kind, namespace and name, whatever the version."""
    ref = object_ref(item)
    return ref.group, ref.kind, ref.namespace, ref.name


def once(items: list[Placed], problems: list[Problem]) -> None:
    """Note every object that was said before."""
    first: dict[tuple[str, str, str, str], Placed] = {}
    for item in items:
        before = first.setdefault(identity(item.value), item)
        if before is not item:
            message = f"{object_ref(item.value)} is also at {before.place()}"
            problems.append(Problem(item.place(), CONFLICT, message, "keep one of them"))
