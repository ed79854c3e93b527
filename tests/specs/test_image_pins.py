"""Digests go beside the tags of everything of Kubernetes' own that runs pods, and nowhere else."""

from copy import deepcopy
from typing import Any

import pytest

from reconciler.specs.image_pins import ELSEWHERE, by_tag, pinned
from reconciler.specs.images import images_of
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource

DIGEST = "sha256:" + "a1" * 32
OTHER = "sha256:" + "b2" * 32
PODS: dict[str, Any] = {
    "initContainers": [{"name": "init", "image": "r.example/init:v1"}],
    "containers": [{"name": "web", "image": "r.example/web:v1"}, {"name": "side", "image": f"r.example/side@{OTHER}"}],
    "ephemeralContainers": [{"name": "look", "image": "r.example/look:v1"}],
}
TEMPLATE = {"template": {"spec": PODS}}


def body(version: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **deepcopy(more)}


def source(*objects: dict[str, Any], jobs: tuple[dict[str, Any], ...] = ()) -> ReleaseSource:
    images = images_of([*objects, *jobs])
    return ReleaseSource(SourceKind.MANIFESTS, "app", objects=objects, jobs=jobs, images=images)


WEB, INIT, LOOK = "r.example/web:v1", "r.example/init:v1", "r.example/look:v1"
PINS = {WEB: DIGEST, INIT: DIGEST, LOOK: DIGEST}


@pytest.mark.parametrize(
    "one",
    [
        body("v1", "Pod", spec=PODS),
        body("v1", "PodTemplate", **TEMPLATE),
        body("v1", "ReplicationController", spec=TEMPLATE),
        *(body("apps/v1", kind, spec=TEMPLATE) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
        body("batch/v1", "Job", spec=TEMPLATE),
        body("batch/v1", "CronJob", spec={"jobTemplate": {"spec": TEMPLATE}}),
    ],
    ids=lambda one: str(one["kind"]),
)
def test_every_container_of_every_kind_that_runs_pods_is_pinned(one: dict[str, Any]) -> None:
    before = deepcopy(one)
    given = source(one)
    assert by_tag(given) == {WEB, INIT, LOOK}
    made = pinned(given, PINS, {})
    wanted = {f"{image}@{DIGEST}" for image in PINS} | {f"r.example/side@{OTHER}"}
    assert set(made.images) == wanted == set(images_of(list(made.objects)))
    assert by_tag(made) == frozenset()
    assert one == before  # what was read is shared and stays as it is
    assert made.pins == PINS


def test_jobs_that_are_run_on_their_own_are_pinned_too() -> None:
    made = pinned(source(jobs=(body("batch/v1", "Job", spec=TEMPLATE),)), PINS, {})
    assert f"{WEB}@{DIGEST}" in images_of(list(made.jobs))


@pytest.mark.parametrize(
    "one",
    [
        body("example.com/v1", "Deployment", spec=TEMPLATE),
        body("argoproj.io/v1alpha1", "Rollout", spec=TEMPLATE),
        body("v1", "ConfigMap", data={"containers": "x"}, containers=[{"name": "x", "image": WEB}]),
    ],
    ids=lambda one: f"{one['apiVersion']} {one['kind']}",
)
def test_what_another_kind_does_with_an_image_is_not_ours_to_know(one: dict[str, Any]) -> None:
    given = source(one)
    assert by_tag(given) == frozenset()
    made = pinned(given, PINS, {})
    assert made.objects == given.objects
    assert made.loose[WEB] == ELSEWHERE


@pytest.mark.parametrize("spec", [None, [], {"template": None}, {"template": {"spec": [PODS]}}, {"template": []}])
def test_what_has_no_pods_where_they_belong_has_none(spec: object) -> None:
    assert by_tag(source(body("apps/v1", "Deployment", spec=spec))) == frozenset()


def test_why_an_image_has_no_pin_is_kept_for_those_that_have_none() -> None:
    made = pinned(
        source(body("apps/v1", "Deployment", spec=TEMPLATE)), {WEB: DIGEST}, {WEB: "no", INIT: "asked nobody"}
    )
    assert made.loose == {INIT: "asked nobody", LOOK: ELSEWHERE} or made.loose == {INIT: "asked nobody"}
