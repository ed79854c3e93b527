"""G25 within one generation: a worker that stood still writes nothing more after another one began the way back."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.app.fencing import fence
from reconciler.app.operations import Order
from reconciler.errors import Refused
from reconciler.kube import held
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Plan, Reference
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import SandboxCluster

NAMES = ("one", "two")


def path(name: str) -> str:
    return f"/api/v1/namespaces/default/configmaps/{name}"


def body(name: str, color: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": color}}


def desired(color: str) -> DesiredObjects:
    return DesiredObjects("web", "default", tuple(body(name, color) for name in NAMES))


def action(name: str) -> Action:
    reference = Reference(group="", version="v1", kind="ConfigMap", namespace="default", name=name)
    return Action(id=name, kind=ActionKind.APPLY_OBJECT, unit="release/web", target="cluster/prod", object=reference)


def rollout() -> Plan:
    made: Any = Plan
    found: Plan = made.model_construct(environment="prod", batches=(tuple(map(action, NAMES)),))
    return found


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as found:
        yield found


class Workers:
    """Two reconcilers on one cluster, on which generation 1 made everything red."""

    def __init__(self, cluster: SandboxCluster) -> None:
        self.cluster = cluster
        self.stands_still, self.returns = (KubeTarget(parse_kubeconfig(cluster.kubeconfig())) for _ in range(2))
        self.returns.begin("web", "default", 1, "event-1")
        for name in NAMES:
            self.returns.apply("web", body(name, "red"), generation=1, expected_uid="")

    def forward(self) -> None:
        """One takes generation 2, looks at everything, and writes the first object."""
        self.stands_still.begin("web", "default", 2, "event-2", 1)
        self.seen = self.stands_still.observe([desired("blue")])["web"].objects
        self.write("one")

    def write(self, name: str) -> None:
        uid = self.seen[ObjectRef("", "v1", "ConfigMap", "default", name)].uid
        self.stands_still.apply("web", body(name, "blue"), generation=2, expected_uid=uid)

    def back(self) -> None:
        """The other goes back: fence, look, put back what is not as it was."""
        fence(self, [desired("red")], rollout(), Order(rollout(), 2, 2, "event-3", 1000, "task"))
        for ref, item in self.returns.observe([desired("red")])["web"].objects.items():
            if item.live != item.result:
                self.returns.apply("web", body(ref.name, "red"), generation=2, expected_uid=item.uid)

    def kube(self, cluster: str) -> KubeTarget:
        assert cluster == "prod"
        return self.returns

    def host(self, host: str) -> Any:
        raise AssertionError(host)

    def colors(self) -> list[str]:
        found = [self.cluster.look(path(name)) for name in NAMES]
        return [one["data"]["color"] for one in found if one is not None]

    def close(self) -> None:
        self.stands_still.close()
        self.returns.close()


@pytest.fixture
def workers(cluster: SandboxCluster) -> Iterator[Workers]:
    found = Workers(cluster)
    yield found
    found.close()


def test_g25_who_stood_still_between_two_writes_writes_nothing_after_the_way_back(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "GOOD_SECONDS", 3600.0)  # its parent was read "just now": only the moved object stops it
    workers.forward()
    workers.back()
    with pytest.raises(Refused) as refused:
        workers.write("two")
    assert refused.value.key == "resource_conflict"
    assert workers.colors() == ["red", "red"]


def test_g25_who_stood_still_for_long_reads_the_parent_before_it_writes(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "GOOD_SECONDS", -1.0)
    workers.forward()
    workers.returns.begin("web", "default", 2, "event-3", 2)
    with pytest.raises(Refused) as refused:
        workers.write("two")
    assert refused.value.key == "resource_conflict"
    assert workers.colors() == ["blue", "red"]


def test_g25_a_lower_turn_of_one_generation_does_not_take_the_release_back(workers: Workers) -> None:
    workers.returns.begin("web", "default", 2, "event-3", 2)
    with pytest.raises(Refused) as refused:
        workers.stands_still.begin("web", "default", 2, "event-2", 1)
    assert refused.value.key == "resource_conflict"


def test_the_way_back_writes_once_more_what_stands_as_it_was(workers: Workers) -> None:
    workers.forward()
    before = workers.cluster.look(path("two"))
    workers.back()
    after = workers.cluster.look(path("two"))
    assert before is not None
    assert after is not None
    assert before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
    assert before["data"] == after["data"]


def test_a_way_back_that_is_gone_again_from_the_start_writes_nothing_twice(workers: Workers) -> None:
    workers.forward()
    workers.back()
    workers.returns.client.requests.clear()
    workers.back()
    assert workers.returns.client.requests["PATCH"] == 0


def test_a_write_after_a_look_costs_one_request(workers: Workers) -> None:
    workers.forward()
    workers.stands_still.client.requests.clear()
    workers.write("two")
    assert workers.stands_still.client.requests == {"PATCH": 1}


def test_what_is_left_to_others_stays_with_them_where_only_the_fence_writes(workers: Workers) -> None:
    workers.forward()
    for name in NAMES:
        workers.cluster.edit(path(name), {"data": {"color": "theirs"}}, "kubectl-edit")
    left = {ObjectRef("", "v1", "ConfigMap", "default", name): (("data", "color"),) for name in NAMES}
    before = workers.cluster.look(path("two"))
    fence(
        workers,
        [replace(desired("red"), ignored=left)],
        rollout(),
        Order(rollout(), 2, 2, "event-3", 1000, "task"),
    )
    after = workers.cluster.look(path("two"))
    assert before is not None
    assert after is not None
    assert before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]
    assert workers.colors() == ["theirs", "theirs"]
