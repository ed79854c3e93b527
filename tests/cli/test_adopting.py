"""`init --adopt`: what runs already is written down and becomes a release, and nothing of it changes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.doors.kubectl import Kubectl
from reconciler.errors import Refused
from reconciler.kube.marks import PART_OF
from reconciler.sandbox.cluster import SandboxCluster
from tests.cli import kubectl
from tests.cli.terminal import Terminal

NAMESPACE = "apis/apps/v1/namespaces/shop"
WEB = f"{NAMESPACE}/deployments/web"
SETTINGS = {"level": "info", "tpl": "${HOME}", "1": "yes"}


@pytest.fixture
def cluster() -> Iterator[SandboxCluster]:
    with SandboxCluster() as made:
        yield made


@pytest.fixture
def running(cluster: SandboxCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxCluster:
    """A Deployment, its Service and its ConfigMap, and a kubectl that reaches them."""
    monkeypatch.setenv("PATH", f"{kubectl.installed(tmp_path / 'bin', cluster)}{os.pathsep}{os.environ['PATH']}")
    cluster.place("api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    place(cluster, "apis/apps/v1", "deployments", deployment())
    place(
        cluster, "api/v1", "configmaps", named("ConfigMap", "web", data={"level": "info", "tpl": "${HOME}", "1": "yes"})
    )
    place(cluster, "api/v1", "configmaps", named("ConfigMap", "other", data={"a": "b"}))
    for name in ("web", "db"):
        body = named("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 80}]})
        place(cluster, "api/v1", "services", body)
    return cluster


def place(cluster: SandboxCluster, root: str, plural: str, body: dict[str, Any]) -> None:
    cluster.place(f"{root}/namespaces/shop/{plural}", body, "kubectl-client-side-apply")


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def deployment(**marks: Any) -> dict[str, Any]:
    container = {
        "name": "web",
        "image": "registry.example/web:v1",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "envFrom": [{"configMapRef": {"name": "web"}}, {"secretRef": {"name": "keys"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}, **marks},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always"},
            },
        },
    }


def live(cluster: SandboxCluster) -> dict[str, Any]:
    found = cluster.look(WEB)
    assert found is not None
    return found


ADOPT = ("init", "ops", "--as", "ada", "--context", "prod", "--adopt", "shop/deployment/web")


def test_g27_what_runs_becomes_a_release_by_the_commands_that_are_printed(
    terminal: Terminal, running: SandboxCluster
) -> None:
    before = live(running)
    made = terminal.well(*ADOPT, "-o", "json").json
    assert running.real_effects == []
    assert made["adopted"]["objects"] == ["Deployment shop/web", "Service shop/web", "ConfigMap shop/web"]
    assert made["adopted"]["left"] != []
    written = {*made["specs"], *made["adopted"]["files"]}
    assert written == {"policy.yaml", "environments/dev.yaml", "releases/web.yaml", "apps/web/deployment.yaml"}
    home = Path(made["config"]).parent
    (home / "secrets" / "prod").write_text(running.token + "\n")  # as `kubectl create token` prints it
    config = ("--config", made["config"], "--key", made["key"])
    terminal.well(*config, "run", "--once", "--trust", made["commit"])
    shown = terminal.well(*config, "pr", "show", "1").out
    assert "3 to adopt" in shown
    assert "kubectl-client-side-apply" in shown
    assert "`ada`, by self-approval" in shown
    terminal.well(*config, "pr", "merge", "1")
    assert terminal.well(*config, "run", "--once").out == ""
    after = live(running)
    assert PART_OF in after["metadata"]["labels"]
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    assert terminal.type(*config, "explain-drift", "web").code == 0
    tested = terminal.well(*config, "cluster", "test", "prod", "-o", "json").json
    assert (tested["missing_permissions"], tested["same_cluster"]) == ([], True)
    spec = running.look("api/v1/namespaces/shop/configmaps/web")
    assert spec is not None
    assert spec["data"] == SETTINGS


def test_the_account_has_the_rights_that_are_needed_and_no_more(terminal: Terminal, running: SandboxCluster) -> None:
    made = terminal.well(*ADOPT, "-o", "json").json
    home = Path(made["config"]).parent
    bodies = list(yaml.safe_load_all((home / "access.yaml").read_text()))
    roles = {(one["kind"], one["metadata"].get("namespace", "")): one["rules"] for one in bodies if "rules" in one}
    verbs = ["get", "list", "create", "patch", "delete"]
    assert roles == {
        ("Role", "shop"): [
            {"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": verbs},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
            {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},  # why a rollout waits
            {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
        ],
        ("Role", "default"): [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update"]}
        ],
        ("ClusterRole", ""): [
            {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}
        ],
    }
    assert (home / "secrets").stat().st_mode & 0o077 == 0
    assert running.token not in "".join(path.read_text(errors="replace") for path in home.glob("*.*") if path.is_file())


def test_a_repository_that_exists_gets_a_branch_and_nothing_on_its_own(
    terminal: Terminal, running: SandboxCluster
) -> None:
    there = terminal.well("init", "theirs", "--as", "bob", "-o", "json").json
    made = terminal.well("--repo", there["repository"], *ADOPT, "-o", "json").json
    assert made["adopted"]["pull_request"] is None
    assert made["adopted"]["branch"] == "adopt-web"
    seen = terminal.well("validate", there["repository"], "--rev", "adopt-web", "-o", "json").json
    assert seen["problems"] == []
    assert terminal.well("validate", there["repository"], "-o", "json").json["specs"] < seen["specs"]


@pytest.mark.parametrize(
    ("marks", "manager", "way"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "web"}}, "kubectl-create", "owner=helm,name=RELEASE"),
        ({"labels": {"app": "web", "kustomize.toolkit.fluxcd.io/name": "apps"}}, "kubectl-create", "prune: false"),
        ({}, "helm", "managedFields"),
    ],
)
def test_g27_what_a_controller_works_on_is_refused_and_nothing_is_written(
    terminal: Terminal, running: SandboxCluster, marks: dict[str, Any], manager: str, way: str
) -> None:
    body = {**deployment(**marks), "metadata": {"name": "held", **marks}}
    running.place(f"{NAMESPACE}/deployments", body, manager)
    seen = terminal.type(*ADOPT[:-1], "shop/deployment/held")
    assert seen.code == 2
    assert "owned_by_another" in seen.err
    assert way in seen.err.replace("\n", " ")
    assert not Path("ops/reconciler.toml").exists()


@pytest.mark.parametrize(
    "wrong", ["web", "shop/pod/web", "shop/deployment/web/x", "-n/deployment/x", "a/deployment/-x"]
)
def test_what_is_named_is_a_workload_in_a_namespace(terminal: Terminal, running: SandboxCluster, wrong: str) -> None:
    seen = terminal.type(*ADOPT[:-1], wrong)
    assert seen.code == 2
    assert not Path("ops").exists()


def test_what_kubectl_says_is_told_and_nothing_is_written(terminal: Terminal, running: SandboxCluster) -> None:
    seen = terminal.type("init", "ops", "--context", "elsewhere", "--adopt", "shop/deployment/web")
    assert seen.code == 2
    assert "does not exist" in seen.err
    assert not Path("ops").exists()


def test_without_kubectl_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        Kubectl("").cluster()
    assert refused.value.key == "k8s_binary_missing"
