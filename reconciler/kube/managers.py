"""Who holds which fields of an object, and since when: `managedFields` as people can read it.

Pure functions over one object's JSON. Names fields and managers and never a value. Lists are named as a preview names
them: an item by its `name` where all have one, by its position otherwise.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.kube import marks
from reconciler.kube.projection import Fields
from reconciler.plan.stopped import has_none
from reconciler.state.observed import Holder, Json, ObjectHistory

OURS = frozenset({marks.FIELD_MANAGER, marks.HAND_OVER_MANAGER, marks.FORGET_MANAGER})


def history(body: Json) -> ObjectHistory:
    """Everybody who holds fields of an object, ourselves among them, and the last event of ours that touched it."""
    stopped = marks.stopped_at(body)
    left = stopped if stopped and has_none(str(body.get("kind", "")), body) else None
    return ObjectHistory(event=marks.event_of(body), holders=tuple(_holders(body)), stopped=left)


def _holders(body: Json) -> Iterator[Holder]:
    for entry in body.get("metadata", {}).get("managedFields") or ():
        paths = tuple(paths_of(body, entry.get("fieldsV1") or {}))
        if paths:
            yield Holder(
                manager=str(entry.get("manager", "")),
                operation=str(entry.get("operation", "")),
                subresource=str(entry.get("subresource", "")),
                at=str(entry.get("time", "")),
                paths=paths,
                ours=entry.get("manager") in OURS,
            )


def paths_of(body: Json, fields: Fields) -> Iterator[str]:
    """The dotted paths of the leaves of some fields, without our own marks."""
    for path in _paths(body, fields, ""):
        if path.partition("s.")[2] not in marks.OUR_LABELS | marks.OUR_ANNOTATIONS or not path.startswith("metadata."):
            yield path


def _paths(value: Json, fields: Fields, path: str) -> Iterator[str]:
    inner = {head: below for head, below in fields.items() if head != "."}
    if not inner:
        if path:
            yield path
        return
    for head, below in inner.items():
        kind, _, text = head.partition(":")
        if kind == "f":
            under = value.get(text) if isinstance(value, dict) else None
            yield from _paths(under, below, f"{path}.{text}" if path else text)
        else:
            name, item = _item(value, kind, text)
            yield from _paths(item, below, f"{path}{name}")


def _item(value: Json, kind: str, text: str) -> tuple[str, Json]:
    """How an item of a list is named, and the item where it is there."""
    key = json.loads(text)
    items = value if isinstance(value, list) else []
    if kind == "i":
        return f"[{key}]", items[key] if key < len(items) else None
    for index, item in enumerate(items):
        if item == key or (kind == "k" and isinstance(item, dict) and _matches(item, key)):
            return _name(items, index), item
    return "[?]", None


def _matches(item: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(item.get(name) == wanted for name, wanted in key.items())


def _name(items: list[Any], index: int) -> str:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    distinct = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return f"[name={names[index]}]" if distinct else f"[{index}]"
