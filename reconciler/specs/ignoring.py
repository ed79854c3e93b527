"""What a release leaves to others: which fields of which object of its source, and which can never be left.

Pure. Rules: what is named is there, or is a problem at its line; a field that says what an object is, whom it selects,
how its release replaces it, or who owns it is nobody else's; nor are rights, nor what a Secret holds. An item of a list
is told by its name, and only in lists that the API server merges by it: any other list is one value to it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.errors import Problem
from reconciler.names import ObjectRef
from reconciler.specs.finding import VALIDATION, Hints
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.ignoring import IgnoredFields
from reconciler.specs.kinds.strategy import StrategyType
from reconciler.specs.objects import object_ref
from reconciler.specs.spec import Spec
from reconciler.specs.ways import Item, Way, all_ways, are_named, at, tokens, words

Object = Mapping[str, Any]

OURS: Final = ("opspilot.spec/", "applyset.kubernetes.io/", "meta.helm.sh/")  # names of labels and annotations
KEPT_KINDS: Final = {
    "Secret": "what a Secret holds is left to nobody: take it out of the source",
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), "rights are left to nobody"),
}
MOVED: Final = frozenset(  # written anew by strategies of several steps
    {"Deployment", "StatefulSet", "DaemonSet", "HorizontalPodAutoscaler", "Service", "HTTPRoute"}
)
AT_ONCE: Final = frozenset({StrategyType.ROLLING, StrategyType.RECREATE})
POD: Final[Way] = ("spec", "template", "metadata")
KEPT: Final[tuple[tuple[Way, str], ...]] = (
    (("apiVersion",), "it says what the object is"),
    (("kind",), "it says what the object is"),
    (("spec", "selector"), "it says whom the object selects"),
    (("spec", "podSelector"), "it says whom the object selects"),
    (("spec", "scaleTargetRef"), "it says whom the object scales"),
    ((*POD, "labels"), "selectors find the pods by them"),
    (("spec", "strategy"), "the release's strategy says it"),
    (("spec", "updateStrategy"), "the release's strategy says it"),
    (("status",), "nobody sends it"),
)
CONTAINERS: Final = frozenset({"containers", "initContainers"})
BY_NAME: Final = CONTAINERS | {"env", "volumes", "webhooks"}
BUILT_IN: Final = frozenset({"", "apps", "batch", "admissionregistration.k8s.io"})  # groups whose lists are known here


def check_ignored(release: Spec[Release], objects: Sequence[Object], problems: list[Problem], hints: Hints) -> None:
    """Add what cannot be left to others to `problems`, each at its line."""
    for number, one in enumerate(release.spec.ignore_differences):
        found = [item for item in objects if _is_meant(one, item)]
        if len(found) != 1:
            several = "several objects of the source are" if found else "no object of the source is"
            hint = "name its namespace, or group" if found else hints.near(one.name, _names(objects, one.kind))
            place = release.place_of("ignoreDifferences", number, "name")
            problems.append(Problem(place, VALIDATION, f"{several} {one.kind} {one.name}", hint))
            continue
        for index, pointer in enumerate(one.json_pointers):
            why = why_kept(found[0], pointer, release.spec.strategy.type)
            if why:
                place = release.place_of("ignoreDifferences", number, "jsonPointers", index)
                problems.append(Problem(place, VALIDATION, f"{pointer} of {one.kind} {one.name}: {why}"))


def ignored(release: Release, objects: Iterable[Object]) -> dict[ObjectRef, tuple[Way, ...]]:
    """By object, the ways that are left to others; those that a check refuses are left out."""
    found: dict[ObjectRef, tuple[Way, ...]] = {}
    if not release.ignore_differences:
        return found
    for item in objects:
        pointers = (p for one in release.ignore_differences if _is_meant(one, item) for p in one.json_pointers)
        ways = {way for p in pointers if not why_kept(item, p, release.strategy.type) for way in (way_of(item, p),)}
        if ways:
            found[object_ref(item)] = tuple(way for way in sorted(ways, key=words) if not _is_inside(way, ways))
    return found


def way_of(item: Object, pointer: str) -> Way:
    """Where a pointer leads in an object of the source; empty where that is no way that can be told by names."""
    value: Any = item
    way: Way = ()
    for token in tokens(pointer):
        if isinstance(value, list):
            if not (token.isdecimal() and int(token) < len(value) and are_named(value)):
                return ()
            value = value[int(token)]
            way = (*way, Item(value["name"]))
        elif isinstance(value, Mapping) and token in value:
            value, way = value[token], (*way, token)
        else:
            return ()
    return way


def why_kept(item: Object, pointer: str, strategy: StrategyType) -> str:
    """Why a field of an object is left to nobody; empty: it may be."""
    way = way_of(item, pointer)
    if item["kind"] in KEPT_KINDS:
        return KEPT_KINDS[item["kind"]]
    if strategy not in AT_ONCE and item["kind"] in MOVED:
        return f"a {strategy.value} release writes it anew in steps"
    if not way:
        listed = _is_there(item, pointer)
        return "items there have no names: name the whole list" if listed else "the source does not set it"
    return (
        _why_metadata(way)
        or _why_list(item, way)
        or _why_pods(item, way)
        or next((why for kept, why in KEPT if _meets(kept, way)), "")
    )


def _is_there(item: Object, pointer: str) -> bool:
    value: Any = item
    for token in tokens(pointer):
        if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        elif isinstance(value, Mapping) and token in value:
            value = value[token]
        else:
            return False
    return True


def _why_metadata(way: Way) -> str:
    if way == ("spec",):
        return "that would be everything; name fields of it"
    for around in (("metadata",), POD):
        if way[: len(around)] == around[: len(way)]:
            named = way[len(around) :]
            single = len(named) >= 2 and named[0] in ("labels", "annotations")
            if not single and not (around == POD and len(named) >= 1 and named[0] == "labels"):
                return "of metadata, single labels and annotations can be left to others"
            if str(named[-1]).startswith(OURS):
                return "the reconciler writes it, or reads what it is to do from it"
    return ""


def _why_list(item: Object, way: Way) -> str:
    for number, step in enumerate(way):
        if isinstance(step, Item):
            known = object_ref(item).group in BUILT_IN and way[number - 1] in BY_NAME
            if not known:
                return f"{words(way[:number])} is one value to the API server: name it whole"
            if way[number + 1 :] == ("name",):
                return "it says which item that is"
    return ""


def _why_pods(item: Object, way: Way) -> str:
    """What runs is what a release is about: left to others, it would be green and not what was approved."""
    if object_ref(item).group not in BUILT_IN:
        return ""
    below = way[-2:] if way[-1] == "image" else way[-1:]
    container = any(isinstance(step, Item) for step in below) and way[-len(below) - 1] in CONTAINERS
    return "it says what runs" if container or way[-1] in CONTAINERS or _holds(at(item, way)) else ""


def _holds(value: Any) -> bool:
    """Whether containers are somewhere below."""
    if isinstance(value, Mapping):
        return any(key in CONTAINERS or _holds(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_holds, value))


def _meets(kept: Way, way: Way) -> bool:
    """Whether one of them is in the other."""
    shorter = min(len(kept), len(way))
    return kept[:shorter] == way[:shorter]


def _is_inside(way: Way, ways: Iterable[Way]) -> bool:
    return any(len(other) < len(way) and way[: len(other)] == other for other in ways)


def _is_meant(one: IgnoredFields, item: Object) -> bool:
    ref = object_ref(item)
    group, namespace = one.group or ref.group, one.namespace or ref.namespace
    return (one.kind, one.name, group, namespace) == (ref.kind, ref.name, ref.group, ref.namespace)


def _names(objects: Iterable[Object], kind: str) -> list[str]:
    return [str(item["metadata"]["name"]) for item in objects if item["kind"] == kind]


def pointers_of(item: Object) -> Iterator[tuple[str, str]]:
    """Every field of an object, as a preview names it and as a JSON pointer."""
    return ((words(way), pointer) for way, pointer in all_ways(item))
