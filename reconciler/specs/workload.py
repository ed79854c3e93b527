"""What a release says of its workload, put into the objects of its source: how many, how large, replaced in which way.

Pure, and before anything is compared: what comes out is what is previewed, approved and sent. Rules: the release's own
word wins over the source's; where it does not fit, or nobody can tell which workload is meant, that is a problem at the
line that says it, never a guess; what is for the application reaches it, or is a problem.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.canonical import digest_of
from reconciler.errors import Place, Problem
from reconciler.specs.finding import CONFLICT, VALIDATION, Hints
from reconciler.specs.kinds import Release
from reconciler.specs.kinds.capacity import Autoscaling, Capacity, Resources
from reconciler.specs.objects import Placed, object_ref
from reconciler.specs.rollout_strategy import put_strategy
from reconciler.specs.spec import Spec

SCALED = frozenset({"Deployment", "StatefulSet"})
WORKLOADS = SCALED | {"DaemonSet"}
CAPACITY_MARK = "opspilot.spec/capacity"  # on the pods that read the ConfigMap, so that another value restarts them
SPLIT = "make it a release of its own, or write this in the source"


def put_workload(items: list[Placed], release: Spec[Release], problems: list[Problem], hints: Hints) -> None:
    """Change the objects in place to what the release says of its workload, and add those that it needs."""
    spec = release.spec
    found = [item for item in items if _is_workload(item)]
    put_strategy(found, release, problems)
    if spec.capacity.replicas is not None:
        item = _one(found, release, ("capacity", "replicas"), problems)
        if item is not None:
            item.value["spec"]["replicas"] = spec.capacity.replicas
    if spec.capacity.resources is not None:
        _put_resources(found, spec.capacity.resources, release, problems, hints)
    if spec.autoscaling is not None:
        _put_autoscaler(items, found, spec.autoscaling, release, problems)
    settings = settings_of(spec.capacity)
    if settings:
        _put_settings(items, found, settings, release, problems)


def settings_of(capacity: Capacity) -> dict[str, str]:
    """What the application is told, by the names that its ConfigMap has."""
    concurrency = capacity.concurrency
    told: dict[str, int | None] = {
        "MAX_CONNECTIONS": concurrency.max_connections,
        "MAX_REQUESTS_PER_SECOND": concurrency.max_requests_per_second,
        "MAX_CONCURRENT_REQUESTS": concurrency.max_concurrent_requests,
    }
    for prefix, counts in (
        ("QUEUE", capacity.queues),
        ("POOL", capacity.pools),
        ("RATE_LIMIT", capacity.rate_limits),
    ):
        told |= {f"{prefix}_{name}": count for name, count in counts.items()}
    return {name: str(value) for name, value in sorted(told.items()) if value is not None}


def settings_name(release: str) -> str:
    """The ConfigMap that tells the application."""
    return f"{release}-capacity"


def _is_workload(item: Placed) -> bool:
    value = item.value
    return (
        value["kind"] in WORKLOADS and value["apiVersion"].startswith("apps/") and isinstance(value.get("spec"), dict)
    )


def _one(found: list[Placed], release: Spec[Release], steps: tuple[str, ...], problems: list[Problem]) -> Placed | None:
    """The one workload that can have another number of pods."""
    scaled = [item for item in found if item.value["kind"] in SCALED]
    if len(scaled) == 1:
        return scaled[0]
    message = "the source has no Deployment and no StatefulSet that this could be said of"
    if scaled:
        message = f"this is for one workload, and the source has {_names(scaled)}"
    problems.append(Problem(release.place_of(*steps), VALIDATION, message, SPLIT if scaled else ""))
    return None


def _names(items: list[Placed]) -> str:
    shown = [str(object_ref(item.value)) for item in items[:3]]
    more = [f"{len(items) - 3} more"] if len(items) > 3 else []
    return " and ".join([*shown, *more])


def _put_resources(
    found: list[Placed], resources: Resources, release: Spec[Release], problems: list[Problem], hints: Hints
) -> None:
    containers = [(item, one) for item in found for one in _containers(item.value)]
    wanted = [pair for pair in containers if resources.container in (None, pair[1].get("name"))]
    if len(wanted) == 1:
        have = wanted[0][1].get("resources")
        merged = dict(have) if isinstance(have, dict) else {}
        for part, amounts in (("requests", resources.requests), ("limits", resources.limits)):
            given = {name: value for name, value in amounts.model_dump().items() if value is not None}
            before = merged.get(part)
            if given:
                merged[part] = {**(before if isinstance(before, dict) else {}), **given}
        wanted[0][1]["resources"] = merged
        return
    names = [str(one.get("name")) for _, one in containers]
    steps: tuple[str, ...] = ("capacity", "resources")
    hint = ""
    if not containers:
        message = "the source has no Deployment, StatefulSet or DaemonSet with a container"
    elif resources.container is None:
        message = f"this is for one container, and the source has {', '.join(sorted(names)[:10])}"
        hint = "name it in capacity.resources.container"
    elif not wanted:
        steps = (*steps, "container")
        message = f"no Deployment, StatefulSet or DaemonSet has a container {resources.container}"
        hint = hints.near(resources.container, names)
    else:
        steps = (*steps, "container")
        message = f"container {resources.container} is in {_names([item for item, _ in wanted])}"
        hint = SPLIT
    problems.append(Problem(release.place_of(*steps), VALIDATION, message, hint))


def _template(body: Mapping[str, Any]) -> dict[str, Any]:
    template = body["spec"].get("template")
    return template if isinstance(template, dict) else {}


def _containers(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    pod = _template(body).get("spec")
    listed = pod.get("containers") if isinstance(pod, dict) else None
    yield from (one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict))


def _put_autoscaler(
    items: list[Placed], found: list[Placed], asked: Autoscaling, release: Spec[Release], problems: list[Problem]
) -> None:
    item = _one(found, release, ("autoscaling",), problems)
    if item is None:
        return
    workload = item.value
    metadata = workload["metadata"]
    for other in items:
        if _scales(other.value, workload):
            message = f"{object_ref(other.value)} scales {object_ref(workload)} already"
            hint = "take one of them out: this autoscaler, or the release's autoscaling"
            problems.append(Problem(other.place(), CONFLICT, message, hint))
            return
    workload["spec"].pop("replicas", None)  # the autoscaler's from now on: neither compared nor sent (G9)
    metrics = [
        {"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": value}}}
        for name, value in (("cpu", asked.cpu), ("memory", asked.memory))
        if value is not None
    ]
    target = {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "name": metadata["name"]}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": asked.min_replicas,
            "maxReplicas": asked.max_replicas,
            "metrics": metrics,
        },
    }
    items.append(_ours(body, release.place_of("autoscaling")))


def _scales(body: Mapping[str, Any], workload: Mapping[str, Any]) -> bool:
    if body["kind"] != "HorizontalPodAutoscaler" or body["metadata"].get("namespace") != workload["metadata"].get(
        "namespace"
    ):
        return False
    match body.get("spec"):
        case {"scaleTargetRef": {"kind": kind, "name": name}}:
            return bool((kind, name) == (workload["kind"], workload["metadata"]["name"]))
    return False


def _put_settings(
    items: list[Placed],
    found: list[Placed],
    settings: Mapping[str, str],
    release: Spec[Release],
    problems: list[Problem],
) -> None:
    name = settings_name(release.name)
    if not any(_reads(item.value, name) for item in items):
        given = next(one for one in ("concurrency", "queues", "pools", "rate_limits") if _given(release, one))
        field = "rateLimits" if given == "rate_limits" else given
        message = f"nothing in the source reads the ConfigMap {name}, so no application would be told"
        hint = f"add to its container: envFrom: [{{configMapRef: {{name: {name}}}}}]"
        problems.append(Problem(release.place_of("capacity", field), VALIDATION, message, hint))
        return
    for item in found:
        template = _template(item.value)
        if _reads(template, name):
            metadata = template.get("metadata")
            metadata = dict(metadata) if isinstance(metadata, dict) else {}
            notes = metadata.get("annotations")
            mark = digest_of("capacity", settings)[:16]
            metadata["annotations"] = {**(notes if isinstance(notes, dict) else {}), CAPACITY_MARK: mark}
            template["metadata"] = metadata
    metadata = {"name": name, "namespace": str(release.spec.namespace)}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(settings)}
    items.append(_ours(body, release.place_of("capacity")))


def _given(release: Spec[Release], field: str) -> bool:
    told = getattr(release.spec.capacity, field)
    return bool(told.model_dump(exclude_none=True) if field == "concurrency" else told)


def _reads(value: Any, name: str) -> bool:
    """Whether something takes values of a ConfigMap of this name: as variables, or as files."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("configMapRef", "configMapKeyRef", "configMap") and isinstance(item, dict):
                if item.get("name") == name:
                    return True
            elif _reads(item, name):
                return True
    return isinstance(value, list) and any(_reads(item, name) for item in value)


def _ours(body: dict[str, Any], place: Place) -> Placed:
    """An object that the release's own words make, at the place of these words."""
    return Placed(body, place.path, (), {"": [place.line, place.column]})
