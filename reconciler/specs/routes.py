"""HTTPRoutes of the Gateway API whose weights a canary writes: which ones, what stands in them, what must be so.

A route that sends to a Service S, which selects the canaried Deployment, sends a share to `S-canary` while a canary
stands. S must not reach the new pods itself, so the old ones and S carry the label `opspilot.spec/track: stable`.
Only the weights, and one more backend beside S, are ours to write; rules, matches, filters and other backends stay as
the source has them. backendRefs is one value to the API server, and so is rules: a route is always sent whole.
https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.errors import Problem
from reconciler.specs.colours import LONGEST, Items, Object, selects, service_beside
from reconciler.specs.finding import VALIDATION

GROUP = "gateway.networking.k8s.io"
ROUTE = "HTTPRoute"
OTHERS = frozenset({"GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"})  # with weights that nothing here writes
TRACK = "opspilot.spec/track"  # label of pods, and in the selectors that tell the canary's from the others
STABLE, CANARY = "stable", "canary"
WHOLE = 100  # of what one backend got, the canary gets so many parts
HEAVIEST = 1_000_000  # what the API takes as a weight

Sent = frozenset[tuple[str, str]]  # Services by namespace and name


def routes_of(objects: Iterable[Mapping[str, Any]], stable: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The HTTPRoutes that send to a Service of this Deployment's pods."""
    known = list(objects)
    services = [item for item in known if selects(item, stable)]
    return tuple(item for item in known if is_route(item) and any(_sends(item, one) for one in services))


