"""Which fields of an object are ours, and what stands in them: pure functions over JSON and `managedFields`.

The rule it keeps (G9, and the reason why a dry run leaks nothing): what leaves this adapter of a live object or of a
dry run's answer is only what our field manager sends or owns. Defaults, status, other managers' fields and the
server's own metadata never pass. The server says which fields are ours, by its own schemas; no schema is known here.
fieldsV1: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from reconciler.kube.marks import FIELD_MANAGER, unmarked
from reconciler.state.observed import Json

Fields = Mapping[str, Any]  # nested fieldsV1

SENT_METADATA: Final = frozenset({"labels", "annotations", "finalizers", "ownerReferences"})

AUTOSCALER_MANAGER: Final = "kube-controller-manager"


def sendable(body: Json) -> Json:
    """What we send of a desired object: identity and content, no status, no marks, nothing that the server writes.

    `stringData` of a Secret becomes `data`, as the server would make it: a write-only field cannot be compared.
    """
    metadata = body.get("metadata") or {}
    kept = {key: value for key, value in metadata.items() if key in SENT_METADATA or key in ("name", "namespace")}
    sent = {key: value for key, value in body.items() if key not in ("status", "metadata", "stringData")}
    text = body.get("stringData")
    if text and body.get("kind") == "Secret" and all(isinstance(value, str) for value in text.values()):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        sent["data"] = {**(sent.get("data") or {}), **encoded}
    elif "stringData" in body:
        sent["stringData"] = text
    cleaned = unmarked({**sent, "metadata": kept})
    return {**cleaned, "metadata": cleaned.get("metadata", {})}


def content(sent: Json) -> Json:
    """What is compared of a sent object: without identity."""
    metadata = {key: value for key, value in sent["metadata"].items() if key in SENT_METADATA}
    rest = {key: value for key, value in sent.items() if key not in ("apiVersion", "kind", "metadata")}
    return unmarked({**rest, "metadata": metadata})


def owned_fields(body: Json) -> Fields:
    """The fields that we applied, as the server remembers them."""
    found: Fields = {}
    for entry in body.get("metadata", {}).get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            found = union(found, entry.get("fieldsV1") or {})
    return found


def project(body: Json, fields: Fields) -> Json:
    """What stands in these fields, without our marks."""
    return unmarked(_project(body, fields))


def kept(body: Json, fields: Fields) -> Json:
    """What stands in these fields, our marks among them: to be sent again as it is."""
    return _project(body, fields)


def union(one: Fields, other: Fields) -> Fields:
    """The fields of both."""
    return {
        key: union(one.get(key, {}), other.get(key, {})) for key in [*one, *(key for key in other if key not in one)]
    }


def equal(one: Json, other: Json) -> bool:
    """Equality of JSON: `1` is not `true`, and the order of keys says nothing."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def without_replicas(body: Json) -> Json:
    """A copy without `spec.replicas`."""
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict) or "replicas" not in spec:
        return body
    rest = {key: value for key, value in spec.items() if key != "replicas"}
    outer = {key: value for key, value in body.items() if key != "spec"}
    return {**outer, "spec": rest} if rest else outer


def owns_replicas(fields: Fields) -> bool:
    """Whether `spec.replicas` is among these fields."""
    return "f:replicas" in fields.get("f:spec", {})


def autoscaler_owns_replicas(body: Json) -> bool:
    """Whether the HorizontalPodAutoscaler's controller set the live number of replicas."""
    return any(
        entry.get("manager") == AUTOSCALER_MANAGER
        and entry.get("subresource") == "scale"
        and owns_replicas(entry.get("fieldsV1") or {})
        for entry in body.get("metadata", {}).get("managedFields") or ()
    )


def _project(value: Json, fields: Fields) -> Json:
    inner = {head: below for head, below in fields.items() if head != "."}
    if isinstance(value, dict):
        return dict(_members(value, inner))
    if isinstance(value, list) and inner:
        return list(_items(value, inner))
    return value


def _members(value: Mapping[str, Any], fields: Fields) -> Iterator[tuple[str, Json]]:
    for head, below in fields.items():
        name = head.removeprefix("f:")
        if head.startswith("f:") and name in value:
            yield name, _project(value[name], below) if below else value[name]


def _items(value: list[Any], fields: Fields) -> Iterator[Json]:
    keyed = [(_parsed(head[2:]), below) for head, below in fields.items() if head.startswith("k:")]
    plain = [_parsed(head[2:]) for head in fields if head.startswith("v:")]
    for position, item in enumerate(value):
        if item in plain:
            yield item
        elif f"i:{position}" in fields:
            below = fields[f"i:{position}"]
            yield _project(item, below) if below else item
        else:
            for key, below in keyed:
                if isinstance(item, dict) and all(item.get(name) == wanted for name, wanted in key.items()):
                    yield _project(item, below)
                    break


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Json:
    """What stands in the name of a list's item; the same few in every object, and never changed."""
    return json.loads(text)
