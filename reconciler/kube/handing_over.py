"""Fields of an object of ours that are left to others: given up with every value as it stands. Pure, over JSON.

An apply takes away what it does not say any more and nobody else holds. So before one leaves a field out, a manager of
our own that never sends anything else holds it as it stands; where somebody else holds it, nothing is to be done. What
is to be ours again is first taken from that manager, or it would stay for ever when the source drops it.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from reconciler.kube import adopt, marks
from reconciler.kube.projection import Fields, kept, owned_fields, union
from reconciler.specs.ways import ABSENT, Way, at, left_out, put_in, words
from reconciler.state.observed import Json

NUMBER_FIELDS: Fields = {"f:spec": {"f:replicas": {}, "f:suspend": {}}}


def as_it_stands(sent: Json, ways: Sequence[Way], live: Json) -> Json:
    """What a dry run is asked with: without what is left to others, but for what we hold of it now, as that stands."""
    if not ways:
        return sent
    owned, wanted = owned_fields(live), left_out(sent, ways)
    for way in ways:
        if _holds(owned, way) and at(live, way) is not ABSENT:
            wanted = put_in(wanted, way, at(live, way))
    return wanted


def moved(ways: Iterable[Way], live: Json, answered: Json) -> str:
    """The first of these fields that an apply would change, in words; empty: none."""
    return next((words(way) for way in ways if at(live, way) != at(answered, way)), "")


def handed_over(live: Json, ways: Sequence[Way]) -> Json:
    """An apply under HAND_OVER_MANAGER that holds what only we held of these fields; None where there is nothing."""
    ours, theirs = owned_fields(live), _held_by_others(live)
    alone = [_nested(way) for way in ways if _holds(ours, way) and not _holds(theirs, way)]
    return held_with(live, reduce(union, alone)) if alone else None


def held_with(live: Json, more: Fields) -> Json:
    """An apply under HAND_OVER_MANAGER of everything that it holds, and of these fields, as they stand."""
    body = kept(live, union(_held(live), more))
    names = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    metadata = {**body.get("metadata", {}), **names}
    return {**body, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def taken_again(live: Json, ways: Iterable[Way]) -> Json:
    """A merge patch of `managedFields` alone, after which HAND_OVER_MANAGER holds none but these; None: it does not."""
    left = reduce(union, map(_nested, ways), NUMBER_FIELDS)  # numbers of pods have rules of their own
    return adopt.holding_only(live, left, frozenset({marks.HAND_OVER_MANAGER}))


def _held(live: Json) -> Fields:
    entries = live["metadata"].get("managedFields") or ()
    fields = [one.get("fieldsV1") or {} for one in entries if one.get("manager") == marks.HAND_OVER_MANAGER]
    return reduce(union, fields, {})


def _held_by_others(live: Json) -> Fields:
    entries = live["metadata"].get("managedFields") or ()
    others = [one.get("fieldsV1") or {} for one in entries if one.get("manager") != marks.FIELD_MANAGER]
    return reduce(union, others, {})


def _holds(fields: Fields, way: Way) -> bool:
    for step in way:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _nested(way: Way) -> Fields:
    below: Fields = {}
    for step in reversed(way):
        below = {f"f:{step}": below}
    return below
