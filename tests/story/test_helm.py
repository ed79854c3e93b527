"""A release of Helm: previewed as what its chart renders to, kept in Helm's own history, gone back and gone.

On the sandbox cluster with a renderer that knows one chart, and (marked `real`) on a real kube-apiserver with Helm
itself, which then says what it reads there. What the units and the contract show as well is told on the real ones only.
"""

import base64
import gzip
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.kube.target import KubeTarget
from reconciler.plan.change import Operation
from reconciler.rendering.helm import Helm
from reconciler.sandbox.world import World
from reconciler.specs.charts import ChartRenderer, values_file
from tests.servers.apiserver import ApiServer
from tests.story.clock import MovableClock
from tests.story.real_server import Zeroed
from tests.story.real_targets import RealCluster
from tests.story.stage import Stage

RELEASE = "releases/shop/production.yaml"
FOLDER = "releases/shop/chart"
NAMESPACE = "svc-a"
SPEC = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {{name: shop}}
spec:
  environment: env-k8s-prod
  cluster: k8s-prod-external
  namespace: svc-a
  source: {{type: helm, path: releases/shop/chart, values: [releases/shop/values.yaml]}}
  variables: {{tag: {tag}}}
  health: {{timeout: 5s}}
  rollback: {{automatic: true}}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  TAG: "{{ .Values.tag }}"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
      - name: web
        image: "registry.example.invalid/shop:{{ .Values.tag }}"
