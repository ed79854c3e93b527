"""Whether a Kubernetes object reached its desired state, from the object alone, as kstatus defines it.

A table from kind to function; it fetches nothing and knows no time. The rule it keeps: a status counts only where it
speaks of the generation that stands in the object (`observedGeneration`), so a left-over "ready" of the revision before
is never taken for the new one, and what cannot be judged is not called ready. A release may say otherwise of its custom
resources (`Saying`); that is asked of what their status says of this generation and of nothing older.
kstatus: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from reconciler.evaluation import NoAnswer
from reconciler.expression import Expression
from reconciler.state.reasons import containers_in_the_way, is_crashing


class Status(StrEnum):
    """kstatus' words."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A status and why, in words. `why`: what in them is of its pods, or of the events about it."""

    status: Status
    message: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Saying:
    """When an object counts as ready, and as failed, by what a release says of its kind."""

    ready: Expression
    failed: Expression | None = None


Body = Mapping[str, Any]
LONGEST_QUOTED: Final = 200  # characters of an expression in a reason
_OF_THOSE_WITHIN: Final = frozenset({"NamespaceFinalizersRemaining", "NamespaceContentRemaining"})
PROGRESS_DEADLINE: Final = "ProgressDeadlineExceeded"


def judge(body: Body | None, saying: Saying | None = None) -> Judgement:
    """The judgement of one object as it was read; None stands for an object that is not there. `saying`: of a custom
    resource, in place of its conditions."""
    if body is None:
        return Judgement(Status.NOT_FOUND, "it does not exist")
    if body.get("metadata", {}).get("deletionTimestamp"):
        return Judgement(Status.TERMINATING, f"it is being deleted{held_by(body)}")
    kind = (_group(body), str(body.get("kind", "")))
    if kind in _WATCHED and not is_observed(body):
        return _waiting("its controller has not seen the newest change yet")
    if saying is not None and kind not in _TABLE:
        judged = _by_saying(body, saying)
    else:
        judged = (_TABLE.get(kind) or _by_conditions)(body)
    return next(iter(judged), None) or Judgement(Status.CURRENT, "it is as desired")


def held_by(body: Body) -> str:
    """What keeps an object that is being deleted: its finalizers, or what a namespace says of those within it.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
    """
    metadata, conditions = body.get("metadata", {}), body.get("status", {}).get("conditions") or ()
    told = [
        " ".join(str(one.get("message", "")).split())[:LONGEST_QUOTED]
        for one in conditions
        if body.get("kind") == "Namespace" and one.get("status") == "True" and one.get("type") in _OF_THOSE_WITHIN
    ]
    names = ", ".join(str(one)[:LONGEST_QUOTED] for one in (metadata.get("finalizers") or ())[:8])
    waits = [f"waits for its finalizers ({names}), which whoever set them takes away"] if names else []
    return "".join(f", and {words}" for words in (*waits, *told) if words)


def _group(body: Body) -> str:
    group, slash, _ = str(body.get("apiVersion", "")).rpartition("/")
    return group if slash else ""


def is_observed(body: Body) -> bool:
    """Whether its status speaks of what stands in it now."""
    generation = body.get("metadata", {}).get("generation")
    return isinstance(generation, int) and body.get("status", {}).get("observedGeneration") == generation


# Each yields what stands in the way, the gravest first; nothing means Current.


def _deployment(body: Body) -> Iterator[Judgement]:
    progressing = _condition(body, "Progressing")
    if progressing.get("reason") == PROGRESS_DEADLINE:
        yield _failed(f"{PROGRESS_DEADLINE}: {progressing.get('message') or 'it did not progress in time'}")
    refused = _condition(body, "ReplicaFailure")
    if refused.get("status") == "True":
        yield _waiting(f"pods cannot be created: {refused.get('message') or refused.get('reason', '')}")
    if body["spec"].get("paused"):
        yield _waiting("its rollout is paused")
    wanted, status = body["spec"].get("replicas", 1), body.get("status", {})
    yield from _counts(wanted, status, (("updatedReplicas", "updated"),))
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        yield _waiting(f"{status['replicas'] - status.get('updatedReplicas', 0)} old pods are still there")
    yield from _counts(wanted, status, (("availableReplicas", "available"), ("readyReplicas", "ready")))
    if _condition(body, "Available").get("status") != "True":
        yield _waiting("it is not available yet")


def _replica_set(body: Body) -> Iterator[Judgement]:
    refused = _condition(body, "ReplicaFailure")
    if refused.get("status") == "True":
        yield _waiting(f"pods cannot be created: {refused.get('message') or refused.get('reason', '')}")
    wanted, status = body["spec"].get("replicas", 1), body.get("status", {})
    yield from _counts(wanted, status, (("availableReplicas", "available"), ("readyReplicas", "ready")))
    if status.get("replicas", 0) > wanted:
        yield _waiting(f"{status['replicas'] - wanted} pods too many are still there")


