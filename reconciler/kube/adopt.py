"""Taking over an object that runs already: whose fields become ours, and the patch that moves their ownership (G27).

Server-side apply shares a field whose value is equal, and the next change of it would meet the other manager. So what
an approved plan named is moved first: our fields leave the entries of exactly those managers, in `managedFields` alone.
No value changes by that, nothing restarts, and the apply after it is as unforced as any other: whoever was not named
still stops it.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.kube import marks
from reconciler.kube.cleaning import DEFAULTS
from reconciler.kube.managers import OURS, paths_of
from reconciler.kube.projection import Fields
from reconciler.state.observed import Holder, Json, ObservedObject

# Controllers that would put back what we change, by the field manager that they write as (G27).
ACTIVE: Final = {
    "helm": "Helm",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "fleetagent": "Fleet",
    "kapp-controller": "kapp-controller",
}


def taken_over(seen: ObservedObject, live: Json, fields: Fields) -> ObservedObject:
    """An object of nobody's that we would apply: with those who hold the fields that we would set.

    Where one of them is a controller that works, it is the owner, and no value is known (G4).
    """
    holders = tuple(_holders(live, fields))
    for one in holders:
        if one.manager in ACTIVE:
            owner = f"{ACTIVE[one.manager]} (field manager {one.manager})"
            return replace(seen, owner=owner, live=None, result=None, conflicts=())
    return replace(seen, holders=holders)


def _holders(live: Json, fields: Fields) -> Iterator[Holder]:
    for entry in _entries(live):
        if entry.get("manager") in OURS or entry.get("subresource") == "status":
            continue
        held = entry.get("fieldsV1") or {}
        paths = tuple(paths_of(live, shared(held, fields)))
        if paths:
            yield Holder(
                manager=str(entry.get("manager", "")),
                operation=str(entry.get("operation", "")),
                subresource=str(entry.get("subresource", "")),
                at=str(entry.get("time", "")),
                paths=paths,
                ours=False,
                defaults=tuple(paths_of(live, without(defaulted(live, held), fields))),
            )


def ownership(live: Json, fields: Fields, managers: frozenset[str]) -> Json:
    """A merge patch that takes some fields out of what these managers hold; None where they hold none of them."""
    return _moved(live, managers, lambda held: _left(live, held, fields))


def taken_back(live: Json, fields: Fields, managers: frozenset[str]) -> Json:
    """The same for an object that is ours already: these fields and no other, for what else they hold is theirs."""
    return _moved(live, managers, lambda held: without(held, fields))


def holding_only(live: Json, fields: Fields, managers: frozenset[str]) -> Json:
    """A merge patch after which these managers hold none but these fields; None where they hold no other."""
    return _moved(live, managers, lambda held: _within(held, fields))


def _within(held: Fields, fields: Fields) -> Fields:
    found: dict[str, Any] = {}
    for head in held.keys() & fields.keys():
        left = _within(held[head], fields[head]) if _inner(fields[head]) else held[head]
        if _inner(left) or not _inner(fields[head]):
            found[head] = left
    return {**found, **({".": {}} if found and "." in held else {})}


def differing(live: Json, wanted: Json, fields: Fields) -> Fields:
    """Those of some fields whose values are not the same."""
    found: dict[str, Any] = {}
    for head, below in fields.items():
        if not head.startswith(("f:", "k:")):
            continue
        one, other = _item(live, head), _item(wanted, head)
        if not _inner(below):
            if one != other:
                found[head] = below
        elif inside := differing(one, other, below):
            found[head] = inside
    return found


def _moved(live: Json, managers: frozenset[str], left_of: Callable[[Fields], Fields]) -> Json:
    entries = [
        {**entry, "fieldsV1": left_of(entry.get("fieldsV1") or {})}
        if entry.get("manager") in managers and entry.get("subresource") != "status"
        else entry
        for entry in _entries(live)
    ]
    if entries == _entries(live):
        return None
    metadata = live["metadata"]
    left = [entry for entry in entries if entry.get("fieldsV1")]
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "managedFields": left or [{}],  # an empty list would mean "as it was"; one empty entry means none
        }
    }


def _left(live: Json, held: Fields, fields: Fields) -> Fields:
    """What a manager keeps: neither what we set, nor what only the server's defaults recorded for it. Those are values
    that nobody wrote, and whoever sets one of them later would meet a manager that never meant it."""
    rest = without(held, fields)
    return rest if rest == held else without(rest, defaulted(live, rest))


def defaulted(value: Json, fields: Fields) -> Fields:
    """Those of some fields that stand as the server puts them in."""
    found: dict[str, Any] = {}
    for head, below in fields.items():
        if not head.startswith(("f:", "k:")):
            continue
        name, inner = head.removeprefix("f:"), _item(value, head)
        if inner is None:
            continue
        if head.startswith("f:") and inner in DEFAULTS.get(name, ()):
            found[head] = below
        elif inside := defaulted(inner, below):
            found[head] = inside
    return found


def _item(value: Json, head: str) -> Json:
    """What an `f:` or a `k:` names; None where it is not there."""
    if head.startswith("f:"):
        return value.get(head.removeprefix("f:")) if isinstance(value, dict) else None
    return _keyed(value, head)


def _keyed(value: Json, head: str) -> Json:
    """The item of a list that a `k:` names."""
    wanted = json.loads(head[2:]) if head.startswith("k:") else None
    if wanted is None or not isinstance(value, list):
        return None
    return next((item for item in value if isinstance(item, dict) and wanted.items() <= item.items()), None)


def shared(one: Fields, other: Fields) -> Fields:
    """The fields that are in both; a map or list as such is not told."""
    found: dict[str, Any] = {}
    for key in one.keys() & other.keys() - {"."}:
        if _inner(one[key]) and _inner(other[key]):
            below = shared(one[key], other[key])
            if below:
                found[key] = below
        else:
            found[key] = {}
    return found


def without(one: Fields, other: Fields) -> Fields:
    """The fields of one that are not in the other; what becomes empty goes."""
    found: dict[str, Any] = {}
    for key, below in one.items():
        if key not in other:
            found[key] = below
        elif _inner(below) and _inner(other[key]):
            left = without(below, other[key])
            if left:
                found[key] = left
        elif _inner(below):
            found[key] = below  # we hold the whole as one field and they a part of it: theirs is not ours to name
    return found


def _inner(fields: Mapping[str, Any]) -> bool:
    return any(key != "." for key in fields)


def _entries(live: Json) -> list[dict[str, Any]]:
    return list(live.get("metadata", {}).get("managedFields") or ())


TAKING: Final = marks.FORGET_MANAGER  # who writes nothing but `managedFields`