"""
OBJECTS = ("api/v1/namespaces/svc-a/configmaps/shop-settings", "apis/apps/v1/namespaces/svc-a/deployments/shop")

KEPT = "api/v1/namespaces/svc-a/configmaps/kept"


def chart(tag: str = "v1", *, replicas: int = 0, more: str = "") -> dict[str, str | None]:
    return {
        RELEASE: SPEC.format(tag=tag) + more,
        "releases/shop/values.yaml": f"tag: '${{tag}}'\nreplicas: {replicas}\n",
        f"{FOLDER}/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\n",
        f"{FOLDER}/templates/all.yaml": TEMPLATE,
    }


GONE = dict.fromkeys(chart())


@dataclass
class Known:
    """Renders the one chart above, as Helm would."""

    version: str = "stub v1"
    ran: int = 0

    def identity(self) -> str:
        return self.version

    def render(self, files: Mapping[str, bytes], folder: str, release: str, namespace: str) -> bytes:
        assert namespace == NAMESPACE
        self.ran += 1
        templates = [files[path].decode() for path in sorted(files) if path.startswith(f"{folder}/templates/")]
        text = "---\n".join(templates).replace("{{ .Release.Name }}", release)
        for key, value in json.loads(files[values_file(folder)]).items():
            text = text.replace(f"{{{{ .Values.{key} }}}}", str(value))
        return text.encode()


@dataclass
class Shop:
    """A world, and what it takes to look into its cluster from outside."""

    stage: Stage
    charts: ChartRenderer
    helm: Callable[..., Any] | None = None  # Helm itself on the same cluster
    names: list[str] = field(default_factory=list)

    def look(self, path: str) -> dict[str, Any] | None:
        return self.stage.world.clusters["prod"].look(path)

    def records(self) -> dict[int, dict[str, Any]]:
        """What Helm remembers, by revision: unpacked here, not by the code under test."""
        found = {}
        for number in range(1, 12):
            body = self.look(f"api/v1/namespaces/svc-a/secrets/sh.helm.release.v1.shop.v{number}")
            if body is not None:
                packed = base64.b64decode(base64.b64decode(body["data"]["release"]))
                found[number] = json.loads(gzip.decompress(packed))
        return found

    def history(self) -> dict[int, str]:
        said = {number: str(one["info"]["status"]) for number, one in self.records().items()}
        if self.helm is not None and said:
            told = self.helm("history", "shop", "--output", "json")
            assert {one["revision"]: one["status"] for one in told} == said
            assert self.helm("status", "shop", "--output", "json")["version"] == max(said)
        return said

    def settings(self) -> str | None:
        body = self.look(OBJECTS[0])
        return None if body is None else str(body["data"]["TAG"])

    def start_again(self) -> None:
        self.stage.restart()
        self.stage.world.opened.planner.desires.charts = self.charts

    def release(self, files: Mapping[str, str | None], branch: str) -> tuple[int, str]:
        """A pull request, approved and merged; its number and how the apply ended."""
        number = self.stage.propose(files, branch=branch)
        self.stage.approve(number)
        merged = self.stage.merge(number)
        return number, self.stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0]


@pytest.fixture
def sandbox_shop(stage: Stage) -> Shop:
    made = Shop(stage, Known())
    stage.world.opened.planner.desires.charts = made.charts
    return made


@pytest.fixture
def real_shop(tmp_path: Path, real_apiserver: ApiServer, official_helm: Path) -> Iterator[Shop]:
    cluster, clock = RealCluster(real_apiserver), MovableClock()
    world: World = Zeroed(
        tmp_path / "world", clock=clock, hosts_wanted=(), clusters_wanted=("prod",), make_cluster=lambda _: cluster
    )
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig())

    def helm(*arguments: str) -> Any:
        command = [str(official_helm), *arguments, "--namespace", NAMESPACE, "--kubeconfig", str(kubeconfig)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={"HOME": str(tmp_path)})
        return json.loads(done.stdout) if "json" in arguments else done.stdout

    made = Shop(Stage.on(world, clock), Helm(tmp_path / "render", search=str(official_helm.parent)), helm)
    try:
        made.stage.accept_first()
        world.opened.planner.desires.charts = made.charts
        yield made
    finally:
        world.close()
        for number in made.records():
            cluster.delete(f"api/v1/namespaces/svc-a/secrets/sh.helm.release.v1.shop.v{number}")
        for path in (*OBJECTS, KEPT, "apis/apps/v1/namespaces/svc-a/deployments/svc-a"):
            cluster.delete(path)
        for kind in ("configmaps", "services"):
            cluster.delete(f"api/v1/namespaces/svc-a/{kind}/svc-a")
        for name in cluster.parents():
            cluster.delete(f"api/v1/namespaces/default/configmaps/{name}")


@pytest.fixture(params=["sandbox_shop", pytest.param("real_shop", marks=pytest.mark.real)])
def shop(request: pytest.FixtureRequest) -> Shop:
    found: Shop = request.getfixturevalue(request.param)
    return found


def test_it_is_installed_upgraded_and_at_rest_between(shop: Shop) -> None:
    number = shop.stage.propose(chart(), branch="install")
    (plan,) = shop.stage.plans(number).plans
    assert plan.blocked == ()
    assert [(change.operation, change.subject) for change in plan.changes] == [
        (Operation.CREATE, "ConfigMap svc-a/shop-settings"),
        (Operation.CREATE, "Deployment.apps svc-a/shop"),
        (Operation.CREATE, "Helm release svc-a/shop"),
    ]
    assert shop.records() == {}  # a preview writes nothing
    shop.stage.approve(number)
    merged = shop.stage.merge(number)
    assert shop.stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
    assert (shop.history(), shop.settings()) == ({1: "deployed"}, "v1")
    record = shop.records()[1]
    assert record["config"] == {"tag": "v1", "replicas": 0}
    shop.stage.settle()
    assert shop.history() == {1: "deployed"}
    assert shop.release(chart("v2"), "upgrade")[1] == "success"
    assert (shop.history(), shop.settings()) == ({1: "superseded", 2: "deployed"}, "v2")
    if shop.helm is not None:
        assert '"TAG": "v2"' in shop.helm("get", "manifest", "shop")
        assert shop.helm("list", "--output", "json")[0]["chart"] == "web-1.2.3"


def test_a_failed_upgrade_goes_back_and_the_history_says_so(shop: Shop) -> None:
    shop.release(chart(), "install")
    assert shop.release(chart("v2-broken", replicas=1), "upgrade")[1] == "failure"
    assert shop.stage.ledger.units["release/shop"].outcome == "rolled_back"
    assert (shop.history(), shop.settings()) == ({1: "superseded", 2: "failed", 3: "deployed"}, "v1")


@pytest.mark.parametrize("moment", ["begun", pytest.param("deployed", marks=pytest.mark.real)])
def test_g20_killed_around_an_entry_it_goes_on_and_enters_it_once(
    shop: Shop, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after `begun` was written and its answer lost, or before `deployed` is."""
    shop.release(chart(), "install")
    number = shop.stage.propose(chart("v2"), branch="upgrade")
    shop.stage.approve(number)
    enter = KubeTarget.record_helm

    def dies(target: KubeTarget, wanted: Any, entry: Any) -> None:
        if entry.outcome.value == "begun":
            enter(target, wanted, entry)
        if entry.outcome.value == moment:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KubeTarget, "record_helm", dies)
        with pytest.raises(KeyboardInterrupt):
            shop.stage.merge(number)
    assert shop.history() == {1: "deployed", 2: "pending-upgrade"}
    shop.start_again()
    shop.stage.settle()
    assert (shop.history(), shop.settings()) == ({1: "superseded", 2: "deployed"}, "v2")
    assert shop.stage.ledger.units["release/shop"].outcome == "applied"


