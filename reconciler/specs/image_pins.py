"""Pins: digests that a release's tags mean, put into its objects. Knows objects, and nobody who could be asked.

Rules: `name:tag` becomes `name:tag@sha256:...` in everything of Kubernetes' own that runs pods, and nowhere else: what
a custom kind does with a list of containers is its controller's to know. What names a digest already stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from reconciler.specs.images import containers, images_of
from reconciler.specs.release_source import ReleaseSource

ELSEWHERE: Final = "in a kind of which nobody here knows how it is run"

# Where what runs pods has their spec.
_TEMPLATE = ("spec", "template", "spec")
_PODS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
    ("batch", "Job"): _TEMPLATE,
}


def by_tag(source: ReleaseSource) -> frozenset[str]:
    """The images of a release that can be pinned, and are not yet."""
    return frozenset().union(*map(run_by_tag, (*source.objects, *source.jobs)))


def run_by_tag(body: Mapping[str, Any]) -> frozenset[str]:
    """Those of one object."""
    return frozenset(image for image in run(body) if "@" not in image)


def run(body: Mapping[str, Any]) -> frozenset[str]:
    """Every image that an object of a kind that is known to run pods runs."""
    return frozenset(one["image"] for one in _run_by(body))


def pinned(source: ReleaseSource, pins: Mapping[str, str], loose: Mapping[str, str]) -> ReleaseSource:
    """The source with digests beside its tags. `loose`: why others have none."""
    objects, jobs = (tuple(_with(body, pins) for body in bodies) for bodies in (source.objects, source.jobs))
    kept = {image: why for image, why in loose.items() if image not in pins}
    elsewhere = {image: ELSEWHERE for image in source.images if image not in kept and "@" not in image}
    images = images_of([*objects, *jobs])
    left = {image: why for image, why in (elsewhere | kept).items() if image in images}
    return replace(source, objects=objects, jobs=jobs, images=images, pins=dict(pins), loose=left)


def _with(body: dict[str, Any], pins: Mapping[str, str]) -> dict[str, Any]:
    if not any(one["image"] in pins for one in _run_by(body)):
        return body
    made = deepcopy(body)
    for one in _run_by(made):
        if one["image"] in pins:
            one["image"] = f"{one['image']}@{pins[one['image']]}"
    return made


def _run_by(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    group = str(body["apiVersion"]).rpartition("/")[0]
    steps: Iterable[str] | None = _PODS.get((group, str(body["kind"])))
    if steps is None:
        return
    found: Any = body
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, dict):
        yield from containers(found)
