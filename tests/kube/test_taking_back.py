"""Which fields of ours are taken back from whoever changed them: those with another value, and no other (G22)."""

from typing import Any

import pytest

from reconciler.kube.adopt import differing, taken_back

SPEC: dict[str, Any] = {"f:replicas": {}, "f:revisionHistoryLimit": {}}
IMAGE: dict[str, Any] = {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}


def live(held: dict[str, Any], manager: str = "kubectl-edit", **entry: str) -> dict[str, Any]:
    """An object of which somebody holds fields."""
    one = {"manager": manager, "operation": "Update", "fieldsV1": held, **entry}
    body = {"replicas": 5, "revisionHistoryLimit": 10, "items": [{"name": "web", "image": "v2"}], "args": ["b"]}
    return {"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": [one]}, "spec": body}


@pytest.mark.parametrize(
    ("wanted", "fields", "found"),
    [
        ({"replicas": 5}, {"f:replicas": {}}, {}),
        ({"replicas": 2}, {"f:replicas": {}}, {"f:replicas": {}}),
        ({"replicas": 2, "args": ["b"]}, {"f:replicas": {}, "f:args": {}}, {"f:replicas": {}}),
        ({"args": ["a"]}, {"f:args": {}}, {"f:args": {}}),
        ({"items": [{"name": "web", "image": "v2"}]}, {"f:items": IMAGE}, {}),
        (
            {"items": [{"name": "web", "image": "v1"}]},
            {"f:items": IMAGE},
            {"f:items": {'k:{"name":"web"}': {"f:image": {}}}},
        ),
        ({"gone": 1}, {"f:gone": {}}, {"f:gone": {}}),
    ],
)
def test_what_differs_is_told_field_by_field(
    wanted: dict[str, Any], fields: dict[str, Any], found: dict[str, Any]
) -> None:
    inside = differing(live({}), {"spec": wanted}, {"f:spec": fields})
    assert inside == ({"f:spec": found} if found else {})


def test_what_else_they_hold_stays_theirs_also_where_it_is_a_default() -> None:
    patch = taken_back(live({"f:spec": SPEC}), {"f:spec": {"f:replicas": {}}}, frozenset({"kubectl-edit"}))
    metadata = patch["metadata"]
    assert [one["fieldsV1"] for one in metadata["managedFields"]] == [{"f:spec": {"f:revisionHistoryLimit": {}}}]
    assert (metadata["uid"], metadata["resourceVersion"]) == ("u", "7")


@pytest.mark.parametrize(
    ("manager", "entry"), [("another", {}), ("kubectl-edit", {"subresource": "status"})], ids=["not named", "status"]
)
def test_nothing_is_taken_from_who_is_not_named_nor_from_who_writes_the_status(
    manager: str, entry: dict[str, str]
) -> None:
    held = live({"f:spec": SPEC}, manager, **entry)
    assert taken_back(held, {"f:spec": {"f:replicas": {}}}, frozenset({"kubectl-edit"})) is None
