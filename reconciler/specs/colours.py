"""Blue-green: a release's objects -> the objects that are sent, the workload named after what its pods are.

The workload that the named Service selects becomes NAME-HASH, HASH being eight hex digits of its pod template; its pods
and the Service's selector carry the hash. So a new version stands beside the old one under another name, and one write
of the Service moves the traffic. Nothing here looks at a cluster: the same source always gives the same names.

Rules: what pods may take (`resources`) and how many there are is no other version, so neither moves the hash; what
cannot be done is a problem with a place, never half done. Who refers to the workload by name follows it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from reconciler.canonical import digest_of
from reconciler.errors import Place, Problem
from reconciler.specs.finding import VALIDATION
from reconciler.specs.kinds import Release
from reconciler.specs.spec import Spec

VERSION = "opspilot.spec/version"  # label of the pods and of the Service's selector
HASH = 8  # hex digits
LONGEST = 63  # of a name that other names and labels are made of
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
REFERENCES = ("scaleTargetRef", "targetRef")  # by which autoscalers name what they scale

Object = dict[str, Any]
Items = Sequence[tuple[Object, Place]]  # objects and where they are written


def coloured(release: Spec[Release], items: Items, problems: list[Problem]) -> list[tuple[Object, Place]]:
    """What is sent for these objects. What is wrong is added to `problems`, and the objects stay as they are."""
    asked = release.spec.strategy.blue_green
    if asked is None:
        return list(items)
    service = _service(release, items, asked.service)
    if isinstance(service, Problem):
        problems.append(service)
        return list(items)
    workload = _workload(release, items, service[0])
    if isinstance(workload, Problem):
        problems.append(workload)
        return list(items)
    return _expanded(release, items, service, workload, problems)


def _expanded(
    release: Spec[Release],
    items: Items,
    service: tuple[Object, Place],
    workload: tuple[Object, Place],
    problems: list[Problem],
) -> list[tuple[Object, Place]]:
    version = version_of(workload[0])
    name = f"{workload[0]['metadata']['name']}-{version}"
    asked = any(service_of(url, release, (service[0],)) == _place_of(service[0]) for url in urls(release))
    named = beside(service[0]["metadata"]["name"], version)
    more = [(service_beside(service[0], named, {VERSION: version}), service[1])] if asked else []
    for each, place in ((name, workload[1]), *((item["metadata"]["name"], place) for item, place in more)):
        if len(each) > LONGEST:
            message = f"with its version it would be named {each}, which is longer than {LONGEST} characters"
            problems.append(Problem(place, VALIDATION, message, "choose a shorter name"))
    found = []
    for item, place in items:
        if item is workload[0]:
            found.append((_versioned(item, name, version), place))
        elif item is service[0]:
            found.append((_selecting(item, version), place))
        else:
            found.append((_following(item, workload[0], name), place))
    return found + more


def version_of(workload: Mapping[str, Any]) -> str:
    """Eight hex digits of what its pods are."""
    return digest_of("pod template", _without_resources(workload["spec"]["template"]))[:HASH]


def beside(service: str, version: str) -> str:
    """The Service that answers from one version alone."""
    return f"{service}-{version}"


def urls(release: Spec[Release]) -> Iterator[str]:
    """What the health checks of a release ask by HTTP."""
    for check in release.spec.health.checks:
        asked = check.http or check.traffic
        if asked is not None:
            yield asked.url


def service_of(url: str, release: Spec[Release], objects: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Namespace and name of the Service that an address names: SERVICE.NAMESPACE.svc, or SERVICE.NAMESPACE of ours."""
    host = (urlsplit(url).hostname or "").removesuffix(".").removesuffix(".cluster.local")
    match host.split("."):
        case [name, namespace, "svc"]:
            pass
        case [name, namespace]:
            ours = {_place_of(item) for item in objects if item["kind"] == "Service"}
            if (namespace, name) not in ours and namespace != release.spec.namespace:
                return None
        case _:
            return None
    return namespace, name


