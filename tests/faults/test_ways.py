"""The comparison of runs of Jobs hides their names, and nothing else."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.kube.marks import EVENT, RUN
from reconciler.sandbox.cluster_http import Asked
from tests.faults.refusing import Fault, RefusingCluster, Strike, changes
from tests.faults.ways import by_one_name, halved, nameless

DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"
JOBS = "/apis/batch/v1/namespaces/shop/jobs"
APPLIES = "application/apply-patch+yaml"


def run(tag: str = "v1", name: str = "0123456789") -> dict[str, Any]:
    return {"kind": "Job", "spec": {"tag": tag}, "labels": {RUN: name, "app": "web"}}


def test_runs_that_differ_in_their_names_alone_are_one() -> None:
    first, second = (
        {"batch/jobs/shop/down-0123456789": run()},
        {"batch/jobs/shop/down-abcdef0123": run(name="abcdef0123")},
    )
    assert nameless(first) == nameless(second) == nameless({**first, **second})


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({}, id="a run that is missing"),
        pytest.param({"batch/jobs/shop/down-abcdef0123": run("v2", "abcdef0123")}, id="another content"),
        pytest.param({"batch/jobs/shop/up-0123456789": run()}, id="another Job"),
        pytest.param({"batch/jobs/other/down-0123456789": run()}, id="another namespace"),
        pytest.param({"batch/jobs/shop/down-0123456789": {**run(), "labels": {"app": "web"}}}, id="no run of ours"),
        pytest.param(
            {
                "batch/jobs/shop/down-0123456789": run(),
                "batch/jobs/shop/down-abcdef0123": run("v2", "abcdef0123"),
            },
            id="a second one that differs",
        ),
    ],
)
def test_whatever_else_differs_is_seen(other: Mapping[str, Any]) -> None:
    assert nameless({"batch/jobs/shop/down-0123456789": run()}) != nameless(other)


@pytest.mark.parametrize(
    ("found", "well"),
    [
        ({"a": 2, "b": 4}, True),
        ({"b": 4}, True),  # never reached
        ({"b": 2}, True),
        ({"a": 1, "b": 4}, False),  # changed, and not changed back
        ({"a": 2, "b": 3}, False),
        ({"a": 3, "b": 4}, False),
        ({"a": 2, "b": 4, "c": 1}, False),
    ],
)
def test_what_a_way_forward_did_not_reach_is_left_out_as_a_whole(found: dict[str, int], *, well: bool) -> None:
    assert (not list(halved(Counter(found), Counter({"a": 2, "b": 4})))) is well


@pytest.fixture
def cluster() -> RefusingCluster:
    found = RefusingCluster()
    found.place("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return found


def applied(
    cluster: RefusingCluster, path: str, body: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> int:
    metadata = {"name": path.rpartition("/")[2], "namespace": "shop", "labels": dict(labels or {})}
    asked = Asked("PATCH", path, {"fieldManager": "reconciler"}, APPLIES, {**body, "metadata": metadata})
    return cluster._answer(asked)[0]


def scaled(cluster: RefusingCluster, pods: int) -> None:
    template = {"spec": {"containers": [{"name": "it", "image": "registry.example.invalid/web:v1"}]}}
    spec = {"replicas": pods, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    assert applied(cluster, DEPLOYMENT, {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}) in {200, 201}


def ran(cluster: RefusingCluster, name: str) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "it", "image": "db:v1"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}
    assert applied(cluster, f"{JOBS}/down-{name}", job, {RUN: name}) == 201


def test_each_run_is_counted_and_one_beside_pods_is_told(cluster: RefusingCluster) -> None:
    scaled(cluster, 0)
    ran(cluster, "0123456789")
    assert ([one.name for one in cluster.runs], cluster.beside) == (["0123456789"], [])
    assert by_one_name(cluster.changed, cluster.runs)[f"{JOBS}/down-RUN"] == 1
    scaled(cluster, 2)  # nobody saw it end
    ran(cluster, "abcdef0123")
    assert len(cluster.beside) == 2
    assert by_one_name(cluster.changed, cluster.runs)[f"{JOBS}/down-RUN"] == 2


def test_what_only_we_write_on_an_object_turns_nothing(cluster: RefusingCluster) -> None:
    scaled(cluster, 2)
    cluster.forget()
    patch = {"metadata": {"annotations": {EVENT: "01"}}}
    cluster._answer(Asked("PATCH", DEPLOYMENT, {"fieldManager": "x"}, "application/merge-patch+json", patch))
    assert (cluster.changed, cluster.turned) == (Counter({DEPLOYMENT: 1}), Counter())


@pytest.mark.parametrize(("lasts", "met"), [(False, [False, False, True, False]), (True, [False, False, True, True])])
def test_a_strike_counts_what_it_is_told_to_count(*, lasts: bool, met: list[bool]) -> None:
    strike = Strike(Fault.FORBIDDEN, 2, lasts=lasts, counts=changes)
    read, write = Asked("GET", DEPLOYMENT, {}, "", None), Asked("PATCH", DEPLOYMENT, {}, APPLIES, {})
    assert [strike.due(asked) for asked in (write, read, write, read)] == met
