"""Canary: which Deployment of a release has one, what that is, and what a source must be so that it can be done.

NAME-canary runs the new pods beside NAME, under the labels that Services select and one more that tells them apart.
Nothing of it is in what a release wants: it stands only while a new version takes its share. Rule: what this version
does not do with a canary (several workloads, other routes than HTTPRoutes) is a problem with a place, never half done.
"""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.colours import LONGEST, Items, selects
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.strategy import StrategyType
from reconciler.specs.routes import CANARY, TRACK, check_routes, told_apart
from reconciler.specs.spec import Spec

SUFFIX = f"-{CANARY}"
COUNTS, SIZES = "scaleTargetRef", "targetRef"  # by which autoscalers name whose number, or size, of pods they set


def check_canary(release: Spec[Release], items: Items, problems: list[Problem]) -> None:
    """Add what stands in the way of a canary to `problems`."""
    if release.spec.strategy.type is not StrategyType.CANARY:
        return
    place = release.place_of("strategy", "type")
    objects = [item for item, _ in items]
    found = _selected(objects)
    if len(found) != 1 or found[0]["kind"] != "Deployment" or not isinstance(found[0]["spec"].get("selector"), dict):
        listed = ", ".join(f"{item['kind']} {item['metadata']['name']}" for item in found) or "none"
        message = f"a canary needs exactly one Deployment that Services of the source select; here: {listed}"
        problems.append(Problem(place, VALIDATION, message))
        return
    name = found[0]["metadata"]["name"]
    if any(item["metadata"]["name"] == name + SUFFIX and item["kind"] == "Deployment" for item in objects):
        problems.append(Problem(place, VALIDATION, f"the name {name}{SUFFIX} is taken by the source itself"))
    if len(name + SUFFIX) > LONGEST:
        message = f"its canary would be named {name}{SUFFIX}, which is longer than {LONGEST} characters"
        problems.append(Problem(place, VALIDATION, message, "choose a shorter name"))
    check_routes(items, found[0], problems)
    for item in objects:
        spec = item.get("spec")
        if isinstance(spec, dict) and _names(spec.get(SIZES), found[0]):
            message = f"a canary beside {item['kind']} {item['metadata']['name']}, which sizes pods, is not done"
            problems.append(Problem(place, VALIDATION, f"{message} by this version", "use rolling or blue_green"))


def tracked(release: Spec[Release], items: Items) -> Items:
    """What is sent: where a canary has weights of HTTPRoutes, with labels that tell the old pods from the new."""
    stable = stable_of(item for item, _ in items) if release.spec.strategy.canary is not None else None
    return told_apart(items, stable) if stable is not None else items


def stable_of(objects: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The Deployment that has a canary; asked of checked objects."""
    found = _selected(list(objects))
    return found[0] if len(found) == 1 and found[0]["kind"] == "Deployment" else None


def scaler_of(objects: Iterable[Mapping[str, Any]], stable: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The autoscaler that has the number of its pods, where the source has one."""
    for item in objects:
        spec = item.get("spec")
        if isinstance(spec, dict) and _names(spec.get(COUNTS), stable):
            return item
    return None


def range_of(scaler: Mapping[str, Any]) -> tuple[int, int] | None:
    """The fewest and the most pods that an autoscaler of Kubernetes may set; None where it says it in other words."""
    fewest, most = scaler["spec"].get("minReplicas", 1), scaler["spec"].get("maxReplicas")
    known = scaler["kind"] == "HorizontalPodAutoscaler" and isinstance(fewest, int) and isinstance(most, int)
    return (fewest, most) if known else None


def canary_of(stable: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The canary of a Deployment, with so many pods."""
    spec, template = stable["spec"], stable["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), TRACK: CANARY}
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), TRACK: CANARY}}
    marked = {**template, "metadata": {**metadata, "labels": labels}}
    named = {**stable["metadata"], "name": stable["metadata"]["name"] + SUFFIX}
    wanted = {**spec, "replicas": replicas, "selector": selector, "template": marked}
    return {**stable, "metadata": named, "spec": wanted}


def replicas_of(stable: Mapping[str, Any]) -> int:
    """How many pods a Deployment wants; the server's default where it does not say."""
    found = stable["spec"].get("replicas", 1)
    return found if isinstance(found, int) else 1


def pods_for(weight: int, replicas: int) -> int:
    """How many pods of a canary are a share of these, in percent: rounded up, and never none."""
    return max(1, ceil(weight * replicas / 100))


def uncounted(body: Any) -> Any:
    """A Deployment without its number of pods."""
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict) or "replicas" not in spec:
        return body
    return {**body, "spec": {key: value for key, value in spec.items() if key != "replicas"}}


def _selected(objects: list[Any]) -> list[Any]:
    services = [item for item in objects if item["kind"] == "Service"]
    return [item for item in objects if any(selects(service, item) for service in services)]


def _names(target: Any, workload: Mapping[str, Any]) -> bool:
    named = (workload["kind"], workload["metadata"]["name"])
    return isinstance(target, dict) and (target.get("kind"), target.get("name")) == named
