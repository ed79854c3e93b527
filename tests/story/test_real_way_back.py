"""Ways back by steps and hooks with pods that run: the Jobs are real, and so is the time in which nobody answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.failpoints.scenes import JOB
from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until
from tests.story.stage import RELEASE, Stage
from tests.story.stepping import steps_are_trusted  # noqa: F401  a fixture
from tests.story.test_real_node import IMAGE, RIGHTS, SECONDS, WRITING, answered, on_the_node, running

pytestmark = pytest.mark.real

OURS = "reconciler/apply: env-k8s-prod"
SERVICE = "http://svc-a.svc-a.svc.cluster.local"
MORE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["services/proxy", "pods/log"], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": WRITING},
]


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


def land(stage: Stage, more: str, jobs: str, branch: str, *, health: str = "") -> tuple[str, str]:
    """How a version ended."""
    text = stage.release_text("v2.0.1", **{"timeout: 2m": f"timeout: 2m{health}"})
    text = f"{text.replace('  rollback: {automatic: true}', '').rstrip()}\n{more}"
    number = stage.propose({RELEASE: text, JOB: jobs}, branch=branch)
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
