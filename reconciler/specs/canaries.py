"""Canary: which Deployment of a release has one, what that is, and what a source must be so that it can be done.

NAME-canary runs the new pods beside NAME, under the labels that Services select and one more that tells them apart.
Nothing of it is in what a release wants: it stands only while a new version takes its share. Rule: what this version
does not do with a canary (autoscalers, Gateway API, several workloads) is a problem with a place, never half done.
"""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.colours import LONGEST, REFERENCES, Items, selects
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.strategy import StrategyType
from reconciler.specs.spec import Spec

TRACK = "opspilot.spec/track"  # label of a canary's pods
CANARY = "canary"
SUFFIX = f"-{CANARY}"


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
    for item in objects:
        spec = item.get("spec")
        if isinstance(spec, dict) and any(_names(spec.get(field), found[0]) for field in REFERENCES):
            message = f"a canary beside an autoscaler ({item['kind']} {item['metadata']['name']}) is not done"
            problems.append(Problem(place, VALIDATION, f"{message} by this version", "use rolling or blue_green"))
        if item["kind"] in ("HTTPRoute", "GRPCRoute"):
            message = f"a canary by the weights of a {item['kind']} is not done by this version"
            problems.append(Problem(place, VALIDATION, message, "use rolling or blue_green"))


def stable_of(objects: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The Deployment that has a canary; asked of checked objects."""
    found = _selected(list(objects))
    return found[0] if len(found) == 1 and found[0]["kind"] == "Deployment" else None


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


def _selected(objects: list[Any]) -> list[Any]:
    services = [item for item in objects if item["kind"] == "Service"]
    return [item for item in objects if any(selects(service, item) for service in services)]


def _names(target: Any, workload: Mapping[str, Any]) -> bool:
    named = (workload["kind"], workload["metadata"]["name"])
    return isinstance(target, dict) and (target.get("kind"), target.get("name")) == named
