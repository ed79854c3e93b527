"""Server-side apply on plain JSON: which fields a body sets, merging it in, taking fields away, who owns what.

Knows the keyed lists of the built-in kinds by name (KEYED) instead of their schemas; every other list is one value. The
form is that of `fieldsV1`: a path is a tuple of `f:NAME`, `k:{"name":"web"}` and `.`. Pure functions over JSON.
Rules: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]
FieldSet = frozenset[Path]

ITSELF: Final = "."
KEYED: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "hostAliases": ("ip",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}
PORTS: Final = ("containerPort", "port")  # whichever the items have; always together with the protocol
KEY_DEFAULTS: Final = {"protocol": "TCP"}
# Identity and what the server itself writes belong to no manager.
UNOWNED: Final = frozenset({"apiVersion", "kind", "status"})
UNOWNED_METADATA: Final = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
)


def owned_part(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without identity, status and what the server writes."""
    part = {key: value for key, value in body.items() if key not in UNOWNED and key != "metadata"}
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key not in UNOWNED_METADATA}
    return {**part, "metadata": metadata} if metadata else part


def fields_of(body: Mapping[str, Any]) -> FieldSet:
    """Every field that a body sets."""
    return frozenset(_fields(owned_part(body), (), ""))


def _fields(value: Any, path: Path, name: str) -> Iterator[Path]:
    keys = keys_of(name, value)
    if keys:
        for item in value:
            inner = (*path, element(item, keys))
            yield (*inner, ITSELF)
            yield from _fields(item, inner, "")
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, (*path, f"f:{key}"), key)
    elif path:
        yield path


def keys_of(name: str, value: Any) -> tuple[str, ...]:
    """The key fields of a keyed list; empty for anything else."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return ()
    keys = KEYED.get(name, ())
    if name == "ports":
        keys = next(((key, "protocol") for key in PORTS if all(key in item for item in value)), ())
    return keys if keys and all(keys[0] in item for item in value) else ()


def element(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    """The `k:` element of a list's item."""
    key = {name: item.get(name, KEY_DEFAULTS.get(name)) for name in keys}
    return "k:" + json.dumps(key, separators=(",", ":"), sort_keys=True)


def merged(live: Any, sent: Any, name: str = "") -> Any:
    """`live` with `sent` laid over it."""
    if isinstance(live, dict) and isinstance(sent, dict):
        result = dict(live)
        for key, value in sent.items():
            result[key] = merged(live.get(key), value, key)
        return result
    keys = keys_of(name, sent)
    if keys and isinstance(live, list):
        items = {element(item, keys): item for item in live}
        for item in sent:
            items[element(item, keys)] = merged(items.get(element(item, keys)), item)
        return list(items.values())
    return copy.deepcopy(sent)


def without(value: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """A copy without these fields; what becomes empty goes too."""
    result = copy.deepcopy(value)
    # Deepest first, and an item before its fields: without its key it could not be found any more.
    for path in sorted(paths, key=lambda path: (-len(path), path[-1] != ITSELF)):
        _remove(result, path)
    return result


def _remove(holder: Any, path: Path) -> None:
    head, rest = path[0], path[1:]
    if head.startswith("f:") and isinstance(holder, dict):
        name = head[2:]
        if rest:
            _remove(holder.get(name), rest)
        if not rest or holder.get(name) in ({}, []):
            holder.pop(name, None)
    elif head.startswith("k:") and isinstance(holder, list):
        item = item_of(holder, head)
        if item is None:
            return
        if rest == (ITSELF,):
            holder.remove(item)
        elif rest:
            _remove(item, rest)


def item_of(items: list[Any], head: str) -> Any:
    """The item of a keyed list that a `k:` element names, or None."""
    key = json.loads(head[2:])
    for item in items:
        if isinstance(item, dict) and all(item.get(k, KEY_DEFAULTS.get(k)) == v for k, v in key.items()):
            return item
    return None


def value_at(value: Any, path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    for head in path:
        if head == ITSELF:
            return True
        if head.startswith("f:"):
            value = value.get(head[2:]) if isinstance(value, dict) else None
        else:
            value = item_of(value, head) if isinstance(value, list) else None
        if value is None:
            return None
    return value


def to_fields_v1(paths: FieldSet) -> dict[str, Any]:
    """The nested form that an object carries."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        place = root
        for head in path:
            place = place.setdefault(head, {})
    return root


def from_fields_v1(nested: Mapping[str, Any], path: Path = ()) -> FieldSet:
    """The set that the nested form stands for."""
    if not nested:
        return frozenset({path} if path else ())
    return frozenset().union(*(from_fields_v1(inner, (*path, head)) for head, inner in nested.items()))
