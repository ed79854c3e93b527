"""What is asked for when objects wait, and what becomes of answers that nobody wants."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Unavailable
from reconciler.kube import waiting
from reconciler.kube.client import Request
from reconciler.kube.connection import connection
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects, Readiness
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.secret import Secret
from reconciler.state.readiness import Status
from tests.kube.servers import Play, Scripted, answer, playing

Body = dict[str, Any]
REF = ObjectRef("apps", "v1", "Deployment", "default", "web")
CLAIM = ObjectRef("", "v1", "PersistentVolumeClaim", "default", "kept")


def said(body: Body) -> Play:
    return answer(200, json.dumps(body))


def kinds(kind: str, plural: str) -> Play:
    return said({"resources": [{"kind": kind, "name": plural, "namespaced": True}]})


def deployment(available: int = 0) -> Body:
    counts = dict.fromkeys(("replicas", "updatedReplicas"), 1)
    counts |= dict.fromkeys(("availableReplicas", "readyReplicas"), available)
    conditions = [{"type": "Available", "status": "True" if available else "False"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 1, "conditions": conditions, **counts},
    }


def pending(**annotations: str) -> Body:
    metadata = {"name": "kept", "namespace": "default", "uid": "u-2", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "status": {"phase": "Pending"}}


def pod(**state: Body) -> Body:
    status = {"containerStatuses": [{"name": "web", "restartCount": 0, "state": state}]}
    return {"metadata": {"name": "web-1", "namespace": "default", "uid": "u-3"}, "spec": {}, "status": status}


DEPLOYMENTS = kinds("Deployment", "deployments")
CLAIMS = kinds("PersistentVolumeClaim", "persistentvolumeclaims")
FOUND_WAITING = said({"items": [pod(waiting={"reason": "ErrImagePull"})]})
FOUND_SILENT = said({"items": [pod(running={})]})
REFUSED = answer(403, json.dumps({"kind": "Status", "message": "pods is forbidden", "reason": "Forbidden"}))


def events(reason: str, kind: str = "Warning") -> Play:
    return said({"items": [{"type": kind, "reason": reason, "message": "because"}]})


def judged(folder: Path, ref: ObjectRef, *plays: Play) -> tuple[Readiness, list[str]]:
    """The second judgement, and the paths that were asked for after the object itself."""
    served, body, *more = plays
    with playing(folder, served, body, body, *more) as server:
        kube = target(server)
        try:
            kube.readiness([ref])
            [found] = kube.readiness([ref])
        finally:
            kube.close()
        return found, [head.split()[1].partition("?")[0] for head in server.script.heard[3:]]


def target(server: Scripted) -> KubeTarget:
    return KubeTarget(connection(server.endpoint, server.ca_pem, token=Secret("token")))


def test_of_what_is_ready_nothing_more_is_asked(tmp_path: Path) -> None:
    found, asked = judged(tmp_path, REF, DEPLOYMENTS, said(deployment(available=1)), answer(500))
    assert (found.status, asked) == (Status.CURRENT, [])


def test_at_the_first_look_that_finds_it_waiting_nothing_more_is_asked(tmp_path: Path) -> None:
    plays = [DEPLOYMENTS, said(deployment()), said({**deployment(), "metadata": newer()}), FOUND_WAITING, answer(500)]
    _, asked = judged(tmp_path, REF, *plays[:2], *plays[3:])
    assert asked == ["/api/v1/namespaces/default/pods"]
    with playing(tmp_path, *plays) as server:
        kube = target(server)
        messages = [kube.readiness([REF])[0].message for _ in range(2)]
        kube.close()
        assert len(server.script.heard) == 3  # another generation is another rollout
    assert [message for message in messages if "pod web-1" in message] == []


def newer() -> Body:
    return {**deployment()["metadata"], "generation": 2}


def test_of_a_workload_that_waits_its_pods_are_asked_for(tmp_path: Path) -> None:
    found, asked = judged(tmp_path, REF, DEPLOYMENTS, said(deployment()), FOUND_WAITING, answer(500))
    assert found.message == "0 of 1 pods are available: pod web-1: container web cannot pull image : ErrImagePull"
    assert asked == ["/api/v1/namespaces/default/pods"]


def test_of_a_pod_that_says_nothing_its_events_are_asked_for(tmp_path: Path) -> None:
    plays = [DEPLOYMENTS, said(deployment()), FOUND_SILENT, events("FailedMount"), answer(500)]
    found, asked = judged(tmp_path, REF, *plays)
    assert found.message == "0 of 1 pods are available: pod web-1: FailedMount: because"
    assert asked == ["/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/events"]


def test_a_pod_that_says_what_is_wrong_is_enough(tmp_path: Path) -> None:
    """What the events would add is not worth a request, nor a right that may be missing."""
    both = said({"items": [pod(running={}), pod(waiting={"reason": "ErrImagePull"})]})
    found, asked = judged(tmp_path, REF, DEPLOYMENTS, said(deployment()), both, REFUSED)
    assert "ErrImagePull" in found.message
    assert asked == ["/api/v1/namespaces/default/pods"]


@pytest.mark.parametrize("refused", [REFUSED, answer(500), answer(404)])
def test_pods_that_cannot_be_read_are_said_and_the_judgement_stays(tmp_path: Path, refused: Play) -> None:
    found, _ = judged(tmp_path, REF, DEPLOYMENTS, said(deployment()), refused)
    assert found.status == Status.IN_PROGRESS
    assert "0 of 1 pods are available: why is not known (listing pods of Deployment.apps default/web" in found.message


def test_pods_in_a_shape_that_no_cluster_gives_are_nonsense_and_no_defect(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no Kubernetes API gives"):
        judged(tmp_path, REF, DEPLOYMENTS, said(deployment()), said({"items": ["no pod"]}))


def test_a_claim_that_is_bound_with_its_first_pod_is_not_waited_for(tmp_path: Path) -> None:
    found, _ = judged(tmp_path, CLAIM, CLAIMS, said(pending()), events("WaitForFirstConsumer", "Normal"))
    assert found.status == Status.CURRENT


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pending(), "ProvisioningFailed"),
        (pending(**{"volume.kubernetes.io/selected-node": "node-1"}), "WaitForFirstConsumer"),
    ],
    ids=["provisioning fails", "its pod has a node already"],
)
def test_any_other_claim_is_waited_for_and_told_why(tmp_path: Path, body: Body, reason: str) -> None:
    found, _ = judged(tmp_path, CLAIM, CLAIMS, said(body), events(reason, "Normal"))
    assert (found.status, found.message) == (Status.IN_PROGRESS, f"it is not bound (Pending): {reason}: because")


@pytest.fixture
def kube() -> Iterator[KubeTarget]:
    with SandboxCluster() as cluster:
        made = KubeTarget(connection(cluster.endpoint, cluster.ca_pem, token=Secret(cluster.token)))
        yield made
        made.close()


def apply_all(kube: KubeTarget, bodies: list[Body]) -> list[ObjectRef]:
    """Applied, and looked at once: as the sandbox's controllers leave them, and found waiting once."""
    [seen] = kube.observe([DesiredObjects("web", "default", tuple(bodies))]).values()
    kube.begin("web", "default", 1, "event")
    for body in bodies:
        item = next(item for ref, item in seen.objects.items() if ref.name == body["metadata"]["name"])
        kube.apply("web", body, generation=1, expected_uid=item.uid)
    refs = list(seen.objects)
    kube.readiness(refs)
    return refs


