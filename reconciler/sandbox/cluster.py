"""A small Kubernetes API in this process: what `demo` and the default tests deploy to.

It speaks HTTPS on loopback with a CA and a token of its own and does what the reconciler uses: discovery, LIST with
label selectors (also of metadata alone, in protobuf), GET, POST, PUT, merge PATCH, server-side apply with field
ownership and conflicts, dry run, DELETE with preconditions, resource versions, UIDs, namespaces,
CustomResourceDefinitions, and workloads that roll out on the second read after a change, or never where an image says
`broken`.

Behind a Service's proxy each ready replica answers in turn (cluster_services.py).

What it does not do: no pods, ReplicaSets, endpoints or garbage collection; no schemas (an unknown field is kept, a
wrong type accepted, quantities are not rewritten) and only a few defaults; no admission or quota; no RBAC (reviews of
rights answer by `rules`, nothing is held to them); no watch; no finalizers; deletion is immediate; lists other than the
well-known keyed ones are one value.
The contract suite of ports.KubeApi runs on it and on a real API server; where they differ, this one is wrong.
"""

import base64
import copy
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from reconciler.sandbox.cluster_http import Asked, Server, status
from reconciler.sandbox.cluster_kinds import Resource
from reconciler.sandbox.cluster_pki import loopback_identity
from reconciler.sandbox.cluster_services import answer_of
from reconciler.sandbox.cluster_store import Body, Refusal, Store, Write, selector
from reconciler.sandbox.cluster_wire import is_asked_for, metadata_list

VERSION: Final = "v1.36.3"
APPLY_TYPE: Final = "application/apply-patch+yaml"
EVERYTHING: Final[Body] = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


@dataclass(frozen=True, slots=True)
class Effect:
    """One request that could change something."""

    verb: str  # create, patch, update, delete
    path: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path names. `name` is empty for a collection."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Saved:
    """A cluster as it stood: its objects, and what had been counted."""

    store: Store
    requests: Counter[str]
    effects: tuple[Effect, ...]
    tokens: frozenset[str] = frozenset()


