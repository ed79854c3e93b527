"""What a release leaves to others: which fields of which object of its source.

Pure. Rules: only fields that are known to be one value of their own, and that say nothing of what runs, can be left;
each is named alone, never a mapping or a list around it. What is named is there, or is a problem at its line. Rights
are left to nobody, nor is what a Secret holds.
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
from reconciler.specs.ways import ABSENT, REPLICAS, Way, all_ways, at, tokens, words

Object = Mapping[str, Any]

# Beginnings of names of labels and annotations that we or Helm read, that selectors use, or that say what may run.
KEPT_NAMES: Final = (
    "opspilot.spec/",
    "applyset.kubernetes.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "app.kubernetes.io/",
    "pod-security.kubernetes.io/",
)
KEPT_LABELS: Final = frozenset({"app"})
KEPT_KINDS: Final = {
    "Secret": "what a Secret holds is left to nobody: take it out of the source",
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), "rights are left to nobody"),
}
MOVED: Final = frozenset(  # written anew by strategies of several steps
    {"Deployment", "StatefulSet", "DaemonSet", "HorizontalPodAutoscaler", "Service", "HTTPRoute"}
)
AT_ONCE: Final = frozenset({StrategyType.ROLLING, StrategyType.RECREATE})
LEFT: Final[Mapping[tuple[str, str], frozenset[Way]]] = {  # by group and kind, beside labels and annotations
    **dict.fromkeys((("apps", kind) for kind in ("Deployment", "StatefulSet", "ReplicaSet")), frozenset({REPLICAS})),
    ("autoscaling", "HorizontalPodAutoscaler"): frozenset({("spec", "minReplicas"), ("spec", "maxReplicas")}),
}
MAY: Final = (
    "only single keys of a ConfigMap's data, of metadata.labels and of metadata.annotations, spec.replicas of a"
    " Deployment, StatefulSet or ReplicaSet, and spec.minReplicas and spec.maxReplicas of a HorizontalPodAutoscaler"
    " can be left to others"
)


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


def ignored(
    release: Release, objects: Iterable[Object], returned_from: Release | None = None
) -> dict[ObjectRef, tuple[Way, ...]]:
    """By object, the ways that are left to others; those that a check refuses are left out.

    `returned_from`: the version that a return leaves; what others have since that came they keep.
    """
    found: dict[ObjectRef, tuple[Way, ...]] = {}
    rules = release.ignore_differences + (returned_from.ignore_differences if returned_from is not None else ())
    if not rules:
        return found
    for item in objects:
        pointers = [p for one in rules if _is_meant(one, item) for p in one.json_pointers]
        ways = {tokens(p) for p in pointers if not why_kept(item, p, release.strategy.type)}
        if ways:
            found[object_ref(item)] = tuple(sorted(ways))
    return found


def why_kept(item: Object, pointer: str, strategy: StrategyType) -> str:
    """Why a field of an object is left to nobody; empty: it may be."""
    way, value = tokens(pointer), at(item, tokens(pointer))
    if item["kind"] in KEPT_KINDS:
        return KEPT_KINDS[item["kind"]]
    if strategy not in AT_ONCE and item["kind"] in MOVED:
        return f"a {strategy.value} release writes it anew in steps"
    if not _may_be_left(object_ref(item), way):
        return MAY
    if way[0] == "metadata" and _is_kept(object_ref(item), way[1], way[2]):
        return "the reconciler or Helm writes it, or selectors and admission read it"
    if value is ABSENT or value is None:
        return "the source does not set it"
    return MAY if isinstance(value, (Mapping, list)) else ""


def _may_be_left(ref: ObjectRef, way: Way) -> bool:
    single = len(way) == 3 and way[:2] in (("metadata", "labels"), ("metadata", "annotations"))
    key = (ref.group, ref.kind) == ("", "ConfigMap") and len(way) == 2 and way[0] == "data"
    return single or key or way in LEFT.get((ref.group, ref.kind), ())


def _is_kept(ref: ObjectRef, where: str, name: str) -> bool:
    selected = where == "labels" and (name in KEPT_LABELS or ref.kind == "Pod")
    return selected or name.startswith(KEPT_NAMES)


def _is_meant(one: IgnoredFields, item: Object) -> bool:
    ref = object_ref(item)
    group, namespace = ref.group if one.group is None else one.group, one.namespace or ref.namespace
    return (one.kind, one.name, group, namespace) == (ref.kind, ref.name, ref.group, ref.namespace)


def _names(objects: Iterable[Object], kind: str) -> list[str]:
    return [str(item["metadata"]["name"]) for item in objects if item["kind"] == kind]


def pointers_of(item: Object) -> Iterator[tuple[str, str]]:
    """Every field of an object, as a preview names it and as a JSON pointer."""
    return ((words(way), pointer) for way, pointer in all_ways(item))
