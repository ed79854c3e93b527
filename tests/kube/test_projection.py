"""Which fields leave the adapter: only ours, found by the server's own account of ownership."""

from typing import Any

import pytest

from reconciler.kube.marks import Marks, unmarked
from reconciler.kube.projection import equal, owned_fields, project, sendable, union

CASES: dict[str, tuple[Any, Any, Any]] = {
    "a scalar": ({"spec": {"a": 1, "b": 2}}, {"f:spec": {"f:a": {}}}, {"spec": {"a": 1}}),
    "an absent field": ({"spec": {"b": 2}}, {"f:spec": {"f:a": {}}}, {"spec": {}}),
    "a whole value": ({"spec": {"a": {"x": [1, 2]}}}, {"f:spec": {"f:a": {}}}, {"spec": {"a": {"x": [1, 2]}}}),
    "the map itself": ({"labels": {"a": "b"}}, {"f:labels": {".": {}}}, {"labels": {}}),
    "an item by its key": (
        {"c": [{"name": "a", "v": 1}, {"name": "b", "v": 2, "w": 3}]},
        {"f:c": {'k:{"name":"b"}': {".": {}, "f:name": {}, "f:v": {}}}},
        {"c": [{"name": "b", "v": 2}]},
    ),
    "an item by two keys": (
        {"p": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "x": 1}]},
        {"f:p": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
        {"p": [{"port": 80}]},
    ),
    "items of a set": ({"f": ["a", "b", "c"]}, {"f:f": {'v:"b"': {}, 'v:"a"': {}}}, {"f": ["a", "b"]}),
    "items by position": ({"f": [{"a": 1, "b": 2}, {"a": 3}]}, {"f:f": {"i:0": {"f:a": {}}}}, {"f": [{"a": 1}]}),
}


@pytest.mark.parametrize(("body", "fields", "wanted"), CASES.values(), ids=CASES.keys())
def test_a_projection_holds_exactly_the_fields(body: Any, fields: Any, wanted: Any) -> None:
    assert project(body, fields) == wanted


def test_only_what_we_applied_is_ours() -> None:
    def entry(manager: str, operation: str, name: str, **more: str) -> dict[str, Any]:
        return {"manager": manager, "operation": operation, "fieldsV1": {f"f:{name}": {}}, **more}

    entries = [
        entry("reconciler", "Apply", "ours"),
        entry("reconciler", "Update", "parent"),
        entry("reconciler", "Apply", "status", subresource="status"),
        entry("kubectl", "Apply", "theirs"),
    ]
    assert owned_fields({"metadata": {"managedFields": entries}}) == {"f:ours": {}}


def test_a_union_has_the_fields_of_both() -> None:
    assert union({"f:a": {"f:x": {}}}, {"f:a": {"f:y": {}}, "f:b": {}}) == {
        "f:a": {"f:x": {}, "f:y": {}},
        "f:b": {},
    }


def test_one_is_not_true() -> None:
    assert not equal({"a": 1}, {"a": True})
    assert equal({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_what_the_server_writes_is_not_sent() -> None:
    metadata: dict[str, Any] = {
        "name": "x",
        "uid": "u",
        "resourceVersion": "1",
        "managedFields": [],
        "creationTimestamp": None,
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "status": {"a": 1}, "data": {"b": "c"}}
    assert sendable(body) == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"b": "c"}}


def test_the_text_of_a_secret_becomes_data() -> None:
    body = {"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "é"}, "data": {"a": "AA==", "b": "AA=="}}
    assert sendable(body)["data"] == {"a": "w6k=", "b": "AA=="}
    assert "stringData" not in sendable(body)


def test_marks_leave_no_empty_maps() -> None:
    labels = {"opspilot.spec/release": "x", "applyset.kubernetes.io/part-of": "y"}
    assert unmarked({"metadata": {"labels": labels}}) == {}
    assert unmarked({"metadata": {"labels": {**labels, "a": "b"}}}) == {"metadata": {"labels": {"a": "b"}}}


def test_the_applyset_id_is_the_specified_digest() -> None:
    """sha256 over `reconciler.here.web.default.ConfigMap.`, made with sha256sum and base64 by hand."""
    assert Marks("here", "default").applyset("web") == "applyset-dbUQ8YRrtShHLRsA2W5ZdPy0xFj0Nb-CJ0t6TWaQP8g-v1"


def test_two_installations_do_not_own_each_others_objects() -> None:
    one, two = Marks("one", "default"), Marks("two", "default")
    body = {
        "metadata": {"labels": {"opspilot.spec/release": "web", "applyset.kubernetes.io/part-of": one.applyset("web")}}
    }
    assert one.owner(body) == "web"
    assert one.is_ours(body)
    assert not two.is_ours(body)
    assert two.owner(body).startswith("ApplySet ")


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "web"}}, "Helm release web"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux Kustomization apps"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}, "Flux HelmRelease web"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "web:x"}}, "Argo CD application web:x"),
        ({"ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]}, "Deployment web"),
        ({"ownerReferences": [{"kind": "ConfigMap", "name": "note"}]}, ""),
        ({"labels": {"app": "web"}}, ""),
    ],
)
def test_g27_an_active_controller_is_named_as_owner(metadata: dict[str, Any], owner: str) -> None:
    assert Marks("here", "default").owner({"metadata": metadata}) == owner