def services_of(objects: Iterable[Mapping[str, Any]], stable: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The Services of its pods that HTTPRoutes send to, by name."""
    known = list(objects)
    routes = [item for item in known if is_route(item)]
    found = [item for item in known if selects(item, stable) and any(_sends(route, item) for route in routes)]
    return tuple(sorted(found, key=lambda item: str(item["metadata"]["name"])))


def is_route(item: Mapping[str, Any]) -> bool:
    """Whether it is an HTTPRoute."""
    return item.get("kind") == ROUTE and _is_of_the_gateway(item)


def canary_service(service: Mapping[str, Any]) -> Object:
    """The Service of the canary's pods alone."""
    return service_beside(service, canary_name(service["metadata"]["name"]), {TRACK: CANARY})


def is_of_a_canary(item: Mapping[str, Any]) -> bool:
    """Whether it is there for a canary's time only: its pods' own workload, or the Service of them alone."""
    spec = item.get("spec") or {}
    found = spec.get("selector") if item.get("kind") == "Service" else (spec.get("selector") or {}).get("matchLabels")
    return (found or {}).get(TRACK) == CANARY


def canary_name(service: str) -> str:
    """What the Service of a canary is called."""
    return f"{service}-{CANARY}"


def places_of(services: Iterable[Mapping[str, Any]]) -> Sent:
    """Namespace and name of each."""
    return frozenset((str(one["metadata"].get("namespace")), str(one["metadata"]["name"])) for one in services)


def weighted(route: Mapping[str, Any], services: Sent, percent: int) -> Any:
    """The route where so many percent of what each of these Services gets go to its canary's; 0: the route itself.

    In a rule that sends to none of them nothing changes; in one that does, other backends keep their share.
    """
    if not percent:
        return route
    rules = [_weighted_rule(rule, services, percent) for rule in route["spec"]["rules"]]
    return {**route, "spec": {**route["spec"], "rules": rules}}


def weights_left(live: Any, rest: Any, namespace: str) -> int:
    """The share that a canary gets in a live route which is otherwise as at rest; 0: it is at rest, or changed."""
    if not isinstance(live, dict) or not isinstance(rest, dict) or live == rest:
        return 0
    known, seen = _backends(rest), _backends(live)
    shared = frozenset((namespace, name) for name in known if canary_name(name) in seen - known)
    try:
        return next((share for share in range(1, WHOLE + 1) if shared and live == weighted(rest, shared, share)), 0)
    except (KeyError, TypeError, AttributeError):
        return 0


def told_apart(items: Items, stable: Mapping[str, Any]) -> Items:
    """What is sent where a canary has weights: the old pods, and the Services that routes send to, say `stable`."""
    services = services_of((item for item, _ in items), stable)
    if not services:
        return items
    return [
        (_labelled(item) if item is stable else _selecting(item) if any(item is one for one in services) else item, at)
        for item, at in items
    ]


def check_routes(items: Items, stable: Mapping[str, Any], problems: list[Problem]) -> None:
    """Add what stands in the way of a canary's weights to `problems`, each at its route's place."""
    selecting = [item for item, _ in items if selects(item, stable)]
    taken = places_of(item for item, _ in items if item["kind"] == "Service")
    for item, place in items:
        sent_to = [service for service in selecting if _sends(item, service, anywhere=True)]
        for message, hint in _in_the_way(item, sent_to, taken) if sent_to else ():
            problems.append(Problem(place, VALIDATION, f"{item['kind']} {item['metadata']['name']}: {message}", hint))


def _in_the_way(route: Mapping[str, Any], sent_to: list[Any], taken: Sent) -> Iterator[tuple[str, str]]:
    if route["kind"] in OTHERS:
        yield f"a canary by the weights of a {route['kind']} is not done by this version", "use rolling or blue_green"
        return
    for service in sent_to:
        name, namespace = service["metadata"]["name"], service["metadata"].get("namespace")
        canary = canary_name(name)
        if route["metadata"].get("namespace") != namespace:
            hint = "keep the route in the Service's namespace"
            yield f"it is in another namespace than Service {name}, and may not reach its canary's", hint
        if (str(namespace), canary) in taken:
            yield f"the canary's Service would be named {canary}, which the source itself has", "rename one of them"
        if len(canary) > LONGEST:
            message = f"the canary's Service would be named {canary}, which is longer than {LONGEST} characters"
            yield message, "choose a shorter name"
    if not all(_fits(ref) for rule in _rules(route) for ref in _refs(rule)):
        yield f"a weight of it is no whole number from 0 to {HEAVIEST // WHOLE}, so it cannot be shared out", ""


def _weighted_rule(rule: Any, services: Sent, percent: int) -> Any:
    refs = list(_refs(rule))
    if not any(_is_to(ref, services) for ref in refs):
        return rule
    return {**rule, "backendRefs": [one for ref in refs for one in _split(ref, services, percent)]}


def _is_to(ref: Any, services: Sent) -> bool:
    """Whether a backend is one of these Services, which are all in the route's own namespace."""
    return _is_ref(ref) and any((ref.get("namespace", at), ref.get("name")) == (at, name) for at, name in services)


def _split(ref: Any, services: Sent, percent: int) -> Iterator[Any]:
    weight = ref.get("weight", 1)
    if not _is_to(ref, services):
        yield {**ref, "weight": weight * WHOLE}
        return
    yield {**ref, "weight": weight * (WHOLE - percent)}
    yield {**ref, "name": canary_name(ref["name"]), "weight": weight * percent}


def _sends(route: Mapping[str, Any], service: Mapping[str, Any], *, anywhere: bool = False) -> bool:
    """Whether a route of the Gateway API names a Service as a backend; `anywhere`: also from another namespace."""
    if not _is_of_the_gateway(route):
        return False
    own, wanted = route["metadata"].get("namespace"), service["metadata"].get("namespace")
    if own != wanted and not anywhere:
        return False
    name = service["metadata"]["name"]
    refs = (ref for rule in _rules(route) for ref in _refs(rule) if _is_ref(ref))
    return any(ref.get("name") == name and ref.get("namespace", own) == wanted for ref in refs)


def _is_of_the_gateway(item: Mapping[str, Any]) -> bool:
    return str(item.get("apiVersion", "")).partition("/")[0] == GROUP


def _is_ref(ref: Any) -> bool:
    """Whether a backend is a Service, said or by default."""
    return isinstance(ref, dict) and (ref.get("kind", "Service"), ref.get("group", "")) == ("Service", "")


def _rules(route: Mapping[str, Any]) -> list[Any]:
    spec = route.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    return rules if isinstance(rules, list) else []


def _refs(rule: Any) -> list[Any]:
    refs = rule.get("backendRefs") if isinstance(rule, dict) else None
    return refs if isinstance(refs, list) else []


def _backends(route: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(ref.get("name")) for rule in _rules(route) for ref in _refs(rule) if _is_ref(ref))


def _fits(ref: Any) -> bool:
    weight = ref.get("weight", 1) if isinstance(ref, dict) else None
    return isinstance(weight, int) and not isinstance(weight, bool) and 0 <= weight <= HEAVIEST // WHOLE


def _labelled(workload: Mapping[str, Any]) -> Object:
    spec, template = workload["spec"], workload["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), TRACK: STABLE}
    marked = {**template, "metadata": {**metadata, "labels": labels}}
    return {**workload, "spec": {**spec, "template": marked}}


def _selecting(service: Mapping[str, Any]) -> Object:
    spec = service["spec"]
    return {**service, "spec": {**spec, "selector": {**spec["selector"], TRACK: STABLE}}}
