"""What our credential may not do of what it needs: asked of the API server itself, before anybody approves.

One SelfSubjectRulesReview for each namespace answers nearly everything; what its rules do not show is asked exactly,
once for each verb and kind in a namespace and never once for each object. The server decides: a rule that we cannot
read right is asked about, never guessed.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from reconciler.kube.answers import error_of
from reconciler.kube.client import WORKERS, Client, Request
from reconciler.kube.discovery import ApiResource
from reconciler.names import ObjectRef
from reconciler.ports import Permission
from reconciler.state.observed import Json, Lacking
from reconciler.together import all_of

REVIEWS: Final = "/apis/authorization.k8s.io/v1"
OF_A_KIND: Final = ("list", "create")  # no rule for single names can grant these
OF_AN_OBJECT: Final = ("get", "patch", "delete")  # an apply of what is not there is a `patch` that needs `create` too


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One permission. `namespace` is empty for cluster-scoped resources; `name` for all objects of the kind."""

    verb: str
    resource: str
    namespace: str = ""
    group: str = ""
    name: str = ""
    kind: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}{where}"


def needs_of(resource: ApiResource, ref: ObjectRef) -> Iterator[Need]:
    """What looking at an object, applying it, taking that back and removing it needs."""
    for verb in (*OF_A_KIND, *OF_AN_OBJECT):
        name = ref.name if verb in OF_AN_OBJECT else ""
        yield Need(verb, resource.plural, ref.namespace if resource.namespaced else "", resource.group, name, ref.kind)


def beside(asked: Iterable[Permission]) -> set[Need]:
    """What is needed for other things than objects: the resource is told as its kind."""
    return {Need(one.verb, one.resource, one.namespace, one.group, kind=one.resource) for one in asked}


def missing(client: Client, needs: Iterable[Need]) -> tuple[Need, ...]:
    """The needs that are not granted, in order; two that differ by name alone are told as one."""
    wanted = sorted(set(needs))
    places = sorted({need.namespace for need in wanted if need.namespace})
    rules = dict(zip(places, all_of([partial(_rules, client, place) for place in places], WORKERS), strict=True))
    doubtful = sorted({_unnamed(need) for need in wanted if not _allowed(rules.get(need.namespace, []), need)})
    answers = all_of([partial(_review, client, need) for need in doubtful], WORKERS)
    return tuple(need for need, allowed in zip(doubtful, answers, strict=True) if not allowed)


def lacking(needs: Iterable[Need]) -> tuple[Lacking, ...]:
    """Missing needs as values that leave this package."""
    return tuple(sorted(Lacking(need.verb, need.group, need.kind, need.namespace, str(need)) for need in needs))


def _unnamed(need: Need) -> Need:
    return Need(need.verb, need.resource, need.namespace, need.group, kind=need.kind)


def _rules(client: Client, namespace: str) -> list[Json]:
    status = _ask(client, "SelfSubjectRulesReview", {"namespace": namespace}, f"asking what we may do in {namespace}")
    return list(status.get("resourceRules") or ())


def _allowed(rules: Sequence[Json], need: Need) -> bool:
    """Whether a rule grants it, for all names or for this one."""
    return any(
        (not rule.get("resourceNames") or (need.name and need.name in rule["resourceNames"]))
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