def test_of_very_many_that_wait_only_the_first_are_explained(kube: KubeTarget) -> None:
    bodies = [stateful(f"web-{number:02}") for number in range(waiting.MOST_EXPLAINED + 5)]
    refs = apply_all(kube, bodies)
    before = kube.client.requests["GET"]
    assert {found.status for found in kube.readiness(refs)} == {Status.IN_PROGRESS}
    assert kube.client.requests["GET"] - before == len(refs) + 2 * waiting.MOST_EXPLAINED  # pods and events


def test_very_many_claims_that_are_bound_with_their_pods_are_all_not_waited_for(kube: KubeTarget) -> None:
    """Of the first few alone it would be said again and again, and the release would never roll out."""
    refs = [ObjectRef("", "v1", CLAIM.kind, "default", f"kept-{number:02}") for number in range(25)]
    bodies = [{**pending(), "metadata": {**pending()["metadata"], "name": ref.name}} for ref in refs]
    metadata = {"name": "told", "namespace": "default"}
    told = {"metadata": metadata, "type": "Normal", "reason": waiting.WAITS_FOR_POD, "message": "waiting"}
    body = {"apiVersion": "v1", "kind": "Event", **told}
    kube.client.send(Request("POST", "/api/v1/namespaces/default/events", "telling", None, body))
    explainer = waiting.Explainer(kube.client)
    explainer.judge_all(refs, bodies)
    assert {found.status for found in explainer.judge_all(refs, bodies)} == {Status.CURRENT}


def stateful(name: str) -> Body:
    pod = {
        "metadata": {"labels": {"a": name}},
        "spec": {"containers": [{"name": "web", "image": "x.example/web:broken"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": name}}, "template": pod}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}
