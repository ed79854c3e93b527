"""A chart with hooks, rendered by Helm itself, with pods that run: Jobs do what they say before anything follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.rendering.helm import Helm
from tests.servers.nodecluster import NodeCluster
from tests.story.stage import Stage
from tests.story.test_helm import FOLDER, SPEC
from tests.story.test_helm import RELEASE as SHOP
from tests.story.test_real_node import IMAGE, RIGHTS, WRITING, on_the_node
from tests.story.test_real_way_back import MORE

pytestmark = pytest.mark.real

OURS = "reconciler/apply: env-k8s-prod"
OF_CHARTS: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": [*WRITING, "update"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": WRITING},
]
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {TAG: {{ .Values.tag | quote }}}\n"
ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: migrating, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}}
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 0
  template:
    spec:
      serviceAccountName: migrating
      restartPolicy: Never
      containers:
      - name: it
        image: "IMAGE:v2.0.0"
        env: [{name: EXIT, value: "{{ .Values.exit }}"}]
""".replace("IMAGE", IMAGE)


def chart(tag: str, code: int) -> dict[str, str | None]:
    return {
        SHOP: SPEC.format(tag=tag),
        "releases/shop/values.yaml": f"tag: '${{tag}}'\nexit: {code}\n",
        f"{FOLDER}/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\n",
        f"{FOLDER}/templates/all.yaml": f"{SETTINGS}---\n{ACCOUNT}---\n{JOB}",
    }


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster, official_helm: Path) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, [*RIGHTS, *MORE, *OF_CHARTS]) as made:
        made.world.opened.planner.desires.charts = Helm(tmp_path / "render", search=str(official_helm.parent))
        yield made


def land(stage: Stage, files: dict[str, str | None], branch: str) -> tuple[str, str]:
    number = stage.propose(files, branch=branch)
    assert stage.plans(number).plans[0].blocked == ()
    for login in ("approver_user", "admin"):
        stage.approve(number, login)
    return stage.statuses(stage.merge(number))[OURS]


def test_a_charts_job_runs_under_its_own_account_and_nothing_follows_one_that_fails(
    stage: Stage, real_node: NodeCluster
) -> None:
    def settings() -> str:
        return str(real_node.get("configmap", "settings", "--namespace=svc-a")["data"]["TAG"])

    def history() -> list[str]:
        found = real_node.get("secrets", "--namespace=svc-a", "--selector=owner=helm,name=shop")["items"]
        return sorted(f"{one['metadata']['labels']['version']} {one['metadata']['labels']['status']}" for one in found)

    assert land(stage, chart("v1", 0), "install")[0] == "success"
    (job,) = real_node.get("jobs", "--namespace=svc-a")["items"]
    assert job["status"]["succeeded"] == 1
    assert (settings(), history()) == ("v1", ["1 deployed"])
    state, words = land(stage, chart("v2", 3), "upgrade")
    assert (state, words.endswith("its log ends: ending with 3, as asked")) == ("failure", True), words
    before = ["1 superseded", "2 failed"]  # and 3, which took 1 back
    assert (settings(), history()) == ("v1", [*before, "3 deployed"])
    assert land(stage, chart("v3", 0), "again")[0] == "success"
    assert (settings(), history()) == ("v3", [*before, "3 superseded", "4 deployed"])
