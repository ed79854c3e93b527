"""A chart that a person installed with Helm, handed over to the reconciler by the way that docs/adopting.md says."""

import subprocess
from pathlib import Path

import pytest

from tests.servers.apiserver import ApiServer
from tests.story.real_targets import RealCluster
from tests.story.test_helm import OBJECTS, TEMPLATE, Shop, chart, real_shop  # noqa: F401  a fixture

pytestmark = pytest.mark.real

HELMS = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")


def by_hand(folder: Path) -> Path:
    """The same chart, on a person's disk."""
    made = folder / "chart"
    (made / "templates").mkdir(parents=True)
    (made / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.2.3\n")
    (made / "templates" / "all.yaml").write_text(TEMPLATE)
    return made


def uids(shop: Shop) -> list[str]:
    found = [shop.look(path) for path in OBJECTS]
    assert None not in found
    return [body["metadata"]["uid"] for body in found if body is not None]


def test_a_chart_that_a_person_installed_is_handed_over_without_a_new_object(
    real_shop: Shop,  # noqa: F811
    real_apiserver: ApiServer,
    tmp_path: Path,
) -> None:
    shop = real_shop
    assert shop.helm is not None
    shop.helm("install", "shop", str(by_hand(tmp_path)), "--set", "tag=v1,replicas=0")
    before = uids(shop)
    number = shop.stage.propose(chart(), branch="adopt")
    hints = {check.hint for plan in shop.stage.plans(number).plans for check in plan.blocked}
    assert any("`kubectl delete secret --selector owner=helm,name=RELEASE`" in hint for hint in hints), hints
    shop.stage.desk("dev_user").person().close(number)

    forget = ["delete", "secret", "--namespace=svc-a", "--selector=owner=helm,name=shop"]
    kubectl = [str(real_apiserver.kubectl), f"--kubeconfig={tmp_path / 'kubeconfig'}"]
    subprocess.run([*kubectl, *forget], check=True, capture_output=True, env={"HOME": str(tmp_path)})
    cluster = shop.stage.world.clusters["prod"]
    assert isinstance(cluster, RealCluster)
    for path in OBJECTS:
        annotations = dict.fromkeys(HELMS)
        cluster.edit(path, {"metadata": {"annotations": annotations, "managedFields": [{}]}})
    assert shop.helm("list", "--output", "json") == []
    number = shop.stage.propose(chart(), branch="adopt-again")
    (plan,) = shop.stage.plans(number).plans
    assert plan.blocked == ()
    assert {str(change.operation) for change in plan.changes} == {"adopt", "create"}
    shop.stage.approve(number)
    merged = shop.stage.merge(number)
    assert shop.stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    assert (shop.history(), uids(shop)) == ({1: "deployed"}, before)
    assert shop.release(chart("v2"), "upgrade")[1] == "success"
    assert (shop.history(), uids(shop), shop.settings()) == ({1: "superseded", 2: "deployed"}, before, "v2")