class SandboxCluster:
    """Use as a context manager, or `start` and `stop`; stopped and started again it keeps address and content.

    `requests` counts by Kubernetes verb (get, list, create, patch, update, delete) whatever the answer was; `effects`
    lists the writes in order. Both are the independent witness of what a client did. `rules` are what reviews of our
    rights answer by, in whichever namespace. `behind`: by namespace and name, a Service that is no workload of it.
    `logs` is what a pod wrote, by NAMESPACE/NAME. `tokens`: whoever has one of them is let in.
    """

    def __init__(self) -> None:
        self._identity = loopback_identity()
        self.token: Final = secrets.token_hex(16)
        self.tokens: Final = {self.token}
        self._store = Store()
        self._lock = threading.Lock()
        self._port = 0
        self._server: Server | None = None
        self.requests: Counter[str] = Counter()
        self.effects: list[Effect] = []
        self.rules: list[Body] = [EVERYTHING]
        self.behind: dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]] = {}
        self.logs: dict[str, str] = {}

    def start(self) -> None:
        """Listen on loopback."""
        self._server = Server(self._port, self._identity.context(), self.tokens, self._respond)
        self._port = self._server.server_address[1]
        self._server.start()

    def stop(self) -> None:
        """Break every connection and refuse new ones; leaves no thread."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_pem(self) -> str:
        """The CA that its certificate is signed with."""
        return self._identity.ca_pem

    def kubeconfig(self, token: str = "") -> str:
        """A kubeconfig that stands alone (JSON is YAML). `token`: another one than the first."""
        ca = base64.b64encode(self.ca_pem.encode()).decode()
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "sandbox", "cluster": {"server": self.endpoint, "certificate-authority-data": ca}}
                ],
                "users": [{"name": "sandbox", "user": {"token": token or self.token}}],
                "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
                "current-context": "sandbox",
            },
            indent=2,
        )

    @property
    def real_effects(self) -> list[Effect]:
        """The writes that were no dry run."""
        return [effect for effect in self.effects if not effect.dry_run]

    def look(self, path: str) -> Body | None:
        """What is stored at a path, or None: for the eyes of a test or demo; not counted, and no controller acts."""
        with self._lock:
            place = self._place([part for part in path.split("/") if part])
            return copy.deepcopy(self._store.peek(place.resource, place.namespace, place.name))

    def place(self, path: str, body: Body, manager: str = "kubectl-create") -> None:
        """Somebody else's object at a collection's path, such as a namespace that was there before; not counted."""
        with self._lock:
            place = self._place([part for part in path.split("/") if part])
            self._store.create(place.resource, place.namespace, body, Write(manager))

    def edit(self, path: str, patch: Body, manager: str = "kubectl-edit") -> None:
        """Somebody else's merge patch, the way drift happens; not counted."""
        with self._lock:
            place = self._place([part for part in path.split("/") if part])
            self._store.merge(place.resource, place.namespace, place.name, patch, Write(manager))

    def remove(self, path: str) -> None:
        """Somebody else's deletion, or a controller's; not counted."""
        with self._lock:
            place = self._place([part for part in path.split("/") if part])
            self._store.delete(place.resource, place.namespace, place.name, {}, Write("somebody"))

    def save(self) -> Saved:
        """Everything as it stands, to be put back by `restore`."""
        with self._lock:
            return Saved(
                copy.deepcopy(self._store), Counter(self.requests), tuple(self.effects), frozenset(self.tokens)
            )

    def restore(self, saved: Saved) -> None:
        """Put back what was saved, as often as wanted; the address stays."""
        with self._lock:
            self.tokens.clear()
            self.tokens.update(saved.tokens)
            self._store = copy.deepcopy(saved.store)
            self.requests, self.effects = Counter(saved.requests), list(saved.effects)

    def contents(self) -> dict[str, Body]:
        """Every object as it is stored, by group, plural, namespace and name; not counted, and no controller acts."""
        with self._lock:
            return {"/".join(key): copy.deepcopy(body) for key, body in self._store.objects.items()}

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        with self._lock:  # also while the answer is written: it may be the stored object itself
            code, body = self._answer(asked)
            return code, body if isinstance(body, bytes) else json.dumps(body)

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        segments = [part for part in asked.path.split("/") if part]
        try:
            found = self._fixed(asked, segments)
            if found is not None:
                self.requests["get" if asked.method == "GET" else "create"] += 1
                return found
            match segments:
                case ["api", "v1", "namespaces", namespace, "services", named, "proxy", *_] if asked.method == "GET":
                    return self._through(namespace, named, asked)
                case ["api", "v1", "namespaces", namespace, "pods", named, "log"] if asked.method == "GET":
                    self.requests["log"] += 1
                    return 200, _told(self.logs.get(f"{namespace}/{named}", ""), asked.query)
            return self._on_resource(asked, self._place(segments))
        except Refusal as refusal:
            body = status(refusal.status, refusal.reason, refusal.message, refusal.details)
            return refusal.status, body

    def _through(self, namespace: str, named: str, asked: Asked) -> tuple[int, Any]:
        """A request to a Service, named as SCHEME:NAME:PORT."""
        self.requests["proxy"] += 1
        other = self.behind.get((namespace, named.split(":")[1]))
        if other is not None:
            return other(asked)
        resource = self._store.resources["", "v1", "services"]
        service = self._store.get(resource, namespace, named.split(":")[1])
        return answer_of(service, self._store.objects.values(), self.requests["proxy"])

    def _fixed(self, asked: Asked, segments: list[str]) -> tuple[int, Any] | None:
        """Version, reviews and discovery; None for everything about objects."""
        match segments:
            case ["version"]:
                return 200, {"major": "1", "minor": "36", "gitVersion": VERSION}
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectrulesreviews"] if asked.method == "POST":
                found = {"resourceRules": self.rules, "nonResourceRules": [], "incomplete": False}
                return 201, {**asked.body, "status": found}
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] if asked.method == "POST":
                return 201, {**asked.body, "status": {"allowed": self._may(asked.body["spec"]["resourceAttributes"])}}
            case ["api", "v1"]:
                return 200, self._resources("", "v1")
            case ["apis"]:
                groups = sorted({group for group, _, _ in self._store.resources if group})
                return 200, {"kind": "APIGroupList", "groups": [self._group(group) for group in groups]}
            case ["apis", group]:
                return 200, self._group(group)
            case ["apis", group, version]:
                return 200, self._resources(group, version)
            case _:
                return None

    def _may(self, asked: Mapping[str, str]) -> bool:
        wanted = (("verbs", "verb"), ("apiGroups", "group"), ("resources", "resource"))
        return any(
            all({"*", asked.get(word, "")} & set(rule[listed]) for listed, word in wanted)
            and ("resourceNames" not in rule or asked.get("name") in rule["resourceNames"])
            for rule in self.rules
        )

    def _group(self, group: str) -> Body:
        versions = sorted({version for name, version, _ in self._store.resources if name == group})
        if not versions:
            raise _unknown_path()
        listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"kind": "APIGroup", "name": group, "versions": listed, "preferredVersion": listed[-1]}

    def _resources(self, group: str, version: str) -> Body:
        served = [
            {
                "name": found.plural,
                "kind": found.kind,
                "namespaced": found.namespaced,
                "verbs": ["get", "list", "patch"],
            }
            for (in_group, in_version, _), found in sorted(self._store.resources.items())
            if (in_group, in_version) == (group, version)
        ]
        if not served:
            raise _unknown_path()
        return {"kind": "APIResourceList", "groupVersion": f"{group}/{version}".lstrip("/"), "resources": served}

    def _place(self, segments: list[str]) -> _Place:
        match segments:
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                raise _unknown_path()
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        resource = self._store.resources.get((group, version, rest[0])) if rest else None
        if resource is None or len(rest) > 2 or (namespace and not resource.namespaced):
            raise _unknown_path()
        return _Place(resource, namespace, rest[1] if len(rest) > 1 else "")

    def _on_resource(self, asked: Asked, place: _Place) -> tuple[int, Any]:
        verb, act = _VERBS.get((asked.method, bool(place.name)), ("", None))
        if act is None:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "the verb is not supported here")
        self.requests[verb] += 1
        if verb not in ("get", "list"):
            self.effects.append(Effect(verb, asked.path, "dryRun" in asked.query))
        return act(self._store, place, asked)


