"""What the contract of ports.KubeApi runs on: the sandbox cluster, and a real API server.

Both are looked at by an `Outside`: a client that is not the code under test reads and edits objects the way a person
with kubectl would, and says which requests had an effect by the server's own account.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from reconciler.errors import Unavailable
from reconciler.kube.kubeconfig import parse_kubeconfig
from reconciler.kube.target import KubeTarget
from reconciler.names import ObjectRef
from reconciler.ports import DesiredObjects
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.state.observed import ObservedObject
from reconciler.state.readiness import Status

Body = dict[str, Any]

_numbers = count(1)


class Outside:
    """A person with kubectl: raw requests over a client of its own."""

    def __init__(self, endpoint: str, ca_pem: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=endpoint,
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cadata=ca_pem),
            trust_env=False,
        )

    def get(self, path: str) -> Body | None:
        answer = self._http.get(path)
        return None if answer.status_code == 404 else _good(answer)

    def must_get(self, path: str) -> Body:
        return _good(self._http.get(path))

    def create(self, path: str, body: Body, manager: str = "kubectl-create") -> Body:
        return _good(self._http.post(path, params={"fieldManager": manager}, json=body))

    def edit(self, path: str, patch: Body, manager: str = "kubectl-edit") -> Body:
        kind = {"Content-Type": "application/merge-patch+json"}
        return _good(self._http.patch(path, params={"fieldManager": manager}, json=patch, headers=kind))

    def apply(self, path: str, body: Body, manager: str) -> Body:
        kind = {"Content-Type": "application/apply-patch+yaml"}
        return _good(self._http.patch(path, params={"fieldManager": manager}, json=body, headers=kind))

    def delete(self, path: str) -> None:
        _good(self._http.delete(path))

    def close(self) -> None:
        self._http.close()


def _good(answer: httpx.Response) -> Body:
    assert answer.is_success, answer.text
    found: Body = answer.json()
    return found


@dataclass(frozen=True)
class Lab:
    """One namespace of a cluster, the target under test, and the outside view."""

    kube: KubeTarget
    outside: Outside
    namespace: str
    release: str
    connect: Callable[[], KubeTarget]  # another process with the same access

    def path(self, plural: str, name: str = "", group: str = "") -> str:
        root = f"/apis/{group}/v1" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def config(self, name: str = "settings", **data: str) -> Body:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace},
            "data": data,
        }

    def secret(self, name: str = "keys", **text: str) -> Body:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": text}

    def deployment(self, name: str = "web", image: str = "registry.example/web:v1", replicas: int | None = 0) -> Body:
        container = {"name": "web", "image": image, "ports": [{"containerPort": 8080}]}
        spec: Body = {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        }
        if replicas is not None:
            spec["replicas"] = replicas
        metadata = {"name": name, "namespace": self.namespace, "labels": {"app": name}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    def autoscaler(self, name: str = "web") -> Body:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5},
        }

    def ref(self, body: Body) -> ObjectRef:
        group, slash, version = body["apiVersion"].rpartition("/")
        where = body["metadata"].get("namespace", "")
        return ObjectRef(group if slash else "", version, body["kind"], where, body["metadata"]["name"])

    def desired(self, *bodies: Body, release: str = "") -> DesiredObjects:
        return DesiredObjects(release or self.release, self.namespace, bodies)

    def see(self, body: Body, *others: Body, release: str = "") -> ObservedObject:
        """How one desired object is observed."""
        wanted = self.desired(body, *others, release=release)
        return self.kube.observe([wanted])[wanted.release].objects[self.ref(body)]

    def roll(self, *bodies: Body, generation: int = 1, release: str = "") -> None:
        """What the app does: look, begin, apply each object with the UID that it saw."""
        wanted = self.desired(*bodies, release=release)
        seen = self.kube.observe([wanted])[wanted.release]
        self.kube.begin(wanted.release, self.namespace, generation, f"event-{generation}")
        for body in bodies:
            uid = seen.objects[self.ref(body)].uid
            self.kube.apply(wanted.release, body, generation=generation, expected_uid=uid)


@contextmanager
def lab_on(kubeconfig: str, endpoint: str, ca_pem: str, token: str) -> Iterator[Lab]:
    """A namespace of its own on a cluster that runs."""
    number = next(_numbers)
    outside = Outside(endpoint, ca_pem, token)
    made: list[KubeTarget] = []

    def connect() -> KubeTarget:
        made.append(KubeTarget(parse_kubeconfig(kubeconfig), installation="contract"))
        return made[-1]

    namespace = f"contract-{number}"
    outside.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        yield Lab(connect(), outside, namespace, f"release-{number}", connect)
    finally:
        for target in made:
            target.close()
        outside.close()


@contextmanager
def sandbox_lab(_request: pytest.FixtureRequest) -> Iterator[Lab]:
    with (
        SandboxCluster() as cluster,
        lab_on(cluster.kubeconfig(), cluster.endpoint, cluster.ca_pem, cluster.token) as lab,
    ):
        yield lab


@contextmanager
def real_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    server = request.getfixturevalue("real_apiserver")
    kubeconfig = server.kubeconfig(server.admin_token)
    with lab_on(kubeconfig, server.endpoint, server.ca_pem, server.admin_token) as lab:
        yield lab


def content(body: Body) -> Body:
    """What is compared of an object: without identity."""
    kept = {key: value for key, value in body["metadata"].items() if key in ("labels", "annotations")}
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    return {**rest, "metadata": kept} if kept else rest


def until_current(lab: Lab, ref: ObjectRef) -> None:
    """A controller needs a moment: asked again, at most so often."""
    for _ in range(400):
        [found] = lab.kube.readiness([ref])
        if found.status == Status.CURRENT:
            return
        assert found.status == Status.IN_PROGRESS, found
    raise AssertionError(found)


def until_served(lab: Lab, definition: Body) -> None:
    """Right after a kind is established the server answers "storage is (re)initializing": look again later."""
    for _ in range(2000):
        try:
            lab.kube.observe([lab.desired(definition, widget(lab))])
        except Unavailable:
            continue
        return
    raise AssertionError("the new kind is not served")


def definition(lab: Lab) -> Body:
    group = f"{lab.namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def widget(lab: Lab) -> Body:
    return {
        "apiVersion": f"{lab.namespace}.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "first", "namespace": lab.namespace},
        "spec": {"size": 1},
    }