def selects(service: Mapping[str, Any], workload: Mapping[str, Any]) -> bool:
    """Whether a Service's selector takes in the pods of a workload."""
    if service["kind"] != "Service" or workload["kind"] not in WORKLOADS:
        return False
    if service["metadata"].get("namespace") != workload["metadata"].get("namespace"):
        return False
    wanted = _mapping(service, "spec", "selector")
    labels = _mapping(workload, "spec", "template", "metadata", "labels")
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _service(release: Spec[Release], items: Items, name: str) -> tuple[Object, Place] | Problem:
    named = [one for one in items if one[0]["kind"] == "Service" and one[0]["metadata"]["name"] == name]
    if len(named) == 1:
        return named[0]
    place = release.place_of("strategy", "blueGreen", "service")
    if not named:
        return Problem(place, VALIDATION, f"blue_green switches the Service {name}, which the source does not hold")
    return Problem(place, VALIDATION, f"the source holds {len(named)} Services {name}, in several namespaces")


def _workload(release: Spec[Release], items: Items, service: Object) -> tuple[Object, Place] | Problem:
    name = service["metadata"]["name"]
    place = release.place_of("strategy", "blueGreen", "service")
    match [one for one in items if selects(service, one[0])]:
        case [(item, written)]:
            if item["kind"] != "Deployment":
                message = f"blue_green is for a Deployment, and the Service {name} selects a {item['kind']}"
                return Problem(written, VALIDATION, message, "its pods and volumes are bound to its name")
            return item, written
        case []:
            message = f"the Service {name} selects no workload of the source"
            return Problem(place, VALIDATION, message, "its selector and the labels of the pods have to agree")
        case taken:
            listed = ", ".join(f"{item['kind']} {item['metadata']['name']}" for item, _ in taken)
            return Problem(place, VALIDATION, f"the Service {name} selects several workloads: {listed}")


def _following(item: Object, workload: Mapping[str, Any], name: str) -> Object:
    """What refers to the workload by its name follows it."""
    spec = item.get("spec")
    if not isinstance(spec, dict) or item["metadata"].get("namespace") != workload["metadata"].get("namespace"):
        return item
    for field in REFERENCES:
        target = spec.get(field)
        if isinstance(target, dict) and (target.get("kind"), target.get("name")) == (
            workload["kind"],
            workload["metadata"]["name"],
        ):
            spec = {**spec, field: {**target, "name": name}}
    return {**item, "spec": spec}


def _versioned(item: Object, name: str, version: str) -> Object:
    """The workload under its new name, its pods marked with their version."""
    spec, template = item["spec"], item["spec"]["template"]
    labels = {**_mapping(template, "metadata", "labels"), VERSION: version}
    selector = {**_mapping(spec, "selector"), "matchLabels": {**_mapping(spec, "selector", "matchLabels")}}
    selector["matchLabels"][VERSION] = version
    marked = {**template, "metadata": {**_mapping(template, "metadata"), "labels": labels}}
    named = {**item["metadata"], "name": name}
    return {**item, "metadata": named, "spec": {**spec, "selector": selector, "template": marked}}


def _selecting(item: Object, version: str) -> Object:
    return {**item, "spec": {**item["spec"], "selector": {**item["spec"]["selector"], VERSION: version}}}


def service_beside(service: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> Object:
    """A Service of one version alone, so that it can be asked, or sent to, beside the one that people know."""
    metadata = service["metadata"]
    named = {"name": name, "namespace": metadata.get("namespace")}
    kept = ("name", "port", "targetPort", "protocol", "appProtocol")
    listed = service["spec"].get("ports")
    ports = [
        {key: port[key] for key in kept if key in port}
        for port in (listed if isinstance(listed, list) else ())
        if isinstance(port, dict)
    ]
    selector = {**service["spec"]["selector"], **labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": {"ports": ports, "selector": selector}}


def _place_of(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item["metadata"].get("namespace")), str(item["metadata"]["name"])


def _without_resources(template: Any) -> Any:
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return template
    spec = dict(template["spec"])
    for group in ("containers", "initContainers"):
        if isinstance(spec.get(group), list):
            spec[group] = [
                {key: value for key, value in one.items() if key != "resources"} if isinstance(one, dict) else one
                for one in spec[group]
            ]
    return {**template, "spec": spec}


def _mapping(item: Mapping[str, Any], *steps: str) -> Mapping[str, Any]:
    found: Any = item
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