@pytest.mark.real
def test_g20_an_object_changed_by_hand_after_the_approval_stops_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.release(chart(), "install")
    number = shop.stage.propose(chart("v2"), branch="upgrade")
    shop.stage.approve(number)
    enter = KubeTarget.record_helm

    def by_hand(target: KubeTarget, wanted: Any, entry: Any) -> None:
        enter(target, wanted, entry)
        if entry.outcome.value == "begun":
            cluster: Any = shop.stage.world.clusters["prod"]
            cluster.edit(OBJECTS[0], {"data": {"TAG": "by hand"}})

    monkeypatch.setattr(KubeTarget, "record_helm", by_hand)
    merged = shop.stage.merge(number)
    assert shop.stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "failure"
    assert (shop.history(), shop.settings()) == ({1: "deployed", 2: "failed"}, "by hand")
    assert any("target_changed" in row.text or "neither as previewed" in row.text for row in shop.stage.rows())


@pytest.mark.real
def test_g28_removed_it_is_uninstalled(shop: Shop) -> None:
    shop.release(chart(), "install")
    number = shop.stage.propose(GONE, branch="remove")
    (plan,) = shop.stage.plans(number).plans
    assert (Operation.DELETE, "Helm release svc-a/shop") in [(one.operation, one.subject) for one in plan.changes]
    for login in ("approver_user", "admin"):
        shop.stage.approve(number, login)
    shop.stage.merge(number)
    assert shop.stage.ledger.units["release/shop"].outcome == "applied"
    assert shop.records() == {}
    assert [shop.look(path) for path in OBJECTS] == [None, None]


def test_g28_what_helm_is_told_to_keep_goes_on_when_it_leaves_the_release(shop: Shop) -> None:
    kept = f"{FOLDER}/templates/kept.yaml"
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}\n"
    shop.release({**chart(), kept: body}, "install")
    number, ended = shop.release({**chart("v2"), kept: None}, "upgrade")
    assert ended == "success"
    (plan,) = shop.stage.plans(number).plans
    assert (Operation.FORGET, "ConfigMap svc-a/kept") in [(one.operation, one.subject) for one in plan.changes]
    left = shop.look(KEPT)
    assert left is not None
    assert [name for name in left["metadata"].get("labels", {}) if "part-of" in name or "applyset" in name] == []


KIND = "apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.shop.example.com"
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget, shortNames: [SHORT]}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""


def short_names(shop: Shop) -> list[str] | None:
    body = shop.look(KIND)
    return body["spec"]["names"]["shortNames"] if body is not None else None


@pytest.mark.real
def test_g28_what_lies_in_crds_is_installed_once_and_outlives_the_release(real_shop: Shop) -> None:
    shop = real_shop
    defined = f"{FOLDER}/crds/widgets.yaml"
    widget = "apiVersion: shop.example.com/v1\nkind: Widget\nmetadata: {name: first}\n"
    more = {defined: DEFINITION.replace("SHORT", "wi"), f"{FOLDER}/templates/widget.yaml": widget}
    try:
        shop.release({**chart(), **more}, "install")
        for _ in range(20):  # a server that was just told of a kind says for a moment that it may be asked later
            if shop.stage.ledger.units["release/shop"].outcome:
                break
            shop.stage.clock.advance(timedelta(seconds=10))
            shop.stage.settle()
        assert shop.stage.ledger.units["release/shop"].outcome == "applied"
        assert short_names(shop) == ["wi"]
        assert shop.helm is not None
        manifest = shop.helm("get", "manifest", "shop")
        assert ("CustomResourceDefinition" in manifest, '"kind": "Widget"' in manifest) == (False, True)
        upgrade = {**chart("v2"), **dict.fromkeys(more), defined: DEFINITION.replace("SHORT", "wid")}
        number, ended = shop.release(upgrade, "upgrade")
        assert (ended, short_names(shop), shop.settings()) == ("success", ["wi"], "v2")
        (plan,) = shop.stage.plans(number).plans
        assert [one.message for one in plan.checks if "never upgraded" in one.message] != []
        assert [one.subject for one in plan.changes if "CustomResourceDefinition" in one.subject] == []
        number = shop.stage.propose({**GONE, defined: None}, branch="remove")
        (plan,) = shop.stage.plans(number).plans
        assert plan.blocked == ()
        for login in ("approver_user", "admin"):
            shop.stage.approve(number, login)
        shop.stage.merge(number)
        assert shop.stage.ledger.units["release/shop"].outcome == "applied"
        assert (short_names(shop), shop.records()) == (["wi"], {})
    finally:
        cluster = shop.stage.world.clusters["prod"]
        assert isinstance(cluster, RealCluster)
        cluster.delete(KIND)


