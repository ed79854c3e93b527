"""Why objects are not ready yet: their pods, and the events about those, are asked for when something waits.

Nothing is asked for an object that is as desired, nor at the first look that finds it waiting: what was applied just
now always is. For the first few of the others: one page of the workload's pods, its ReplicaSets where pods of two
revisions stand side by side, and the events of one pod (or of the object itself) that says nothing by itself; for each
claim its events. The rule it keeps: what could not be read here is said and never changes a judgement, but one:
a claim whose class binds it with its first pod is not waited for, since that pod comes after it (`WAITS_FOR_POD`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from reconciler.errors import Rejected, Unavailable
from reconciler.kube.client import WORKERS, Client
from reconciler.names import ObjectRef
from reconciler.state.observed import Json
from reconciler.state.readiness import Judgement, Saying, Status, judge
from reconciler.state.reasons import (
    has_revisions,
    in_the_way,
    in_words,
    is_ready,
    left_behind,
    of_newest_revision,
    selector_of,
    told_by,
)
from reconciler.state.refusals import advice
from reconciler.together import all_of

MOST_EXPLAINED: Final = 10  # objects of one look
MOST_PODS: Final = 50
MOST_EVENTS: Final = 50
EXPLAINED: Final = frozenset({Status.IN_PROGRESS, Status.FAILED})
WORKLOADS: Final = frozenset(
    {("apps", kind) for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")} | {("batch", "Job")}
)
TELLS_REFUSALS: Final = frozenset({"Deployment", "ReplicaSet"})  # why a pod was not created: in their conditions
CLAIM: Final = ("", "PersistentVolumeClaim")
POD: Final = ("", "Pod")
CHOSEN_NODE: Final = "volume.kubernetes.io/selected-node"  # the scheduler has found its first pod a place
WAITS_FOR_POD: Final = "WaitForFirstConsumer"


class Explainer:
    """Over one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waited: frozenset[tuple[ObjectRef, Json]] = frozenset()  # at the look before: (object, its generation)

    def judge_all(
        self,
        refs: Sequence[ObjectRef],
        bodies: Sequence[Json],
        sayings: Mapping[ObjectRef, Saying] = MappingProxyType({}),
    ) -> list[Judgement]:
        """The judgement of each, with words where it waits. `bodies` are what was read of `refs`, in their order."""
        found = [judge(body, sayings.get(ref)) for ref, body in zip(refs, bodies, strict=True)]
        waiting = {
            place: (refs[place], bodies[place]["metadata"].get("generation"))
            for place, one in enumerate(found)
            if one.status in EXPLAINED
        }
        known, self._waited = self._waited, frozenset(waiting.values())
        tried = [place for place, one in waiting.items() if one in known or found[place].status is Status.FAILED]
        claims = [place for place in tried if refs[place].kind == CLAIM[1]]  # all: it may change their judgement
        explained = [*claims, *(place for place in tried if place not in claims)][: len(claims) + MOST_EXPLAINED]
        tasks = [partial(self._explained, refs[place], bodies[place], found[place]) for place in explained]
        for place, judgement in zip(explained, all_of(tasks, WORKERS), strict=True):
            found[place] = judgement
        for place in waiting:
            found[place] = _with(found[place], advice(found[place].message), "; ")
        return found

    def _explained(self, ref: ObjectRef, body: Json, found: Judgement) -> Judgement:
        kind = (ref.group, ref.kind)
        try:
            if kind in WORKLOADS:
                return _with(found, self._workload(ref, body))
            if kind == CLAIM:
                return self._claim(body, found)
            if kind == POD and not in_the_way(body):
                return _with(found, self._told(body))
        except (Rejected, Unavailable) as error:
            return _with(found, f"why is not known ({error.message})")
        return found

    def _workload(self, ref: ObjectRef, body: Json) -> str:
        selector = selector_of(body)
        if not selector:
            return ""
        query = {"labelSelector": selector, "limit": str(MOST_PODS)}
        pods = self._page(f"/api/v1/namespaces/{ref.namespace}/pods", f"listing pods of {ref}", query)
        sets: list[Json] = []
        if ref.kind == "Deployment" and has_revisions(pods):
            path = f"/apis/{ref.group}/{ref.version}/namespaces/{ref.namespace}/replicasets"
            sets = self._page(path, f"listing ReplicaSets of {ref}", query)
        newest = of_newest_revision(body, pods, sets)
        unready = [pod for pod in newest if not is_ready(pod)]
        if ref.kind == "StatefulSet" and not unready and (stuck := left_behind(pods, newest)):
            return stuck
        reasons = [(pod["metadata"]["name"], in_the_way(pod)) for pod in unready]
        known = [(name, reason) for name, reason in reasons if reason]
        if known or (not unready and ref.kind in TELLS_REFUSALS):
            return in_words(known)
        silent = unready[0] if unready else body
        words = self._told(silent)
        return in_words([(silent["metadata"]["name"], words)]) if unready and words else words

    def _claim(self, body: Json, found: Judgement) -> Judgement:
        if found.status is not Status.IN_PROGRESS:
            return found
        words = self._told(body, warnings=False)
        chosen = CHOSEN_NODE in (body["metadata"].get("annotations") or {})
        if words.startswith(WAITS_FOR_POD) and not chosen:
            return Judgement(Status.CURRENT, "it is bound when its first pod is scheduled")
        return _with(found, words)

    def _told(self, body: Json, *, warnings: bool = True) -> str:
        """By the events about this very object, and not about one of its name before it."""
        metadata = body["metadata"]
        query = {"fieldSelector": f"involvedObject.uid={metadata['uid']}", "limit": str(MOST_EVENTS)}
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        return told_by(self._page(path, f"listing events of {metadata['name']}", query), body, warnings=warnings)

    def _page(self, path: str, what: str, query: Mapping[str, str]) -> list[Json]:
        return list(self._client.get(path, what, query).get("items") or ())


def _with(found: Judgement, words: str, after: str = ": ") -> Judgement:
    why = f"{found.why}; {words}" if found.why else words
    return replace(found, message=f"{found.message}{after}{words}", why=why) if words else found
