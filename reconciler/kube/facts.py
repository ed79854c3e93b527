"""Who a cluster is and what our credential may do there.

The identity is the UID of kube-system, which lives as long as the cluster. What is asked for is what every look and
every apply needs (BASE) and what the connection's owner names beside it; each missing permission is told by name. Verbs
on the kinds of a release need no list here: a look lists them and dry-runs them, which the server checks like the real
thing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from reconciler.errors import Rejected
from reconciler.kube.answers import error_of
from reconciler.kube.client import Client, Request
from reconciler.kube.lists import all_of, list_all
from reconciler.ports import ClusterFacts
from reconciler.state.observed import Json

REVIEWS = "/apis/authorization.k8s.io/v1"
NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One permission. `namespace` is empty for cluster-scoped resources or for all namespaces."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}{where}"


def base_needs(parent_namespace: str) -> tuple[Need, ...]:
    """What keeping generations needs, whatever is released."""
    return tuple(Need(verb, "configmaps", parent_namespace) for verb in ("get", "list", "create", "update"))


def facts(client: Client, needs: Iterable[Need]) -> ClusterFacts:
    """Identity, version, namespaces and missing permissions. Raises Rejected where the identity cannot be read."""
    uid = client.get(f"{NAMESPACES}/kube-system", "reading the cluster's identity (namespace kube-system)")
    version = client.get("/version", "reading the cluster's version")
    namespaces, missing = _namespaces(client)
    return ClusterFacts(
        uid=uid["metadata"]["uid"],
        endpoint=client.endpoint,
        server_version=str(version.get("gitVersion", "")),
        namespaces=namespaces,
        missing_permissions=tuple(sorted([*missing, *(str(need) for need in _missing(client, sorted(set(needs))))])),
    )


def _namespaces(client: Client) -> tuple[tuple[str, ...], list[str]]:
    """All namespaces; a credential that may not list them sees none, and that is said."""
    try:
        bodies = list_all(client, NAMESPACES, {}, "listing namespaces")
    except Rejected as error:
        if error.key != "cluster_permission_insufficient":
            raise
        return (), [str(Need("list", "namespaces"))]
    return tuple(sorted(body["metadata"]["name"] for body in bodies)), []


def _missing(client: Client, needs: Sequence[Need]) -> list[Need]:
    """One rules review for each namespace; what its rules do not show is asked for exactly."""
    places = sorted({need.namespace for need in needs if need.namespace})
    rules = dict(zip(places, all_of([partial(_rules, client, place) for place in places]), strict=True))
    doubtful = [need for need in needs if not _allowed(rules.get(need.namespace, []), need)]
    answers = all_of([partial(_review, client, need) for need in doubtful])
    return [need for need, allowed in zip(doubtful, answers, strict=True) if not allowed]


def _rules(client: Client, namespace: str) -> list[Json]:
    status = _ask(client, "SelfSubjectRulesReview", {"namespace": namespace}, f"asking what we may do in {namespace}")
    return list(status.get("resourceRules") or ())


def _allowed(rules: Sequence[Json], need: Need) -> bool:
    """Whether a rule for all names grants it."""
    return any(
        not rule.get("resourceNames")
        and {"*", need.verb} & set(rule.get("verbs") or ())
        and {"*", need.group} & set(rule.get("apiGroups") or ())
        and {"*", need.resource} & set(rule.get("resources") or ())
        for rule in rules
    )


def _review(client: Client, need: Need) -> bool:
    attributes = {"verb": need.verb, "group": need.group, "resource": need.resource, "namespace": need.namespace}
    spec = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
    return bool(_ask(client, "SelfSubjectAccessReview", spec, f"asking whether we may {need}").get("allowed"))


def _ask(client: Client, kind: str, spec: Json, what: str) -> Json:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {}, "spec": spec}
    answer = client.ask(Request("POST", f"{REVIEWS}/{kind.lower()}s", what, None, body))
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise error_of(answer)
    return answer.json.get("status") or {}
