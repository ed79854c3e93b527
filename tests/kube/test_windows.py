"""What happens between our read and our write (G25), and when an answer is lost (F16, F18): on the sandbox, by order.

A `Between` stands before the client's requests and does something exactly once, just before or just after the one that
it waits for.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.errors import Refused, Unavailable
from reconciler.kube.answers import Answer
from reconciler.kube.client import Client, Request
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import SandboxCluster

PATH = "/api/v1/namespaces/default/configmaps/settings"
PARENT = "/api/v1/namespaces/default/configmaps/reconciler.default.web"
REF = ObjectRef("", "v1", "ConfigMap", "default", "settings")


def settings(**data: str) -> dict[str, Any]:
    metadata = {"name": "settings", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Between:
    """Wraps Client.ask: `act` runs once, before the first request of this method and path, or when it is `answered`."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
        path: str,
        act: Callable[[], None],
        *,
        answered: bool = False,
    ) -> None:
        self.left = 1
        self._real = Client.ask

        def ask(client: Client, request: Request) -> Answer:
            if not self.left or (request.method, request.path) != (method, path):
                return self._real(client, request)
            self.left -= 1
            if not answered:
                act()
                return self._real(client, request)
            answer = self._real(client, request)
            act()
            return answer

        monkeypatch.setattr(Client, "ask", ask)


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as found:
        yield found


@pytest.fixture
def kube(cluster: SandboxCluster) -> Iterator[KubeTarget]:
    target = KubeTarget(parse_kubeconfig(cluster.kubeconfig()))
    yield target
    target.close()


def other(cluster: SandboxCluster) -> KubeTarget:
    return KubeTarget(parse_kubeconfig(cluster.kubeconfig()))


def uid_of(cluster: SandboxCluster) -> str:
    stored = cluster.look(PATH)
    assert stored is not None
    uid: str = stored["metadata"]["uid"]
    return uid


def applied(cluster: SandboxCluster, kube: KubeTarget, generation: int = 1, **data: str) -> None:
    uid = "" if cluster.look(PATH) is None else uid_of(cluster)
    kube.begin("web", "default", generation, f"event-{generation}")
    kube.apply("web", settings(**data), generation=generation, expected_uid=uid)


