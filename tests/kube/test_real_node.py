"""What the reconciler says of pods that really run, or do not: the reason in words, by an account with few rights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import Readiness
from reconciler.state.readiness import Status
from tests.servers.node.images import WEB
from tests.servers.node.workload import Web
from tests.servers.nodecluster import NodeCluster, Rule
from tests.servers.processes import wait_until

pytestmark = pytest.mark.real

SECONDS = 300.0
READING: Rule = {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "replicasets"], "verbs": ["get"]}
CLAIMS: Rule = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]}
EXPLAINING: Sequence[Rule] = (
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
)
Body = dict[str, Any]


@dataclass(frozen=True)
class Looking:
    """A namespace of the node, and what the reconciler sees there with its own account."""

    cluster: NodeCluster
    kube: KubeTarget
    web: Web

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.web.namespace}:reconciler"

    def ref(self, body: Body) -> ObjectRef:
        group, _, version = body["apiVersion"].rpartition("/")
        return ObjectRef(group, version, body["kind"], self.web.namespace, body["metadata"]["name"])

    def judged(self, body: Body) -> Readiness:
        [found] = self.kube.readiness([self.ref(body)])
        return found

    def until(self, body: Body, *words: str, status: Status = Status.IN_PROGRESS) -> Readiness:
        """The first judgement with this status and all of these words."""
        seen: list[Readiness] = []

        def said() -> bool:
            seen.append(self.judged(body))
            return seen[-1].status == status and all(word in seen[-1].message for word in words)

        try:
            wait_until(said, f"{words} to be said", SECONDS)
        except Exception as failure:
            failure.add_note(f"said last: {seen[-1]}")
            raise
        return seen[-1]


@contextmanager
def looking_with(cluster: NodeCluster, rules: Sequence[Rule]) -> Iterator[Looking]:
    namespace = f"looked-at-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    token = cluster.limited_account(namespace, "reconciler", rules)
    kube = KubeTarget(parse_kubeconfig(cluster.kubeconfig(token)))
    try:
        yield Looking(cluster, kube, Web(namespace))
    finally:
        kube.close()
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def looking(real_node: NodeCluster) -> Iterator[Looking]:
    with looking_with(real_node, [READING, CLAIMS, *EXPLAINING]) as found:
        yield found


ABSENT_FOLDER = {"name": "settings", "configMap": {"name": "absent"}}
CASES: dict[str, tuple[Body, tuple[str, ...]]] = {
    "no such image": ({"image": f"{WEB}:v404"}, (f"container web cannot pull image {WEB}:v404: ", "Err")),
    "an image that must be there and is not": (
        {"image": f"{WEB}:v405", "pull": "Never"},
        (f"cannot pull image {WEB}:v405: ErrImageNeverPull",),
    ),
    "a crash": (
        {"environment": {"EXIT": "3"}},
        ("container web crashes", "it ended with exit code 3 (Error) and was restarted "),
    ),
    "no room": ({"requests": {"cpu": "1000"}}, ("it has no node (Unschedulable): 0/1 nodes", "Insufficient cpu")),
    "a probe that fails": (
        {"environment": {"UNREADY": "1"}, "probed": True},
        ("Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404",),
    ),
    "a secret that is missing": (
        {"secret": "absent"},
        ('container web waits: CreateContainerConfigError: secret "absent" not found',),
    ),
    "a volume that cannot be mounted": ({"volumes": [ABSENT_FOLDER]}, ("FailedMount", 'configmap "absent" not found')),
}


@pytest.fixture(scope="module")
def faulty(real_node: NodeCluster) -> Iterator[tuple[Looking, dict[str, Body]]]:
    """A Deployment for each fault, all at once, since each takes its time to show."""
    with looking_with(real_node, [READING, *EXPLAINING]) as looking:
        bodies = {
            case: replace(looking.web, name=f"web-{number}", **fault).deployment()
            for number, (case, (fault, _)) in enumerate(CASES.items())
        }
        real_node.apply(*bodies.values())
        yield looking, bodies


@pytest.mark.parametrize("case", CASES)
def test_why_a_rollout_waits_is_said_in_words(faulty: tuple[Looking, dict[str, Body]], case: str) -> None:
    looking, bodies = faulty
    said = looking.until(bodies[case], *CASES[case][1]).message
    assert f": pod {bodies[case]['metadata']['name']}-" in said


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_quota_that_refuses_every_pod_is_said(looking: Looking, kind: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": looking.web.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    looking.cluster.apply(quota)
    body = looking.web.deployment() if kind == "Deployment" else looking.web.stateful_set()
    # a quota is enforced by what the API server has cached of it, some time after it was made
    looking.cluster.kubectl(
        "wait", "--for=jsonpath={.status.hard.pods}=0", f"--namespace={looking.web.namespace}", "resourcequota/none"
    )
    looking.cluster.apply(body)
    looking.until(body, "exceeded quota: none", "limited: pods=0", "; have the namespace's ResourceQuota raised")


def test_a_claim_that_nothing_can_bind_is_said(looking: Looking) -> None:
    body = claim(looking.web.namespace)
    looking.cluster.apply(body)
    looking.until(body, "it is not bound (Pending)", "FailedBinding: no persistent volumes available")


def test_a_claim_that_is_bound_with_its_first_pod_is_not_waited_for(looking: Looking) -> None:
    """Its pod comes with a later batch: waiting for it would be waiting for ever."""
    cluster, name = looking.cluster, looking.web.namespace
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": name,
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": f"/tmp/{name}", "type": "DirectoryOrCreate"},
        },
    }
    later = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    body = claim(name, storageClassName=name)
    try:
        cluster.apply(volume, later, body)
        looking.until(body, "bound when its first pod is scheduled", status=Status.CURRENT)
        used = replace(looking.web, volumes=[{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}])
        cluster.apply(used.deployment())
        looking.until(used.deployment(), status=Status.CURRENT)
        assert looking.judged(body).message == "it is as desired"
    finally:
        cluster.kubectl("delete", f"storageclass/{name}", f"persistentvolume/{name}", "--wait=false")


def claim(namespace: str, **more: str) -> Body:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **more}
    metadata = {"name": "kept", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def test_success_is_said_only_after_the_new_revision_rolled_out_and_its_pods_alone_are_told(looking: Looking) -> None:
    good = replace(looking.web, replicas=2, probed=True)
    looking.cluster.apply(good.deployment())
    looking.until(good.deployment(), status=Status.CURRENT)
    bad = replace(good, image=looking.cluster.images[1], environment={"EXIT": "7"})
    looking.cluster.apply(bad.deployment())
    assert looking.judged(bad.deployment()).status == Status.IN_PROGRESS  # the old pods are ready all the while
    looking.until(bad.deployment(), "exit code 7")
    looking.cluster.apply(replace(good, environment={"UNREADY": "1"}).deployment())
    said = looking.until(bad.deployment(), "Unhealthy").message
    assert "exit code" not in said, "of the revision before"
    looking.cluster.apply(good.deployment())
    looking.until(good.deployment(), status=Status.CURRENT)
    pods = looking.cluster.get("pods", f"--namespace={good.namespace}", "--selector=app=web")["items"]
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert {pod["spec"]["containers"][0]["image"] for pod in alive} == {good.image}
    assert [pod["status"]["containerStatuses"][0]["ready"] for pod in alive] == [True, True]


def test_a_stateful_set_that_went_back_and_waits_for_a_broken_pod_says_which(looking: Looking) -> None:
    """It replaces no pod that is not ready, so going back to the spec before is not enough."""
    good, bad = (replace(looking.web, image=image) for image in (looking.cluster.images[0], f"{WEB}:v406"))
    looking.cluster.apply(good.stateful_set())
    looking.until(good.stateful_set(), status=Status.CURRENT)
    looking.cluster.apply(bad.stateful_set())
    looking.until(bad.stateful_set(), f"pod web-0: container web cannot pull image {WEB}:v406")
    looking.cluster.apply(good.stateful_set())
    told = looking.until(good.stateful_set(), "pod web-0: ", "of another revision", "kubectl delete pod web-0")
    looking.cluster.kubectl(*told.message.rpartition(": kubectl ")[2].split())  # what it says helps as it stands
    looking.until(good.stateful_set(), status=Status.CURRENT)


def test_where_all_is_ready_nothing_but_the_objects_is_asked_for(looking: Looking) -> None:
    body = looking.web.deployment()
    looking.cluster.apply(body)
    looking.until(body, status=Status.CURRENT)
    before = len(looking.cluster.audit_lines(looking.user))
    assert looking.judged(body).status == Status.CURRENT
    asked = [(one["verb"], one["objectRef"]["resource"]) for one in looking.cluster.audit_lines(looking.user)[before:]]
    assert asked == [("get", "deployments")]


def test_an_account_that_may_not_list_pods_is_told_so_and_the_judgement_stays(real_node: NodeCluster) -> None:
    with looking_with(real_node, [READING]) as looking:
        body = replace(looking.web, environment={"UNREADY": "1"}, probed=True).deployment()
        looking.cluster.apply(body)
        said = looking.until(body, "why is not known").message
        assert "listing pods of Deployment.apps" in said
        assert "cannot list resource" in said
