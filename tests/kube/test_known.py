"""An object is known to be as wanted only at the version, the times and the content that were seen."""

from copy import deepcopy
from typing import Any

import pytest

from reconciler.kube.discovery import ApiResource
from reconciler.kube.known import Known, version_of
from reconciler.kube.wanted import Wanted, wanted

RESOURCE = ApiResource("", "v1", "ConfigMap", "configmaps", namespaced=True)
SENT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}, "data": {"k": "v"}}
LIVE: dict[str, Any] = {
    "metadata": {"uid": "1", "resourceVersion": "7", "managedFields": [{"manager": "reconciler", "time": "10:00"}]}
}


def found(*, release: str = "web", value: str = "v") -> Wanted:
    return wanted(release, {**SENT, "data": {"k": value}}, lambda *_: RESOURCE)


def moved(**metadata: Any) -> dict[str, Any]:
    live = deepcopy(LIVE)
    live["metadata"].update(metadata)
    return live


@pytest.fixture
def known() -> Known:
    remembered = Known()
    remembered.remember(found(), version_of(LIVE["metadata"]))
    return remembered


def test_what_did_not_move_is_known(known: Known) -> None:
    assert known.holds(found(), version_of(deepcopy(LIVE["metadata"])))


@pytest.mark.parametrize(
    ("asked", "live"),
    [
        (found(value="other"), LIVE),
        (found(release="other"), LIVE),
        (found(), moved(resourceVersion="8")),
        (found(), moved(uid="2")),
        (found(), moved(managedFields=[{"manager": "reconciler", "time": "10:01"}])),
        (found(), moved(managedFields=[*LIVE["metadata"]["managedFields"], {"manager": "kubectl", "time": "10:00"}])),
    ],
)
def test_what_moved_in_any_way_is_looked_at_again(known: Known, asked: Wanted, live: dict[str, Any]) -> None:
    assert not known.holds(asked, version_of(live["metadata"]))
