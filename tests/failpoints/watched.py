"""The sandbox's cluster with an admission that a scene chooses; it tells what a migration was begun beside.

What is refused stands on the cluster itself, in a ConfigMap that is nobody's, so a moment that is put back is judged as
it was. A dry run is not: as where a quota, or a webhook with side effects, judges.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from reconciler.kube.marks import STOPPED
from reconciler.sandbox.cluster import SandboxCluster, Saved
from reconciler.sandbox.cluster_http import Asked, status
from tests.faults.far_cluster import is_write

JUDGES = "api/v1/namespaces/default/configmaps"
JUDGE = f"{JUDGES}/judge"
WORKLOADS = frozenset({"Deployment", "StatefulSet"})


class Refusal(StrEnum):
    """What the admission refuses."""

    PODS = "pods"  # giving a workload its pods that was stopped
    OLD = "old"  # the old image, while the traffic is stopped
    JOBS = "jobs"  # making a Job


class Watched(SandboxCluster):
    """`beside`: each migration that was begun while a workload of its namespace was to have pods."""

    def __init__(self) -> None:
        super().__init__()
        self.beside: list[str] = []
        self.begun: Counter[str] = Counter()  # Jobs by name, as often as one was made
        self.away = False  # for every write, as where the API server has no storage

    def restore(self, saved: Saved) -> None:
        super().restore(saved)
        self.beside.clear()
        self.begun.clear()
        self.away = False

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if not is_write(asked):
            return super()._answer(asked)
        if self.away:
            return 503, status(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        judge = self._at(f"/{JUDGE}")
        if judge is not None and RULES[Refusal(judge["data"]["refuses"])](asked, self._at(asked.path)):
            return 403, status(403, "Forbidden", "refused by the admission of the test")
        code, body = super()._answer(asked)
        if code == 201 and _makes_job(asked):
            self._made(asked)
        return code, body

    def _made(self, asked: Asked) -> None:
        *_, namespace, _, name = asked.path.split("/")
        self.begun[name] += 1
        found = [one for one in self._store.objects.values() if one["kind"] in WORKLOADS]
        mine = [one for one in found if one["metadata"]["namespace"] == namespace and STOPPED in _annotations(one)]
        self.beside += [f"{name} beside {_pods(one)} pods" for one in mine if _pods(one)]
        if not mine and name.startswith("down") and "-" in name:
            self.beside.append(f"{name} where nothing was stopped")

    def _at(self, path: str) -> dict[str, Any] | None:
        place = self._place([part for part in path.split("/") if part])
        return self._store.peek(place.resource, place.namespace, place.name) if place.name else None


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    return body["metadata"].get("annotations") or {}


def _pods(body: Mapping[str, Any]) -> int:
    return int((body.get("spec") or {}).get("replicas", 1))


def _makes_job(asked: Asked) -> bool:
    return "/jobs/" in asked.path and asked.method == "PATCH"


def _gives_pods(asked: Asked, live: Mapping[str, Any] | None) -> bool:
    stopped = live is not None and live["kind"] in WORKLOADS and STOPPED in _annotations(live)
    return stopped and asked.method != "DELETE" and bool((asked.body.get("spec") or {}).get("replicas"))


def _is_old(asked: Asked, live: Mapping[str, Any] | None) -> bool:
    stopped = live is not None and STOPPED in _annotations(live)
    return stopped and asked.method != "DELETE" and "v2.0.0" in str(asked.body)


RULES: Mapping[Refusal, Callable[[Asked, Mapping[str, Any] | None], bool]] = {
    Refusal.PODS: _gives_pods,
    Refusal.OLD: _is_old,
    Refusal.JOBS: lambda asked, _live: _makes_job(asked),
}
