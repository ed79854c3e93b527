"""From a running workload to a release, with real kubectl on a real API server and the printed account (G27)."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.servers.apiserver import ApiServer

pytestmark = pytest.mark.real

WORKLOAD = """\
apiVersion: v1
kind: Namespace
metadata: {name: NS}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: NS}
data: {level: info, "1": "yes", note: "1e3"}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {app: web}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:v1
          envFrom: [{configMapRef: {name: web}}]
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}}
          resources: {requests: {cpu: "0.5", memory: 1024Mi}}
"""
_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody with kubectl and a namespace in which something runs."""

    terminal: Terminal
    namespace: str

    def kubectl(self, *words: str, given: str = "") -> str:
        done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def seen(self, *what: str) -> Any:
        return json.loads(self.kubectl("-n", self.namespace, "get", *what, "-o", "json"))

    def rollouts(self) -> list[tuple[str, int]]:
        """Every ReplicaSet that there is: a pod template that changed makes another one."""
        found = self.seen("replicasets")["items"]
        return sorted((one["metadata"]["uid"], one["metadata"]["generation"]) for one in found)


@pytest.fixture
def person(
    terminal: Terminal, real_apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Person]:
    (tmp_path / "kubeconfig").write_text(real_apiserver.kubeconfig(real_apiserver.admin_token))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PATH", f"{real_apiserver.kubectl.parent}{os.pathsep}{os.environ['PATH']}")
    made = Person(terminal, f"adopting-{next(_numbers)}")
    made.kubectl("apply", "-f", "-", given=WORKLOAD.replace("NS", made.namespace))
    for _ in range(200):  # the controller needs a moment
        if made.rollouts():
            break
    try:
        yield made
    finally:
        name = f"reconciler-{made.namespace}"
        made.kubectl("delete", "clusterrole,clusterrolebinding", name, "--ignore-not-found")
        made.kubectl("-n", "default", "delete", "role,rolebinding", name, "--ignore-not-found")


def adopt(person: Person) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The printed commands, as they are printed."""
    named = f"{person.namespace}/deployment/web"
    words = ("init", "ops", "--as", "ada", "--email", "ada@example.org", "--context", "test", "--adopt", named)
    made = person.terminal.well(*words, "-o", "json").json
    home = Path(made["config"]).parent
    person.kubectl("apply", "-f", str(home / "access.yaml"))
    token = person.kubectl("-n", person.namespace, "create", "token", "reconciler", "--duration=2160h")
    (home / "secrets" / "test").write_text(token)
    config = ("--config", made["config"], "--key", made["key"])
    person.terminal.well(*config, "run", "--once", "--trust", made["commit"])
    person.terminal.well(*config, "pr", "merge", "1")
    assert person.terminal.well(*config, "run", "--once").out == ""
    return config, made


def test_g27_a_workload_of_a_real_cluster_is_adopted_restarts_nothing_and_is_rolled_by_the_next(
    person: Person, tmp_path: Path
) -> None:
    before, rollouts = person.seen("deployment", "web"), person.rollouts()
    config, made = adopt(person)
    after = person.seen("deployment", "web")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert person.rollouts() == rollouts
    assert "applyset.kubernetes.io/part-of" in after["metadata"]["labels"]
    tested = person.terminal.well(*config, "cluster", "test", "test", "-o", "json").json
    assert tested["missing_permissions"] == []
    assert "the token" in tested["ends"]
    assert person.terminal.type(*config, "explain-drift", "web").code == 0

    work = tmp_path / "work"
    git = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    signed = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={made['key']}", "-c", "commit.gpgsign=true"]
    subprocess.run([*git, "clone", "-q", made["repository"], work], check=True)
    manifest = work / "apps" / "web" / "deployment.yaml"
    manifest.write_text(manifest.read_text().replace("web:v1", "web:v2"))
    subprocess.run([*git, *signed, "-C", work, "commit", "-qam", "v2"], check=True)
    subprocess.run([*git, "-C", work, "push", "-q", "origin", "HEAD:v2"], check=True)
    person.terminal.well(*config, "pr", "open", "v2", "--title", "v2")
    person.terminal.well(*config, "run", "--once")
    person.terminal.well(*config, "pr", "merge", "2")
    assert person.terminal.well(*config, "run", "--once").out == ""
    containers = person.seen("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "registry.example/web:v2"
    assert len(person.rollouts()) == len(rollouts) + 1


@pytest.mark.parametrize(
    ("marks", "way"),
    [
        (("annotate", "meta.helm.sh/release-name=web"), "owner=helm,name=RELEASE"),
        (("label", "kustomize.toolkit.fluxcd.io/name=apps"), "prune: false"),
    ],
    ids=["helm", "flux"],
)
def test_g27_what_helm_or_flux_works_on_is_refused_with_the_way_to_hand_over(
    person: Person, marks: tuple[str, str], way: str
) -> None:
    verb, mark = marks
    person.kubectl("-n", person.namespace, verb, "deployment", "web", mark)
    named = f"{person.namespace}/deployment/web"
    seen = person.terminal.type("init", "ops", "--as", "ada", "--context", "test", "--adopt", named)
    assert seen.code == 2
    assert "owned_by_another" in seen.err
    assert way in " ".join(seen.err.split())
    assert not Path("ops").exists()
