"""A cluster of the sandbox without its socket: its own store, its own rules, its own log of writes.

Knows what each write changed, as the cluster saw it: the witness that the model's oracle asks. The product's whole
client stands in front of it but for the connection pool, whose place `Wire` takes.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from reconciler.kube.connection import Connection
from reconciler.kube.marks import FIELD_MANAGER
from reconciler.kube.target import KubeTarget
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked
from reconciler.sandbox.cluster_store import Write as Applies
from tests.model.lifeline import Crash, Lifeline, Line

GENERATION = "opspilot.spec/generation"  # the target's memory, as docs say it: the oracle reads it off the cluster


@dataclass(frozen=True, slots=True)
class Write:
    """One write that was no dry run. `before` and `after`: the value that the model follows (None: not there)."""

    order: int
    cluster: str
    path: str
    before: str | None
    after: str | None
    generation: int

    @property
    def changed(self) -> bool:
        """Whether it did anything to the value."""
        return self.before != self.after


class FarCluster(SandboxCluster):
    """`deployments` by path: what a write is followed by."""

    def __init__(self, name: str, endpoint: str) -> None:
        super().__init__()
        self.name = name
        self._address = endpoint
        self.writes: list[Write] = []
        self.generations: dict[str, list[int]] = {}  # of each parent, in the order written
        self.impostor = False  # another cluster answers at this address: nothing may be written to it
        self.fooled: list[str] = []  # what was written to it all the same

    @property
    def endpoint(self) -> str:
        return self._address

    def value(self, path: str) -> str | None:
        """The tag that runs at a Deployment's path."""
        body = self.look(path)
        return None if body is None else _tag(body)

    def answer(self, asked: Asked) -> tuple[int, str | bytes]:
        """One request, answered as over the wire, and logged where it was a write."""
        path = asked.path
        if self.impostor and "dryRun" not in asked.query and asked.method != "GET" and "selfsubject" not in path:
            self.fooled.append(f"{asked.method} {path}")
        followed = "/deployments/" in path and "dryRun" not in asked.query and asked.method != "GET"
        before = self.value(path) if followed else None
        answered = self._respond(asked)
        if followed and answered[0] < 400:
            labels = (asked.body or {}).get("metadata", {}).get("annotations", {})
            generation = int(labels.get(GENERATION, 0))
            self.writes.append(Write(len(self.writes), self.name, path, before, self.value(path), generation))
        self._remember(asked)
        return answered

    def seize(self, path: str, image: str) -> None:
        """Somebody applies under the reconciler's own name: what they set is owned by nobody else."""
        body = copy.deepcopy(self.look(path))
        assert body is not None
        metadata = {key: body["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        body["spec"]["template"]["spec"]["containers"][0]["image"] = image
        sent = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, "spec": body["spec"]}
        place = self._place([part for part in path.split("/") if part])
        self._store.apply(place.resource, place.namespace, place.name, sent, Applies(FIELD_MANAGER, force=True))

    def swap(self) -> None:
        """Another cluster answers at this address, or the right one again: its identity is the UID of kube-system."""
        self.impostor = not self.impostor
        metadata = self._store.objects["", "namespaces", "", "kube-system"]["metadata"]
        metadata["uid"] = metadata["uid"][::-1]

    def _remember(self, asked: Asked) -> None:
        if asked.method not in ("POST", "PUT") or not isinstance(asked.body, dict):
            return
        annotations = asked.body.get("metadata", {}).get("annotations") or {}
        if asked.body.get("kind") == "ConfigMap" and GENERATION in annotations:
            name = asked.body["metadata"]["name"]
            stored = self.look(f"api/v1/namespaces/default/configmaps/{name}") or {}
            now = int(stored.get("metadata", {}).get("annotations", {}).get(GENERATION, 0))
            self.generations.setdefault(name, []).append(now)


def _tag(body: Mapping[str, Any]) -> str:
    image = str(body["spec"]["template"]["spec"]["containers"][0]["image"])
    return image.rpartition(":")[2]


@dataclass(slots=True)
class Response:
    """What urllib3 would give."""

    status: int
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def stream(self, _size: int, *, decode_content: bool) -> Iterator[bytes]:
        yield self.data

    def release_conn(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True)
class Wire:
    """Stands where the client keeps its connection pool."""

    cluster: FarCluster
    life: Lifeline

    def request(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], **_: Any) -> Response:
        if self.life.dead:
            raise Crash
        if Line.CLUSTER in self.life.cut:
            raise ConnectionRefusedError("the cluster is away")
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        content = json.loads(body) if body else None
        asked = Asked(method, parts.path, query, headers.get("Content-Type", ""), content)
        if method == "GET" or "dryRun" in query or "selfsubject" in parts.path:  # questions, and no effects
            return Response(*_encoded(self.cluster.answer(asked)))
        with self.life.effect(f"{method} {parts.path}"):
            return Response(*_encoded(self.cluster.answer(asked)))

    def close(self) -> None:
        """Nothing is held."""


def _encoded(answer: tuple[int, str | bytes]) -> tuple[int, bytes]:
    code, body = answer
    return code, body.encode() if isinstance(body, str) else body


def target(connection: Connection, installation: str, cluster: FarCluster, life: Lifeline) -> KubeTarget:
    """The product's own target of a cluster, over the wire of this process."""
    made = KubeTarget(connection, installation=installation)
    made.client._pool.close()
    made.client._pool = Wire(cluster, life)
    return made