def _get(store: Store, place: _Place, _asked: Asked) -> tuple[int, Any]:
    return 200, store.get(place.resource, place.namespace, place.name)


def _list(store: Store, place: _Place, asked: Asked) -> tuple[int, Any]:
    found = store.list(place.resource, place.namespace, selector(asked.query.get("labelSelector", "")))
    start = int(asked.query.get("continue") or 0)
    end = start + int(asked.query.get("limit") or len(found) or 1)
    if is_asked_for(asked.accept):
        return 200, metadata_list(found[start:end], store.version, str(end) if end < len(found) else "")
    metadata = {"resourceVersion": store.version, **({"continue": str(end)} if end < len(found) else {})}
    # As on a real server, items of a list do not repeat apiVersion and kind.
    items = [{key: item[key] for key in item if key not in ("apiVersion", "kind")} for item in found[start:end]]
    kind = f"{place.resource.kind}List"
    return 200, {"kind": kind, "apiVersion": place.resource.api_version, "metadata": metadata, "items": items}


def _create(store: Store, place: _Place, asked: Asked) -> tuple[int, Any]:
    return 201, store.create(place.resource, place.namespace, asked.body, _write(asked))


def _replace(store: Store, place: _Place, asked: Asked) -> tuple[int, Any]:
    return 200, store.replace(place.resource, place.namespace, place.name, asked.body, _write(asked))


def _patch(store: Store, place: _Place, asked: Asked) -> tuple[int, Any]:
    if asked.content_type == APPLY_TYPE:
        body, created = store.apply(place.resource, place.namespace, place.name, asked.body, _write(asked))
        return 201 if created else 200, body
    return 200, store.merge(place.resource, place.namespace, place.name, asked.body, _write(asked))


def _delete(store: Store, place: _Place, asked: Asked) -> tuple[int, Any]:
    preconditions = (asked.body or {}).get("preconditions", {})
    return 200, store.delete(place.resource, place.namespace, place.name, preconditions, _write(asked))


_VERBS: Final[Mapping[tuple[str, bool], tuple[str, Callable[[Store, _Place, Asked], tuple[int, Any]]]]] = {
    ("GET", True): ("get", _get),
    ("GET", False): ("list", _list),
    ("POST", False): ("create", _create),
    ("PUT", True): ("update", _replace),
    ("PATCH", True): ("patch", _patch),
    ("DELETE", True): ("delete", _delete),
}


def _write(asked: Asked) -> Write:
    return Write(
        manager=asked.query.get("fieldManager", "unknown"),
        dry_run="dryRun" in asked.query,
        force=asked.query.get("force") == "true",
    )


def _told(log: str, query: Mapping[str, str]) -> bytes:
    """As a kubelet does: the last lines, and of these the first bytes."""
    lines = log.encode().splitlines(keepends=True)
    wanted = lines[max(0, len(lines) - int(query.get("tailLines", len(lines)))) :]
    data = b"".join(wanted)
    return data[: int(query.get("limitBytes", len(data)))]


def _unknown_path() -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, "", "404 page not found")