def test_g25_an_object_that_appears_before_our_creation_is_found_out(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = other(cluster)
    request = Request("POST", PATH.rpartition("/")[0], "making", None, settings(theirs="kept"))
    kube.begin("web", "default", 1, "event-1")
    between = Between(monkeypatch, "PATCH", PATH, lambda: void(somebody.client.send(request)))
    with pytest.raises(Refused) as refused:
        kube.apply("web", settings(ours="added"), generation=1, expected_uid="")
    somebody.close()
    assert refused.value.key == "target_changed"
    assert between.left == 0


def test_g25_a_newer_plan_between_our_read_and_our_write_wins(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(cluster, kube, color="red")
    kube.begin("web", "default", 2, "event-2")
    newer = other(cluster)
    Between(monkeypatch, "PATCH", PATH, lambda: applied(cluster, newer, 3, color="blue"))
    with pytest.raises(Refused) as refused:
        kube.apply("web", settings(color="green"), generation=2, expected_uid=uid_of(cluster))
    newer.close()
    assert refused.value.key == "resource_conflict"
    stored = cluster.look(PATH)
    assert stored is not None
    assert stored["data"] == {"color": "blue"}


def test_g25_after_a_moved_object_the_parent_is_read_again(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(cluster, kube, color="red")
    newer = other(cluster)

    def newer_begins_and_somebody_edits() -> None:
        newer.begin("web", "default", 3, "event-3")
        cluster.edit(PATH, {"metadata": {"annotations": {"a": "b"}}})

    Between(monkeypatch, "PATCH", PATH, newer_begins_and_somebody_edits)
    with pytest.raises(Refused) as refused:
        kube.apply("web", settings(color="green"), generation=1, expected_uid=uid_of(cluster))
    newer.close()
    assert refused.value.key == "resource_conflict"
    stored = cluster.look(PATH)
    assert stored is not None
    assert stored["data"] == {"color": "red"}


def test_g25_a_newer_plan_that_took_the_parent_stops_our_creation(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.begin("web", "default", 1, "event-1")
    newer = other(cluster)
    Between(monkeypatch, "GET", PATH, lambda: newer.begin("web", "default", 2, "event-2"))
    with pytest.raises(Refused) as refused:
        kube.apply("web", settings(color="red"), generation=1, expected_uid="")
    newer.close()
    assert refused.value.key == "resource_conflict"
    assert cluster.look(PATH) is None


def test_g25_two_plans_that_begin_at_once_have_one_winner(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.begin("web", "default", 1, "event-1")
    newer = other(cluster)
    Between(monkeypatch, "PUT", PARENT, lambda: newer.begin("web", "default", 3, "event-3"))
    with pytest.raises(Refused):
        kube.begin("web", "default", 2, "event-2")
    newer.close()
    assert kube.observe([DesiredObjects("web", "default", ())])["web"].generation == 3


def test_a_status_written_in_between_does_not_stop_us(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(cluster, kube, color="red")
    Between(monkeypatch, "PATCH", PATH, lambda: cluster.edit(PATH, {"metadata": {"annotations": {"a": "b"}}}))
    kube.apply("web", settings(color="blue"), generation=1, expected_uid=uid_of(cluster))
    stored = cluster.look(PATH)
    assert stored is not None
    assert stored["data"] == {"color": "blue"}


@pytest.mark.parametrize("forget", [False, True])
def test_g25_a_deletion_does_not_hit_what_a_newer_plan_wrote(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch, *, forget: bool
) -> None:
    applied(cluster, kube, color="red")
    uid = uid_of(cluster)
    newer = other(cluster)
    method = "PATCH" if forget else "DELETE"
    kube.begin("web", "default", 2, "event-2")
    between = Between(monkeypatch, method, PATH, lambda: applied(cluster, newer, 3, color="blue"))
    with pytest.raises(Refused) as refused:
        kube.delete("web", REF, generation=2, expected_uid=uid, forget=forget)
    newer.close()
    assert between.left == 0
    assert refused.value.key == "resource_conflict"
    stored = cluster.look(PATH)
    assert stored is not None
    assert stored["data"] == {"color": "blue"}


def test_a_config_map_in_the_place_of_the_parent_is_not_taken(cluster: SandboxCluster, kube: KubeTarget) -> None:
    body = {"metadata": {"name": "reconciler.default.web"}, "data": {"theirs": "kept"}}
    kube.client.send(Request("POST", PARENT.rpartition("/")[0], "making", None, body))
    with pytest.raises(Refused) as refused:
        kube.begin("web", "default", 1, "event-1")
    assert refused.value.key == "owned_by_another"
    stored = cluster.look(PARENT)
    assert stored is not None
    assert "annotations" not in stored["metadata"]


def test_two_installations_on_one_cluster_do_not_touch_each_other(cluster: SandboxCluster, kube: KubeTarget) -> None:
    applied(cluster, kube, generation=7, color="red")
    neighbour = KubeTarget(parse_kubeconfig(cluster.kubeconfig()), installation="neighbour")
    seen = neighbour.observe([DesiredObjects("web", "default", (settings(color="blue"),))])["web"]
    assert seen.generation == 0
    assert seen.objects[REF].owner.startswith("ApplySet ")
    assert seen.objects[REF].live is None
    assert neighbour.observe([DesiredObjects("web", "default", ())])["web"].objects == {}
    neighbour.begin("web", "default", 1, "event-1")
    with pytest.raises(Refused) as refused:
        neighbour.apply("web", settings(color="blue"), generation=1, expected_uid=uid_of(cluster))
    with pytest.raises(Refused):
        neighbour.delete("web", REF, generation=1, expected_uid=uid_of(cluster), forget=False)
    neighbour.close()
    assert refused.value.key == "owned_by_another"


def test_f18_an_apply_whose_answer_was_lost_is_resumed_without_a_second_object(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.begin("web", "default", 1, "event-1")
    real = Client.ask

    def losing(client: Client, request: Request) -> Answer:
        answer = real(client, request)
        if request.path == PATH and request.method == "PATCH":
            raise Unavailable("applying: the answer was lost", key="cluster_connect_failed")
        return answer

    with monkeypatch.context() as lost:
        lost.setattr(Client, "ask", losing)
        with pytest.raises(Unavailable):
            kube.apply("web", settings(color="red"), generation=1, expected_uid="")
    uid = uid_of(cluster)
    resumed = other(cluster)
    resumed.begin("web", "default", 1, "event-1")
    resumed.apply("web", settings(color="red"), generation=1, expected_uid="")
    resumed.close()
    assert uid_of(cluster) == uid


def test_f16_a_server_that_comes_back_is_resumed(cluster: SandboxCluster, kube: KubeTarget) -> None:
    kube.begin("web", "default", 1, "event-1")
    cluster.stop()
    with pytest.raises(Unavailable):
        kube.apply("web", settings(color="red"), generation=1, expected_uid="")
    cluster.start()
    kube.apply("web", settings(color="red"), generation=1, expected_uid="")
    assert cluster.look(PATH) is not None


def void(_value: object) -> None:
    """For a lambda that must return nothing."""


def test_g25_what_was_being_created_stays_where_a_newer_turn_found_it_as_wanted(
    cluster: SandboxCluster, kube: KubeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.begin("web", "default", 1, "event-1", 1)
    second = other(cluster)
    real, made = Client.ask, [False, False]

    def ask(client: Client, request: Request) -> Answer:
        if made == [True, False]:  # the first stands still here: its object is made, and nothing was asked since
            made[1] = True
            second.begin("web", "default", 1, "event-2", 2)
            item = second.observe([DesiredObjects("web", "default", (settings(color="red"),))])["web"].objects[REF]
            assert item.live == item.result
        answer = real(client, request)
        made[0] |= request.method == "PATCH" and request.path == PATH and answer.status == 201
        return answer

    monkeypatch.setattr(Client, "ask", ask)
    kube.apply("web", settings(color="red"), generation=1, expected_uid="")
    with pytest.raises(Refused):
        kube.apply("web", settings(color="blue"), generation=1, expected_uid="")
    second.close()
    assert cluster.look(PATH) is not None
