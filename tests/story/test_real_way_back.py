"""Ways back by steps and hooks with pods that run: the Jobs are real, and so is the time in which nobody answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.approval.decision import Verb
from tests.failpoints.scenes import JOB, MANIFEST
from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.stage import RELEASE, Stage
from tests.story.test_real_node import IMAGE, RIGHTS, SECONDS, WRITING, answered, on_the_node, running

pytestmark = pytest.mark.real

OURS = "reconciler/apply: env-k8s-prod"
SERVICE = "http://svc-a.svc-a.svc.cluster.local"
MORE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["services/proxy", "pods/log"], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": WRITING},
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": WRITING},
]
# every program of a container stands still, and answers no probe: a shell cannot stop itself
FREEZE = """for one in /proc/[0-9]*; do
  read -r name < $one/comm
  [ "$name" = sh ] || { [ -d "$one" ] && kill -STOP ${one#/proc/}; }
done
exit 0"""


@pytest.fixture
def stage(tmp_path: Path, real_node: NodeCluster) -> Iterator[Stage]:
    with on_the_node(tmp_path, real_node, [*RIGHTS, *MORE]) as made:
        yield made


def job(name: str, code: int) -> str:
    """A Job that says something and ends with this code."""
    env = f'env: [{{name: EXIT, value: "{code}"}}]'
    return f"""apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: it, image: "{IMAGE}:v2.0.0", {env}}}]
"""


def land(
    stage: Stage, more: str, jobs: str, branch: str, *, health: str = "", files: dict[str, str | None] | None = None
) -> tuple[str, str]:
    """How a version ended."""
    text = stage.release_text("v2.0.1", **{"timeout: 2m": f"timeout: 2m{health}"})
    text = f"{text.replace('  rollback: {automatic: true}', '').rstrip()}\n{more}"
    number = stage.propose({RELEASE: text, JOB: jobs, **(files or {})}, branch=branch)
    assert not stage.plans(number).plans[0].blocked, stage.plans(number).plans[0].blocked
    stage.approve(number)
    return stage.statuses(stage.merge(number))[OURS]


def steps() -> str:
    listed = (
        "{action: stop_traffic, timeout: 2m}, {action: migrate_database, job: downgrade, reversible: true, timeout: 2m}"
        ", {action: roll_back, timeout: 2m}, {action: restore_traffic, timeout: 2m}, {action: verify}"
    )
    asked = f"{{traffic: {{url: '{SERVICE}/healthz', requests: 20}}}}"
    return f"  rollback:\n    automatic: true\n    success: [{asked}]\n    steps: [{listed}]\n"


def the_run(node: NodeCluster, name: str) -> dict[str, Any]:
    """The only run of a Job."""
    found = node.get("jobs", "--namespace=svc-a")["items"]
    (one,) = (item for item in found if item["metadata"]["name"].startswith(f"{name}-"))
    assert isinstance(one, dict)
    return one


def test_traffic_is_stopped_while_the_database_goes_back_and_is_never_left_so(
    stage: Stage, real_node: NodeCluster
) -> None:
    wrong = f", checks: [{{http: {{url: '{SERVICE}/', contains: v9.9.9}}}}]"
    state, words = land(stage, steps(), job("downgrade", 0), "by-steps", health=wrong)
    assert (state, words.startswith("rolled back")) == ("failure", True), words
    assert running(real_node) == [(f"{IMAGE}:v2.0.0", True)] * 2
    assert answered(real_node) == "v2.0.0"
    run = the_run(real_node, "downgrade")
    assert run["status"]["succeeded"] == 1
    pods = real_node.get("pods", "--namespace=svc-a", "--selector=app=svc-a")["items"]
    ended = run["status"]["completionTime"]
    assert all(pod["metadata"]["creationTimestamp"] >= ended for pod in pods)  # none stood when it ran
    annotations = real_node.get("deployment", "svc-a", "--namespace=svc-a")["metadata"]["annotations"]
    assert "opspilot.spec/stopped" not in annotations

    state, words = land(stage, steps(), job("downgrade", 3), "no-way", health=wrong)
    assert (state, words.startswith("rollback failed")) == ("error", True), words
    told = next(row.text for row in stage.rows(release="svc-a") if row.action == "rollback_failed")
    assert "ending with 3, as asked" in told
    assert "Deployment.apps svc-a/svc-a is given back its 2 pods" in told
    again = [(f"{IMAGE}:v2.0.1", True)] * 2
    wait_until(lambda: running(real_node) == again, "what stood to answer again", SECONDS)


def test_hooks_run_before_and_after_the_pods(stage: Stage, real_node: NodeCluster) -> None:
    hooks = "  hooks: [{name: up, when: before, job: upgrade}, {name: warm, when: after, job: warm}]\n"
    state, words = land(stage, hooks, f"{job('upgrade', 0)}---\n{job('warm', 0)}", "hooked")
    assert (state, words) == ("success", words)
    assert answered(real_node) == "v2.0.1"
    first, last = the_run(real_node, "upgrade"), the_run(real_node, "warm")
    pods = real_node.get("pods", "--namespace=svc-a", "--selector=app=svc-a")["items"]
    made = [pod["metadata"]["creationTimestamp"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert first["status"]["completionTime"] <= min(made)
    assert last["metadata"]["creationTimestamp"] >= max(made)


def returned(stage: Stage) -> str:
    """What is told of a return that was ordered and failed."""
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="now")
    stage.settle()
    return next(row.text for row in stage.rows(release="svc-a") if row.action == "rollback_failed")


def test_a_migration_whose_pod_never_runs_says_why(stage: Stage) -> None:
    quick = steps().replace("reversible: true, timeout: 2m", "reversible: true, timeout: 15s")
    land(stage, quick, job("downgrade", 0).replace(":v2.0.0", ":absent"), "by-steps")
    words = returned(stage)
    assert f"cannot pull image {IMAGE}:absent" in words, words


def of_three(manifest: str) -> str:
    """A StatefulSet like a Deployment."""
    made = manifest.replace("kind: Deployment", "kind: StatefulSet").replace("name: svc-a\n", "name: db\n", 1)
    made = made.replace("app: svc-a", "app: db").replace("  replicas: 2", "  replicas: 3\n  serviceName: db")
    return made.replace("port: http}\n          res", "port: http}\n            failureThreshold: 1\n          res")


def test_pods_that_go_in_order_do_not_go_when_they_are_not_ready(stage: Stage, real_node: NodeCluster) -> None:
    manifest = stage.world.example()[MANIFEST]
    files: dict[str, str | None] = {MANIFEST: f"{manifest.rstrip()}\n---\n{of_three(manifest)}"}
    quick = steps().replace("stop_traffic, timeout: 2m", "stop_traffic, timeout: 20s")
    assert land(stage, quick, job("downgrade", 0), "by-steps", files=files)[0] == "success"

    def ready() -> int:
        return int(real_node.get("statefulset", "db", "--namespace=svc-a")["status"].get("readyReplicas", 0))

    for number in (0, 1):
        real_node.kubectl("exec", "--namespace=svc-a", f"db-{number}", "--", "sh", "-c", FREEZE)
    wait_until(lambda: ready() == 1, "two pods not to be ready", SECONDS)
    words = returned(stage)
    assert "pods of StatefulSet.apps svc-a/db have not ended" in words, words
    assert "pod db-0" in words, words
    assert "podManagementPolicy: Parallel" in words, words
    assert "Deployment.apps svc-a/svc-a is given back its 2 pods" in words, words