@pytest.mark.real
def test_g28_forgotten_it_is_an_ordinary_release_of_helm(shop: Shop) -> None:
    shop.release(chart(more="  onRemoval: forget\n"), "install")
    number = shop.stage.propose(GONE, branch="forget")
    shop.stage.approve(number)
    shop.stage.merge(number)
    assert shop.stage.ledger.units["release/shop"].outcome == "applied"
    assert (shop.history(), shop.settings()) == ({1: "deployed"}, "v1")
    labels = (shop.look("api/v1/namespaces/svc-a/secrets/sh.helm.release.v1.shop.v1") or {})["metadata"]["labels"]
    assert [key for key in labels if key.startswith("opspilot.spec/")] == []
    if shop.helm is not None:
        shop.helm("uninstall", "shop")
        assert shop.settings() is None


@pytest.mark.real
def test_a_release_does_not_become_one_of_helm_in_one_step(shop: Shop) -> None:
    shop.release(chart(), "install")
    plain = {
        RELEASE: SPEC.format(tag="v1").replace("helm", "manifests").replace(", values: [releases/shop/values.yaml]", "")
    }
    template = TEMPLATE.replace("{{ .Release.Name }}", "shop").replace("{{ .Values.replicas }}", "0")
    files = {**GONE, **plain, f"{FOLDER}/all.yaml": template.replace("{{ .Values.tag }}", "${tag}")}
    number = shop.stage.propose(files, branch="switch")
    (plan,) = shop.stage.plans(number).plans
    assert [check.key for check in plan.blocked] == ["release_state_invalid"]
    assert plan.batches == ()


def test_g26_a_tool_that_renders_otherwise_after_the_approval_sends_nothing(
    sandbox_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = sandbox_shop
    shop.release(chart(), "install")
    number = shop.stage.propose(chart("v2"), branch="upgrade")
    shop.stage.approve(number)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.app.perform.Performer.apply", crash)
        with pytest.raises(KeyboardInterrupt):
            shop.stage.merge(number)

    class Otherwise(Known):
        def render(self, files: Mapping[str, bytes], folder: str, release: str, namespace: str) -> bytes:
            return super().render(files, folder, release, namespace).replace(b"v2", b"v2-evil")

    for left in shop.stage.world.opened.settings.cache.glob("specs.sqlite*"):
        left.unlink()
    shop.charts = Otherwise("stub v2")
    shop.start_again()
    shop.stage.settle()
    assert shop.settings() == "v1"
    assert any("it renders to something else now than what was approved" in row.text for row in shop.stage.rows())


@pytest.mark.real
def test_helm_by_hand_stops_at_what_the_reconciler_owns_and_forced_is_told(real_shop: Shop, tmp_path: Path) -> None:
    shop = real_shop
    assert shop.helm is not None
    shop.release(chart(), "install")
    shop.release(chart("v2"), "upgrade")
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 9.9.9\n")
    (folder / "templates" / "all.yaml").write_text(TEMPLATE)
    for arguments in (
        ("upgrade", "shop", str(folder), "--set", "tag=hand,replicas=0"),
        ("rollback", "shop", "1"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            shop.helm(*arguments)
        assert "conflict" in failed.value.stderr
    assert shop.settings() == "v2"
    shop.helm("rollback", "shop", "1", "--force-conflicts")
    assert shop.settings() == "v1"
    number = shop.stage.propose(chart("v3"), branch="after")
    blocked = {(check.key, check.message) for plan in shop.stage.plans(number).plans for check in plan.blocked}
    assert {key for key, _ in blocked} == {"resource_conflict"}
    assert any("helm: data.TAG would be overwritten" in message for _, message in blocked), blocked
