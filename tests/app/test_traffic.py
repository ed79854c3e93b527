"""Giving pods back: to what is its own and stopped, by who may, and what is said of each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.app.operations import Order
from reconciler.app.traffic import LetIn, StillStopped, Traffic
from reconciler.errors import Refused, Rejected, Untrusted
from reconciler.kube.marks import STOPPED
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked
from tests.app.test_jobs import Fast, order
from tests.app.test_jobs import cluster as cluster  # a fixture
from tests.app.test_jobs import kube as kube  # a fixture
from tests.app.test_performing import Only
from tests.faults.refusing import Fault, RefusingCluster, Strike

Body = dict[str, Any]
WEB, WORKER, HOURLY = (
    ObjectRef(group, "v1", kind, "web", name)
    for group, kind, name in (
        ("apps", "Deployment", "web"),
        ("apps", "Deployment", "worker"),
        ("batch", "CronJob", "hourly"),
    )
)
POD = {"containers": [{"name": "it", "image": "registry.example/web:v1"}]}


def deployment(name: str, pods: int) -> Body:
    labels = {"app": name}
    spec = {
        "replicas": pods,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": POD},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "web"}, "spec": spec}


def hourly() -> Body:
    spec = {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "hourly", "namespace": "web"},
        "spec": spec,
    }


SETTINGS: Body = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "web"},
    "data": {"a": "1"},
}
BODIES = (deployment("web", 3), deployment("worker", 2), hourly(), SETTINGS)


@dataclass
class Release:
    """The release `web` on one cluster, and who gives its pods back."""

    kube: KubeTarget
    cluster: SandboxCluster
    begun: int = 0

    def stop(self, *refs: ObjectRef) -> None:
        seen = self.kube.observe([DesiredObjects("web", "web", BODIES)])["web"].objects
        for ref in refs:
            self.kube.stop("web", ref, generation=7, expected_uid=seen[ref].uid)

    def begin(self) -> Order:
        self.begun += 1
        return replace(order(), turn=2, event="event-8")

    def traffic(
        self,
        *,
        still: Callable[[], None] = lambda: None,
        cluster: str = "",
        bodies: Sequence[Body] = BODIES,
    ) -> Traffic:
        def wanted(names: Iterable[str]) -> list[DesiredObjects]:
            return [DesiredObjects(name, "web", tuple(bodies)) for name in names]

        only: Any = Only(self.kube)  # type: ignore[arg-type]
        return Traffic(only, wanted, still, Fast(), {"one": cluster} if cluster else {})

    def let_in(self, traffic: Traffic, *, begun: bool) -> LetIn:
        return traffic.let_in({"one": ["web"]}, self.begin, begun=begun)

    def numbers(self) -> list[int | bool]:
        """How many pods both Deployments are to have, and whether the CronJob rests."""
        found = [self._look(ref) for ref in (WEB, WORKER, HOURLY)]
        return [*(one["spec"]["replicas"] for one in found[:2]), found[2]["spec"].get("suspend", False)]

    def uid(self, ref: ObjectRef) -> str:
        return str(self._look(ref)["metadata"]["uid"])

    def marked(self) -> list[bool]:
        return [STOPPED in self._look(ref)["metadata"]["annotations"] for ref in (WEB, WORKER, HOURLY)]

    def _look(self, ref: ObjectRef) -> Body:
        found = self.cluster.look(path(ref))
        assert found is not None
        return found


def path(ref: ObjectRef) -> str:
    return f"/apis/{ref.group}/v1/namespaces/web/{ref.kind.lower()}s/{ref.name}"


def writes(ref: ObjectRef) -> Callable[[Asked], bool]:
    return lambda asked: asked.method == "PATCH" and asked.path == path(ref)


@pytest.fixture
def web(kube: KubeTarget, cluster: RefusingCluster) -> Release:
    kube.observe([DesiredObjects("web", "web", BODIES)])
    for body in BODIES:
        kube.apply("web", body, generation=7, expected_uid="")
    return Release(kube, cluster)


def test_every_workload_of_its_own_gets_its_pods_and_that_is_said(web: Release) -> None:
    web.stop(WEB, WORKER, HOURLY)
    assert web.numbers() == [0, 0, True]
    assert web.let_in(web.traffic(), begun=True) == LetIn(
        (
            "Deployment.apps web/web is given back its 3 pods",
            "Deployment.apps web/worker is given back its 2 pods",
            "CronJob.batch web/hourly goes on",
        ),
        given=True,
        asked=True,
    )
    assert (web.numbers(), web.marked(), web.begun) == ([3, 2, False], [False] * 3, 1)


def test_where_nobody_had_an_order_and_nothing_is_stopped_nothing_is_written(web: Release) -> None:
    web.kube.client.requests.clear()
    assert web.let_in(web.traffic(), begun=False) == LetIn()
    assert (web.begun, web.kube.client.requests["PATCH"]) == (0, 0)


def test_where_nobody_had_an_order_only_what_is_stopped_is_told(web: Release) -> None:
    web.stop(WORKER)
    found = web.let_in(web.traffic(), begun=False)
    assert found == LetIn(("Deployment.apps web/worker is given back its 2 pods",), given=True, asked=True)
    assert web.numbers() == [3, 2, False]


def test_what_somebody_else_gave_its_pods_is_told_where_it_was_to_be_stopped(web: Release) -> None:
    found = web.let_in(web.traffic(), begun=True)
    assert [one.partition(" is ")[2] for one in found.words[:2]] == ["given back its 3 pods", "given back its 2 pods"]
    assert found.given


def test_pods_that_are_not_ready_are_told_as_asked_for(web: Release) -> None:
    broken = deployment("web", 3)
    broken["spec"]["template"]["spec"] = {"containers": [{"name": "it", "image": "registry.example/web:broken"}]}
    web.kube.observe([DesiredObjects("web", "web", (broken,))])
    web.kube.apply("web", broken, generation=7, expected_uid=web.uid(WEB))
    web.stop(WEB)
    found = web.let_in(web.traffic(), begun=False)
    assert found == LetIn(("Deployment.apps web/web is asked for its 3 pods: 0 are ready",), asked=True)


def test_a_workload_that_had_no_pods_gets_none_and_nothing_is_said_to_be_given(web: Release) -> None:
    web.cluster.edit(path(WEB), {"spec": {"replicas": 0}})
    web.stop(WEB)
    found = web.let_in(web.traffic(bodies=[]), begun=False)
    assert found == LetIn(("Deployment.apps web/web has no pods, as before it was stopped",), given=False)


@pytest.mark.parametrize("begun", [True, False])
def test_another_cluster_under_the_name_is_not_written_to(web: Release, begun: bool) -> None:  # noqa: FBT001
    web.stop(WEB)
    web.kube.client.requests.clear()
    traffic = web.traffic(cluster="another")
    if begun:
        with pytest.raises(Untrusted):
            web.let_in(traffic, begun=True)
    else:
        assert "nobody may look" in web.let_in(traffic, begun=False).words[0]
    assert (web.begun, web.kube.client.requests["PATCH"], web.numbers()[0]) == (0, 0, 0)


def test_g25_who_is_no_longer_to_do_it_gives_nothing_back_after_the_release_was_taken(web: Release) -> None:
    web.stop(WEB)

    def gone() -> None:
        raise Refused("another reconciler goes on with it", key="resource_conflict")

    with pytest.raises(Refused):
        web.let_in(web.traffic(still=gone), begun=True)
    assert (web.begun, web.numbers()[0]) == (1, 0)


def test_one_that_is_refused_its_pods_does_not_keep_the_others_from_theirs(
    web: Release, cluster: RefusingCluster
) -> None:
    web.stop(WEB, WORKER)
    cluster.strike = Strike(Fault.FORBIDDEN, 1, lasts=False, counts=writes(WEB))
    with pytest.raises(StillStopped) as refused:
        web.let_in(web.traffic(), begun=True)
    assert "Deployment.apps web/worker is given back its 2 pods" in refused.value.message
    assert (web.numbers()[:2], web.marked()[:2]) == ([0, 2], [True, False])


def test_one_that_was_never_stopped_and_may_not_be_written_is_not_told_as_stopped(
    web: Release, cluster: RefusingCluster
) -> None:
    web.stop(WORKER)
    cluster.strike = Strike(Fault.FORBIDDEN, 1, lasts=False, counts=writes(WEB))
    words = web.let_in(web.traffic(), begun=True).words
    assert words[0] == "Deployment.apps web/web was never stopped"
    assert web.numbers()[:2] == [3, 2]


def test_one_that_has_its_pods_and_only_keeps_its_mark_is_not_told_as_stopped(
    web: Release, cluster: RefusingCluster
) -> None:
    web.stop(WEB, WORKER)
    cluster.strike = Strike(Fault.FORBIDDEN, 2, lasts=False, counts=writes(WEB))  # the first is the number
    found = web.let_in(web.traffic(), begun=True)
    assert (web.numbers()[:2], web.marked()[:2]) == ([3, 2], [True, False])
    assert found.words[0].startswith("Deployment.apps web/web is given back its 3 pods (its mark stays")


def test_one_that_lost_its_mark_and_may_not_be_written_is_told_as_stopped(
    web: Release, cluster: RefusingCluster
) -> None:
    web.stop(WEB, WORKER)
    cluster.edit(path(WEB), {"metadata": {"annotations": {STOPPED: None}}})
    cluster.strike = Strike(Fault.FORBIDDEN, 1, lasts=False, counts=writes(WEB))
    with pytest.raises(StillStopped):
        web.let_in(web.traffic(), begun=True)
    assert web.numbers()[:2] == [0, 2]


@pytest.mark.parametrize(("begun", "pods"), [(True, 3), (False, 0)])
def test_one_without_pods_and_mark_gets_some_only_where_it_was_to_be_stopped(
    web: Release,
    begun: bool,  # noqa: FBT001
    pods: int,
) -> None:
    web.cluster.edit(path(WEB), {"spec": {"replicas": 0}})
    web.stop(WORKER)
    web.let_in(web.traffic(), begun=begun)
    assert web.numbers()[:2] == [pods, 2]


def test_one_that_is_to_have_none_as_its_source_says_gets_none(web: Release) -> None:
    web.cluster.edit(path(WEB), {"spec": {"replicas": 0}})
    web.stop(WORKER)
    found = web.let_in(web.traffic(bodies=[deployment("web", 0), *BODIES[1:]]), begun=True)
    assert (web.numbers()[:2], "its mark is gone" in str(found.words)) == ([0, 2], False)


def test_what_is_gone_is_told_where_it_was_to_be_stopped(web: Release, cluster: RefusingCluster) -> None:
    for ref in (WEB, WORKER, HOURLY):
        cluster.remove(path(ref))
    assert web.let_in(web.traffic(), begun=False) == LetIn()
    with pytest.raises(StillStopped, match="no workload of web stands"):
        web.let_in(web.traffic(), begun=True)


def test_what_another_release_holds_is_left_to_it(web: Release, cluster: RefusingCluster) -> None:
    labels = {"applyset.kubernetes.io/part-of": "another", "opspilot.spec/release": "another"}
    cluster.edit(path(WEB), {"metadata": {"labels": labels}, "spec": {"replicas": 0}})
    web.stop(WORKER)
    web.let_in(web.traffic(), begun=True)
    assert web.numbers()[:2] == [0, 2]


def test_a_pod_that_came_back_keeps_a_migration_from_being_begun(web: Release, cluster: RefusingCluster) -> None:
    web.traffic().check_away("one", "web")
    pod = {"metadata": {"name": "worker-1", "labels": {"app": "worker"}}, "spec": POD}
    cluster.place("api/v1/namespaces/web/pods", pod, "kube-controller-manager")
    with pytest.raises(Rejected, match="web/worker has pods again"):
        web.traffic().check_away("one", "web")


def test_what_was_not_stopped_in_time_is_told_and_nothing_else(web: Release) -> None:
    web.stop(WEB)
    web.traffic().check_stopped("one", "web", WEB)
    with pytest.raises(Rejected, match="web/worker was not stopped within"):
        web.traffic().check_stopped("one", "web", WORKER)
