"""Fields of an object of ours that are left to others: given up with every value as it stands. Pure, over JSON.

An apply takes away what it does not say any more and nobody else holds. So before one leaves a field out, a manager of
our own that never sends anything else holds it as it stands; where somebody else holds it, nothing is to be done. What
is to be ours again is first taken from that manager, or it would stay for ever when the source drops it.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
"""

import json
from collections.abc import Iterable, Sequence
from functools import reduce

from reconciler.kube import adopt, marks
from reconciler.kube.projection import Fields, kept, owned_fields, project, union
from reconciler.specs.ways import ABSENT, Item, Way, at, left_out, words
from reconciler.state.observed import Json

NAME: Fields = {"f:name": {}}
NUMBER_FIELDS: Fields = {"f:spec": {"f:replicas": {}, "f:suspend": {}}}
NUMBERS: frozenset[Way] = frozenset({("spec", "replicas"), ("spec", "suspend")})


def as_it_stands(sent: Json, ways: Sequence[Way], live: Json) -> Json:
    """What a dry run is asked with: without what is left to others, but for what we hold of it now, as that stands."""
    if not ways:
        return sent
    owned, wanted = owned_fields(live), left_out(sent, ways)
    for way, below in ((way, _below(owned, way)) for way in ways):
        if below is not None and at(live, way) is not ABSENT:
            fields = _nested(way, below)
            wanted = _merged(wanted, project(live, fields))
    return wanted


def moved(ways: Iterable[Way], live: Json, answered: Json) -> str:
    """The first of these fields that an apply would change, in words; empty: none."""
    return next((words(way) for way in ways if at(live, way) != at(answered, way)), "")


def handed_over(live: Json, ways: Sequence[Way]) -> Json:
    """An apply under HAND_OVER_MANAGER that holds what only we held of these fields; None where there is nothing."""
    if not ways:
        return None
    ours, theirs = owned_fields(live), _held_by_others(live)
    alone = [
        _nested(way, left)
        for way in ways
        for left in (_alone(_below(ours, way), _below(theirs, way)),)
        if left is not None
    ]
    if not alone:
        return None
    return held_with(live, reduce(union, alone))


def held_with(live: Json, more: Fields) -> Json:
    """An apply under HAND_OVER_MANAGER of everything that it holds, and of these fields, as they stand."""
    body = kept(live, union(_held(live), more))
    names = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    metadata = {**body.get("metadata", {}), **names}
    return {**body, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def taken_again(live: Json, ways: Iterable[Way]) -> Json:
    """A merge patch of `managedFields` alone, after which HAND_OVER_MANAGER holds none but these; None: it does not."""
    left = reduce(union, (_nested(way, {}) for way in ways), NUMBER_FIELDS)  # numbers of pods have rules of their own
    return adopt.holding_only(live, left, frozenset({marks.HAND_OVER_MANAGER}))


def _held(live: Json) -> Fields:
    entries = live["metadata"].get("managedFields") or ()
    fields = [one.get("fieldsV1") or {} for one in entries if one.get("manager") == marks.HAND_OVER_MANAGER]
    return reduce(union, fields, {})


def _held_by_others(live: Json) -> Fields:
    entries = live["metadata"].get("managedFields") or ()
    others = [one.get("fieldsV1") or {} for one in entries if one.get("manager") != marks.FIELD_MANAGER]
    return reduce(union, others, {})


def _below(fields: Fields, way: Way) -> Fields | None:
    """What is held at a way; None where nothing is, an empty mapping where it is held as one value."""
    for number, step in enumerate(way):
        head = _head(fields, step)
        if head is None:
            return fields if number and not fields else None  # something around it is held as one value
        fields = fields[head]
    return fields


def _head(fields: Fields, step: str | Item) -> str | None:
    if isinstance(step, str):
        return f"f:{step}" if f"f:{step}" in fields else None
    named = (head for head in fields if head.startswith("k:") and json.loads(head[2:]) == {"name": step.name})
    return next(named, None)


def _alone(ours: Fields | None, theirs: Fields | None) -> Fields | None:
    """What only we hold of it; None: nothing."""
    if ours is None or theirs == {}:
        return None
    if theirs is None or not _is_some(ours):
        return ours if theirs is None else None
    left = adopt.without(ours, theirs)
    return left if _is_some(left) else None


def _nested(way: Way, below: Fields) -> Fields:
    for step in reversed(way):
        below = {f"f:{step}": below} if isinstance(step, str) else {_key(step): {**NAME, **below}}
    return below


def _key(item: Item) -> str:
    return "k:" + json.dumps({"name": item.name}, separators=(",", ":"))


def _is_some(fields: Fields) -> bool:
    return any(head != "." for head in fields)


def _merged(one: Json, other: Json) -> Json:
    """Both: mappings by their keys, items of lists by their names."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: _merged(one[key], value) if key in one else value for key, value in other.items()}}
    if isinstance(one, list) and isinstance(other, list):
        known = {item["name"]: item for item in other if isinstance(item, dict) and "name" in item}
        mine = [
            _merged(item, known.pop(item["name"], {})) if isinstance(item, dict) and "name" in item else item
            for item in one
        ]
        return [*mine, *known.values()]
    return other
