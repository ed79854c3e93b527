"""Rights that are missing, by name, and how many requests that costs."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.ports import DesiredObjects, Permission
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.specs.chart import Chart
from reconciler.state.observed import Json
from tests.contracts.kube_targets import Lab, lab_on

EVERY_VERB = ["get", "list", "patch", "create", "delete"]


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as made:
        yield made


@pytest.fixture
def lab(cluster: SandboxCluster) -> Iterator[Lab]:
    with lab_on(cluster.kubeconfig(), cluster.endpoint, cluster.ca_pem, cluster.token) as made:
        yield made


def rule(*resources: str, group: str = "", verbs: list[str] = EVERY_VERB, **more: Json) -> Json:
    return {"verbs": verbs, "apiGroups": [group], "resources": list(resources), **more}


def words(lab: Lab, *bodies: Json) -> list[str]:
    return [one.words for one in lab.kube.observe([lab.desired(*bodies)], rights=True)[lab.release].lacking]


def test_each_missing_right_is_named(cluster: SandboxCluster, lab: Lab) -> None:
    cluster.rules = [rule("configmaps"), rule("deployments", group="apps", verbs=["get", "list", "patch"])]
    assert words(lab, lab.config(a="1"), lab.deployment()) == [
        f"create deployments.apps in {lab.namespace}",
        f"delete deployments.apps in {lab.namespace}",
    ]


def test_a_right_on_one_name_is_a_right_on_that_object(cluster: SandboxCluster, lab: Lab) -> None:
    verbs = ["get", "patch", "delete"]
    cluster.rules = [
        rule("configmaps", verbs=["list", "create"]),
        rule("configmaps", verbs=verbs, resourceNames=["one"]),
    ]
    assert words(lab, lab.config("one", a="1")) == []
    assert words(lab, lab.config("one", a="1"), lab.config("two", a="1")) == [
        f"{verb} configmaps in {lab.namespace}" for verb in ("delete", "get", "patch")
    ]


def test_a_cluster_scoped_kind_is_asked_about_and_no_namespaced_rule_counts(cluster: SandboxCluster, lab: Lab) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    cluster.rules = [rule("namespaces", verbs=["get", "list", "patch", "create"])]
    assert words(lab, body) == ["delete namespaces"]


def test_what_is_to_be_removed_needs_the_right_to_delete(cluster: SandboxCluster, lab: Lab) -> None:
    lab.roll(lab.config("one", a="1"), lab.config("two", a="1"))
    cluster.rules = [rule("configmaps", verbs=["get", "list", "patch", "create"])]
    [told] = lab.kube.observe([lab.desired()], rights=True)[lab.release].lacking
    assert (told.verb, told.kind, told.namespace) == ("delete", "ConfigMap", lab.namespace)


def test_a_look_that_finds_nothing_to_do_asks_nothing_about_rights(lab: Lab) -> None:
    lab.roll(lab.config(a="1"))
    lab.kube.client.requests.clear()
    assert words(lab, lab.config(a="1")) == []
    assert lab.kube.client.requests["POST"] == 0


@pytest.mark.parametrize("objects", [1, 40])
def test_the_questions_do_not_grow_with_the_objects(cluster: SandboxCluster, lab: Lab, objects: int) -> None:
    bodies = [lab.config(f"c{number}", a="1") for number in range(objects)]
    lab.kube.client.requests.clear()
    assert words(lab, *bodies) == []
    assert lab.kube.client.requests["POST"] == 1
    cluster.rules = []
    lab.kube.client.requests.clear()
    assert len(words(lab, *bodies)) == len(EVERY_VERB)
    assert lab.kube.client.requests["POST"] == 1 + len(EVERY_VERB)


def test_two_releases_of_one_look_are_asked_about_together_and_told_apart(cluster: SandboxCluster, lab: Lab) -> None:
    cluster.rules = [rule("configmaps")]
    lab.kube.client.requests.clear()
    both = [lab.desired(lab.config(a="1")), lab.desired(lab.deployment(), release="other")]
    seen = lab.kube.observe(both, rights=True)
    assert seen[lab.release].lacking == ()
    assert len(seen["other"].lacking) == len(EVERY_VERB)
    assert lab.kube.client.requests["POST"] == 1 + len(EVERY_VERB)
    assert {name: len(found) for name, found in lab.kube.lacking(both).items()} == {
        lab.release: 0,
        "other": len(EVERY_VERB),
    }


def test_what_a_release_needs_beside_its_objects_is_asked_before_anything_is_to_be_done(
    cluster: SandboxCluster, lab: Lab
) -> None:
    cluster.rules = [rule("configmaps")]
    beside = Permission("get", "services/proxy", lab.namespace)
    asked = [
        replace(lab.desired(lab.config(a="1")), needs=(beside,)),
        DesiredObjects("charted", lab.namespace, (lab.config(a="1"),), chart=Chart()),
    ]
    told = {name: [one.words for one in found] for name, found in lab.kube.lacking(asked).items()}
    assert told == {
        lab.release: [f"get services/proxy in {lab.namespace}"],
        "charted": [f"{verb} secrets in {lab.namespace}" for verb in ("create", "delete", "list", "update")],
    }