def _stateful_set(body: Body) -> Iterator[Judgement]:
    spec, status = body["spec"], body.get("status", {})
    wanted, strategy = spec.get("replicas", 1), spec.get("updateStrategy") or {}
    yield from _counts(wanted, status, (("readyReplicas", "ready"),))
    if status.get("replicas", 0) > wanted:
        yield _waiting(f"{status['replicas'] - wanted} pods too many are still there")
    if strategy.get("type") == "OnDelete":
        return
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        yield from _counts(max(wanted - partition, 0), status, (("updatedReplicas", "updated"),))
    elif status.get("currentRevision") != status.get("updateRevision"):
        yield _waiting(f"{status.get('updatedReplicas', 0)} of {wanted} pods are updated")


def _daemon_set(body: Body) -> Iterator[Judgement]:
    status = body.get("status", {})
    wanted = status.get("desiredNumberScheduled")
    if wanted is None:
        yield _waiting("it has not counted its nodes yet")
        return
    counts = (("currentNumberScheduled", "scheduled"), ("numberAvailable", "available"), ("numberReady", "ready"))
    if (body["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
        yield from _counts(wanted, status, (("updatedNumberScheduled", "updated"),))
    yield from _counts(wanted, status, counts)


def _job(body: Body) -> Iterator[Judgement]:
    failed, complete = _condition(body, "Failed"), _condition(body, "Complete")
    if failed.get("status") == "True":
        words = f"{failed.get('reason', 'Failed')}: {failed.get('message') or 'its pods failed'}"
        yield _failed(words)
    elif complete.get("status") != "True":
        suspended = body["spec"].get("suspend")
        status = body.get("status", {})
        running = f"it runs: {status.get('active', 0)} active, {status.get('succeeded', 0)} succeeded"
        yield _waiting("it is suspended" if suspended else running)


def _pod(body: Body) -> Iterator[Judgement]:
    status = body.get("status", {})
    phase = status.get("phase")
    if phase == "Succeeded":
        return
    if phase == "Failed":
        yield _failed(
            f"it failed: {status.get('message') or status.get('reason') or 'a container ended with an error'}"
        )
    for container, words in containers_in_the_way(body):
        yield _failed(words) if is_crashing(container) else _waiting(words)
    scheduled = _condition(body, "PodScheduled")
    if scheduled.get("status") == "False":
        yield _waiting(f"it has no node: {scheduled.get('message') or scheduled.get('reason', '')}")
    if _condition(body, "Ready").get("status") != "True":
        yield _waiting(f"it is not ready ({phase or 'no phase yet'})")


def _service(body: Body) -> Iterator[Judgement]:
    balanced = (body.get("status", {}).get("loadBalancer") or {}).get("ingress")
    if body["spec"].get("type") == "LoadBalancer" and not balanced:
        yield _waiting("its load balancer has no address yet")


def _claim(body: Body) -> Iterator[Judgement]:
    phase = body.get("status", {}).get("phase")
    if phase == "Lost":
        yield _failed("its volume is lost")
    elif phase != "Bound":
        yield _waiting(f"it is not bound ({phase or 'no phase yet'})")


def _definition(body: Body) -> Iterator[Judgement]:
    names = _condition(body, "NamesAccepted")
    if names.get("status") == "False" and names.get("reason") not in (None, "", "NotAccepted"):
        yield _failed(f"its names are not accepted: {names.get('message') or names['reason']}")
    if _condition(body, "Established").get("status") != "True":
        yield _waiting("it is not established yet")


def _namespace(body: Body) -> Iterator[Judgement]:
    phase = body.get("status", {}).get("phase")
    if phase == "Terminating":
        yield Judgement(Status.TERMINATING, "it is being deleted")
    elif phase != "Active":
        yield _waiting("it is not active yet")


def _by_conditions(body: Body) -> Iterator[Judgement]:
    """Any other kind: by its generation and the conditions that kstatus knows."""
    if _is_older(body):
        yield _waiting("its controller has not seen the newest change yet")
    stalled = _condition(body, "Stalled")
    if stalled.get("status") == "True":
        yield _failed(f"{stalled.get('reason', 'Stalled')}: {stalled.get('message', '')}")
    reconciling = _condition(body, "Reconciling")
    if reconciling.get("status") == "True":
        yield _waiting(f"{reconciling.get('reason', 'Reconciling')}: {reconciling.get('message', '')}")
    ready = _condition(body, "Ready")
    if ready and ready.get("status") != "True":
        yield _waiting(f"it is not ready: {ready.get('message') or ready.get('reason', '')}")


def _by_saying(body: Body, saying: Saying) -> Iterator[Judgement]:
    if _is_older(body):
        yield _waiting("its controller has not seen the newest change yet")
        return
    seen = _of_this_generation(body)
    if seen is not body and "observedGeneration" not in body["status"]:
        yield _waiting("conditions of it speak of an older change, and nothing says that the newest was seen")
        return
    if saying.failed is not None and _is_true(saying.failed, seen):
        yield _failed(f"it failed: {_quoted(saying.failed)}")
    try:
        if not saying.ready.answer(seen):
            yield _waiting(f"it is not ready: {_quoted(saying.ready)} is not true yet")
    except NoAnswer as error:
        yield _waiting(f"it is not ready: {_quoted(saying.ready)} cannot be told, because {error}")


def _is_older(body: Body) -> bool:
    """Whether its status speaks of an older generation than what stands there."""
    status = body.get("status")
    observed = status.get("observedGeneration") if isinstance(status, dict) else None
    return observed is not None and observed != body["metadata"].get("generation")


def _of_this_generation(body: Body) -> Body:
    """The object without the conditions that speak of another generation."""
    status = body.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    if not isinstance(status, dict) or not isinstance(conditions, list):
        return body
    generation = body["metadata"].get("generation")
    kept = [
        one
        for one in conditions
        if not isinstance(one, dict) or one.get("observedGeneration", generation) == generation
    ]
    return {**body, "status": {**status, "conditions": kept}} if len(kept) < len(conditions) else body


def _is_true(expression: Expression, body: Body) -> bool:
    try:
        return expression.answer(body)
    except NoAnswer:  # what is not there yet has not failed
        return False


def _quoted(expression: Expression) -> str:
    text = " ".join(expression.text.split())
    return text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}..."


def _counts(wanted: int, status: Body, counts: tuple[tuple[str, str], ...]) -> Iterator[Judgement]:
    for field, word in counts:
        if status.get(field, 0) < wanted:
            yield _waiting(f"{status.get(field, 0)} of {wanted} pods are {word}")


def _condition(body: Body, kind: str) -> Body:
    """The condition of this type; an empty mapping where there is none, or where it speaks of an older generation."""
    status = body.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for found in conditions if isinstance(conditions, list) else ():
        if isinstance(found, dict) and found.get("type") == kind:
            spoken = found.get("observedGeneration")
            return found if spoken is None or spoken == body["metadata"].get("generation") else {"status": "Unknown"}
    return {}


def _waiting(message: str) -> Judgement:
    return Judgement(Status.IN_PROGRESS, message)


def _failed(message: str) -> Judgement:
    return Judgement(Status.FAILED, message)


def _route(body: Body) -> Iterator[Judgement]:
    """Every gateway, and section of one, that the route names took it, has seen this change of it, and found its
    backends. What a gateway said before it was left counts no more; nobody takes that away.

    https://gateway-api.sigs.k8s.io/reference/spec/#routeparentstatus
    """
    generation = body.get("metadata", {}).get("generation")
    told = (body.get("status") or {}).get("parents") or ()
    asked = body.get("spec", {}).get("parentRefs") or ()
    for wanted in asked:
        if not any(_is_meant(body, one.get("parentRef") or {}, wanted) for one in told):
            yield _waiting(f"gateway {wanted.get('name', '')} has not taken it yet")
    for parent in told:
        named = parent.get("parentRef") or {}
        if asked and not any(_is_meant(body, named, wanted) for wanted in asked):
            continue
        name = named.get("name", "")
        if not any(one.get("type") == "Accepted" for one in parent.get("conditions") or ()):
            yield _waiting(f"gateway {name} has not said yet whether it takes it")
        for one in parent.get("conditions") or ():
            seen = one.get("observedGeneration", generation)
            if one.get("type") in ("Accepted", "ResolvedRefs") and seen != generation:
                yield _waiting(f"gateway {name} has not seen the newest change yet")
            elif one.get("type") in ("Accepted", "ResolvedRefs") and one.get("status") != "True":
                yield _waiting(f"gateway {name}: {one.get('reason', '')}: {one.get('message', '')}")


def _is_meant(route: Body, told: Body, wanted: Body) -> bool:
    """Whether what a gateway says is of what the route asks it for; some tell of it without naming section or port."""
    own = route.get("metadata", {}).get("namespace")
    one, other = ([ref.get("name"), ref.get("namespace") or own] for ref in (told, wanted))
    return one == other and all(told.get(part) in (None, wanted.get(part)) for part in ("sectionName", "port"))


_TABLE: Final[Mapping[tuple[str, str], Callable[[Body], Iterator[Judgement]]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("", "Namespace"): _namespace,
    ("gateway.networking.k8s.io", "HTTPRoute"): _route,
}
# Kinds whose controllers always write observedGeneration: without it nothing was seen yet.
_WATCHED: Final = frozenset({("apps", kind) for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")})
