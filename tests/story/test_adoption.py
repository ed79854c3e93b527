"""A team's running workload becomes a release by one pull request that restarts nothing (G27), and is let go again.

One world for all of them: each works in a namespace and a release of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from reconciler.kube.marks import PART_OF
from reconciler.plan.change import Operation, Plan
from tests.story.stage import Stage

RELEASE_TEXT = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {name: NAME}
spec:
  environment: env-k8s-prod
  cluster: k8s-prod-external
  namespace: NAME
  source: {type: manifests, path: apps/NAME}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "registry.example/shop:v1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {level: info}
"""
_numbers = count(1)


@dataclass(frozen=True)
class Shop:
    """What somebody runs in production already, and the release that it becomes."""

    stage: Stage
    name: str

    @property
    def spec(self) -> str:
        return f"releases/{self.name}.yaml"

    @property
    def source(self) -> str:
        return f"apps/{self.name}/workload.yaml"

    @property
    def text(self) -> str:
        return RELEASE_TEXT.replace("NAME", self.name)

    def runs(self, level: str = "info", **marks: Any) -> dict[str, Any]:
        cluster = self.stage.world.sandbox("prod")
        cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})
        body = deployment()
        body["metadata"].update(marks)
        cluster.place(self.path("deployments").removesuffix("/shop"), body, "kubectl-client-side-apply")
        cluster.place(self.path("configmaps").removesuffix("/shop"), config(level), "kubectl-create")
        return self.live()

    def path(self, plural: str) -> str:
        root = "apis/apps/v1" if plural == "deployments" else "api/v1"
        return f"{root}/namespaces/{self.name}/{plural}/shop"

    def live(self, plural: str = "deployments") -> dict[str, Any]:
        found = self.stage.world.sandbox("prod").look(self.path(plural))
        assert found is not None
        return found

    def propose(self, files: dict[str, str | None], branch: str) -> int:
        return self.stage.propose(files, branch=f"{self.name}-{branch}")

    def adopt(self, source: str = WORKLOAD, branch: str = "adopt") -> int:
        return self.propose({self.spec: self.text, self.source: source}, branch)

    def plan(self, number: int) -> Plan:
        [made] = self.stage.plans(number).plans
        return made

    def land(self, number: int) -> None:
        self.stage.approve(number)
        self.stage.merge(number)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    built = Stage.build(tmp_path_factory.mktemp("adoption") / "world")
    try:
        built.accept_first()
        yield built
    finally:
        built.world.close()


@pytest.fixture
def shop(production: Stage) -> Shop:
    return Shop(production, f"shop-{next(_numbers)}")


def deployment() -> dict[str, Any]:
    container = {"name": "shop", "image": "registry.example/shop:v1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "labels": {"app": "shop"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}},
        },
    }


def config(level: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"level": level}}


def test_g27_a_running_workload_is_adopted_by_one_pull_request_and_rolled_by_the_next(shop: Shop) -> None:
    before = shop.runs()
    number = shop.adopt()
    plan = shop.plan(number)
    assert plan.blocked == ()
    assert {change.operation for change in plan.changes} == {Operation.ADOPT}
    assert not any(change.restarts for change in plan.changes)
    moved = {f"{change.subject}: {one.path}": one.before for change in plan.changes for one in change.fields}
    image = "manager of spec.template.spec.containers[name=shop].image"
    assert moved[f"Deployment.apps {shop.name}/shop: {image}"] == "kubectl-client-side-apply"
    assert moved[f"ConfigMap {shop.name}/shop: manager of data.level"] == "kubectl-create"
    shop.land(number)
    assert shop.stage.ledger.units[f"release/{shop.name}"].outcome == "applied"
    after = shop.live()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert "adopted" in shop.stage.actions(release=shop.name)

    rolled = shop.propose({shop.source: WORKLOAD.replace("shop:v1", "shop:v2")}, "v2")
    assert shop.plan(rolled).blocked == ()
    shop.land(rolled)
    assert shop.live()["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/shop:v2"


def test_g27_another_value_is_a_change_that_is_approved_like_any(shop: Shop) -> None:
    shop.runs("debug")
    number = shop.adopt()
    plan = shop.plan(number)
    assert plan.blocked == ()
    [change] = [one for one in plan.changes if one.subject.startswith("ConfigMap")]
    [field] = [one for one in change.fields if one.path == "data.level"]
    assert (field.before, field.after) == ("(exists)", "info")
    assert "debug" not in plan.model_dump_json()
    shop.land(number)
    assert shop.live("configmaps")["data"] == {"level": "info"}


def test_g20_what_moved_between_the_preview_and_the_apply_is_not_adopted(shop: Shop) -> None:
    shop.runs()
    number = shop.adopt()
    shop.stage.approve(number)
    shop.stage.world.sandbox("prod").edit(shop.path("deployments"), {"spec": {"replicas": 5}}, "kubectl-scale")
    shop.stage.force_merge(number)
    assert PART_OF not in shop.live()["metadata"]["labels"]
    assert shop.live()["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("marks", "who", "way"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm release shop", "owner=helm,name=RELEASE"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux Kustomization apps", "prune: false"),
    ],
    ids=["helm", "flux"],
)
def test_g27_an_active_controller_keeps_its_objects_and_the_way_to_hand_over_is_said(
    shop: Shop, marks: dict[str, Any], who: str, way: str
) -> None:
    shop.runs(**marks)
    plan = shop.plan(shop.adopt())
    assert [(check.key, who in check.message, way in check.hint) for check in plan.blocked] == [
        ("owned_by_another", True, True)
    ]


def test_g27_a_secret_is_not_adopted_and_nothing_of_it_is_told(shop: Shop) -> None:
    shop.runs()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop"}, "data": {"password": "aHVudGVyMg=="}}
    shop.stage.world.sandbox("prod").place(f"api/v1/namespaces/{shop.name}/secrets", secret)
    guess = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {password: hunter2}\n"
    right = shop.plan(shop.adopt(WORKLOAD + guess))
    wrong = shop.plan(shop.adopt(WORKLOAD + guess.replace("hunter2", "x"), "other"))
    assert [check.key for check in right.blocked] == ["owned_by_another"]
    assert (right.checks, right.changes, right.touched) == (wrong.checks, wrong.changes, wrong.touched)


def test_g27_a_release_that_stands_takes_nothing_more(shop: Shop) -> None:
    """Only a new release adopts: what a later change of it names and somebody else made is refused as ever."""
    shop.runs()
    shop.land(shop.adopt())
    other = {**config("info"), "metadata": {"name": "other"}}
    shop.stage.world.sandbox("prod").place(shop.path("configmaps").removesuffix("/shop"), other, "kubectl-create")
    more = WORKLOAD + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {level: info}\n"
    plan = shop.plan(shop.propose({shop.source: more}, "more"))
    assert [check.key for check in plan.blocked] == ["owned_by_another"]


def test_g28_forgetting_after_an_adoption_leaves_everything_running(shop: Shop) -> None:
    before = shop.runs()
    shop.land(shop.adopt())
    shop.land(shop.propose({shop.spec: shop.text + "  onRemoval: forget\n"}, "forget"))
    shop.land(shop.propose({shop.spec: None, shop.source: None}, "remove"))
    assert shop.live()["spec"] == before["spec"]
    assert PART_OF not in shop.live()["metadata"]["labels"]
    assert shop.live("configmaps")["data"] == {"level": "info"}
