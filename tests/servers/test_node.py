"""A real node, tested itself: pods run there, and what can go wrong with a pod goes wrong as it does everywhere."""

import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.servers import network
from tests.servers.availability import node_lacks
from tests.servers.hosts import HostLab
from tests.servers.node.images import WEB
from tests.servers.node.workload import Web
from tests.servers.nodecluster import NodeCluster
from tests.servers.processes import wait_until

pytestmark = pytest.mark.real

PROJECT = Path(__file__).parents[2]
SECONDS = 300.0


@pytest.fixture
def web(real_node: NodeCluster) -> Iterator[Web]:
    """The test image in a namespace of its own."""
    namespace = f"test-{uuid4().hex[:8]}"
    real_node.kubectl("create", "namespace", namespace)
    yield Web(namespace)
    real_node.kubectl("delete", "namespace", namespace, "--wait=false")


def container(cluster: NodeCluster, web: Web) -> dict[str, Any]:
    """The status of the pod's container, or nothing while there is none."""
    pods = cluster.get("pods", f"--namespace={web.namespace}", f"--selector=app={web.name}")["items"]
    statuses: list[dict[str, Any]] = pods[-1]["status"].get("containerStatuses", []) if pods else []
    return statuses[0] if statuses else {}


def answer(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False, timeout=5).text
    except httpx.TransportError:
        return ""


def rolled_out(cluster: NodeCluster, web: Web) -> None:
    cluster.kubectl("rollout", "status", f"deployment/{web.name}", f"--namespace={web.namespace}", "--timeout=300s")


def test_the_node_is_ready_and_is_containerd(real_node: NodeCluster) -> None:
    status = real_node.get("node", "host1")["status"]
    assert [one["status"] for one in status["conditions"] if one["type"] == "Ready"] == ["True"]
    assert status["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")


def test_pods_serve_and_a_service_answers_by_node_port_by_name_and_by_the_api(real_node: NodeCluster, web: Web) -> None:
    served = replace(web, replicas=2, environment={"BODY": "hello"}, probed=True)
    real_node.apply(served.deployment(), served.service("NodePort"))
    rolled_out(real_node, served)
    port = real_node.get("service", "web", f"--namespace={web.namespace}")["spec"]["ports"][0]["nodePort"]
    node_port = f"http://{real_node.hosts[0].address}:{port}/"
    wait_until(lambda: answer(node_port) == "hello\n", "kube-proxy to open the node port", SECONDS)
    proxied = f"/api/v1/namespaces/{web.namespace}/services/web:80/proxy/"
    assert real_node.kubectl("get", "--raw", proxied) == "hello\n"
    real_node.kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=300s")
    asked = f"http://web.{web.namespace}.svc.cluster.local/"
    run = ("exec", f"--namespace={web.namespace}", "deployment/web", "--", "wget", "-qO-", asked)
    assert real_node.kubectl(*run) == "hello\n"


def test_another_tag_of_the_image_is_rolled_out_and_answers_as_itself(real_node: NodeCluster, web: Web) -> None:
    for image in real_node.images:
        real_node.apply(replace(web, image=image).deployment(), web.service())
        rolled_out(real_node, web)
        proxied = f"/api/v1/namespaces/{web.namespace}/services/web:80/proxy/"

        def answers(path: str = proxied, tag: str = image.rpartition(":")[2]) -> bool:
            return real_node.kubectl("get", "--raw", path) == f"{tag}\n"

        wait_until(answers, f"{image} to answer", SECONDS)


def test_an_image_that_nobody_has_is_not_pulled(real_node: NodeCluster, web: Web) -> None:
    missing = replace(web, image=f"{WEB}:v404")
    never = replace(missing, name="never", pull="Never")
    real_node.apply(missing.deployment(), never.deployment())

    def reason(of: Web) -> str:
        waiting: str = container(real_node, of).get("state", {}).get("waiting", {}).get("reason", "")
        return waiting

    wait_until(lambda: reason(missing) in {"ErrImagePull", "ImagePullBackOff"}, "the failed pull", SECONDS)
    wait_until(lambda: reason(never) in {"ErrImageNeverPull", "ImagePullBackOff"}, "the refused pull", SECONDS)


def test_a_container_that_ends_is_seen_to_crash_with_its_code(real_node: NodeCluster, web: Web) -> None:
    """The word CrashLoopBackOff may come late or never: this kubelet shows the end itself while it backs off."""
    real_node.apply(replace(web, environment={"EXIT": "3"}).deployment())

    def crashed() -> bool:
        seen = container(real_node, web)
        return seen.get("restartCount", 0) > 0 and "running" not in seen["state"]

    wait_until(crashed, "the container to crash again", SECONDS)
    assert container(real_node, web)["lastState"]["terminated"]["exitCode"] == 3
    assert "ending with 3" in real_node.kubectl("logs", f"--namespace={web.namespace}", "deployment/web")


def test_a_failing_probe_keeps_a_running_pod_unready(real_node: NodeCluster, web: Web) -> None:
    real_node.apply(replace(web, environment={"UNREADY": "1"}, probed=True).deployment())
    events = ("events", f"--namespace={web.namespace}", "--field-selector=reason=Unhealthy")
    wait_until(lambda: bool(real_node.get(*events)["items"]), "the failing probe's event", SECONDS)
    status = container(real_node, web)
    assert "running" in status["state"]
    assert status["ready"] is False


def test_a_limited_account_may_do_what_its_rules_say_and_is_in_the_audit_log(real_node: NodeCluster, web: Web) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    token = real_node.limited_account(web.namespace, "reader", [rule])

    def ask(resource: str) -> int:
        return httpx.get(
            f"{real_node.endpoint}/api/v1/namespaces/{web.namespace}/{resource}",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cadata=real_node.ca_pem),
            trust_env=False,
        ).status_code

    assert (ask("configmaps"), ask("secrets")) == (200, 403)
    user = f"system:serviceaccount:{web.namespace}:reader"
    seen = [(one["verb"], one["responseStatus"]["code"]) for one in real_node.audit_lines(user)]
    assert seen == [("list", 200), ("list", 403)]


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.servers.node.workload import Web
from tests.servers.nodecluster import NodeCluster
with NodeCluster(Path(sys.argv[1]), workers=1) as cluster:
    cluster.apply(Web("default", replicas=4).deployment())
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=300s")
    pods = cluster.get("pods", "--namespace=default")["items"]
    print(cluster.number, *sorted({pod["spec"]["nodeName"] for pod in pods}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_that_joined_runs_pods_and_of_a_killed_run_the_next_sweeps_all(
    tmp_path: Path, own_numbers: range
) -> None:
    lacking = node_lacks()
    if lacking is not None:
        pytest.skip(lacking)
    argv = [sys.executable, "-c", KILLED_RUN, str(tmp_path / "killed")]
    killed = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    first, *nodes = killed.stdout.split()
    number = int(first)
    assert nodes == ["host1", "host2"]
    assert (tmp_path / "killed/hosts/host1/plain/var/lib/containerd").exists()
    with HostLab(tmp_path / "next", 1) as lab:
        swept = lab.number == number or network.traces(number) == []
        assert swept
    assert network.traces(number) == []
    assert not (tmp_path / "killed/hosts/host1").exists()
