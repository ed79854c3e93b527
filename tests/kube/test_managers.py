"""`managedFields` in words: who holds what, without a value and without our own marks."""

from typing import Any

import pytest

from reconciler.kube import marks
from reconciler.kube.managers import history, paths_of

STATUS: dict[str, Any] = {"f:status": {"f:c": {}}}
IMAGE_OF_B: dict[str, Any] = {"f:containers": {'k:{"name":"b"}': {"f:image": {}}}}
ARGS_OF_B: dict[str, Any] = {"f:containers": {'k:{"name":"b"}': {"f:args": {'v:"y"': {}}}}}

BODY: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", marks.PART_OF: "x"}, "annotations": {"x/b": "1", marks.EVENT: "e-7"}},
    "spec": {
        "ports": [{"containerPort": 1}, {"containerPort": 2}],
        "containers": [{"name": "a", "image": "s3cret"}, {"name": "b", "args": ["x", "y"]}],
    },
}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"f:spec": {"f:replicas": {}}}, ["spec.replicas"]),
        ({"f:spec": {".": {}, "f:a": {".": {}}}}, ["spec.a"]),
        ({"f:metadata": {"f:labels": {"f:app": {}, f"f:{marks.PART_OF}": {}}}}, ["metadata.labels.app"]),
        ({"f:metadata": {"f:annotations": {"f:x/b": {}, f"f:{marks.EVENT}": {}}}}, ["metadata.annotations.x/b"]),
        ({"f:spec": IMAGE_OF_B}, ["spec.containers[name=b].image"]),
        ({"f:spec": {"f:ports": {'k:{"containerPort":2}': {".": {}}}}}, ["spec.ports[1]"]),
        ({"f:spec": {"f:ports": {'k:{"containerPort":9}': {"f:name": {}}}}}, ["spec.ports[?].name"]),
        ({"f:spec": ARGS_OF_B}, ["spec.containers[name=b].args[1]"]),
        ({"f:spec": {"f:containers": {"i:0": {}}}}, ["spec.containers[0]"]),
    ],
)
def test_fields_are_named_as_a_preview_names_them(fields: dict[str, Any], paths: list[str]) -> None:
    assert list(paths_of(BODY, fields)) == paths


def test_a_history_says_who_holds_what_since_when_and_no_value() -> None:
    entries = [
        {"manager": "reconciler", "operation": "Apply", "time": "T1", "fieldsV1": {"f:spec": {"f:a": {}}}},
        {"manager": "kubectl-edit", "operation": "Update", "time": "T2", "fieldsV1": {"f:spec": {"f:b": {}}}},
        {"manager": "controller", "operation": "Update", "subresource": "status", "fieldsV1": STATUS},
        {"manager": "nobody"},
    ]
    found = history({**BODY, "metadata": {**BODY["metadata"], "managedFields": entries}})
    assert found.event == "e-7"
    assert [(one.manager, one.operation, one.subresource, one.at, one.paths, one.ours) for one in found.holders] == [
        ("reconciler", "Apply", "", "T1", ("spec.a",), True),
        ("kubectl-edit", "Update", "", "T2", ("spec.b",), False),
        ("controller", "Update", "status", "", ("status.c",), False),
    ]
    assert "s3cret" not in repr(found)
