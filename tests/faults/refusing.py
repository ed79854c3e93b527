"""The sandbox's cluster, where one chosen request meets one answer of a server that does not do as it is asked.

What the answers say is what real servers say; `tests/contracts` holds the reading of them to a real one.
"""

import copy
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.kube.marks import CLAIMED, EVENT, GENERATION, RUN
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked, status
from reconciler.sandbox.cluster_status import has_ended
from tests.faults.far_cluster import BOOKKEEPING, any_request, is_write


class Fault(StrEnum):
    """What a request meets."""

    MOVED = "409"  # somebody else wrote in between
    INVALID = "422"
    FORBIDDEN = "403"
    QUOTA = "quota"
    TERMINATING = "terminating"
    DENIED = "denied"  # by an admission webhook
    EXPIRED = "401"
    BUSY = "429"
    AWAY = "503"
    NO_ANSWER = "504"
    UNHEARD = "unheard"  # the connection ends before the server heard
    UNANSWERED = "unanswered"  # and after it acted


def run_of(body: Any) -> str:
    """Which run of a Job an object is; empty for everything else."""
    return str((body["metadata"].get("labels") or {}).get(RUN, "")) if body else ""


def _pods(body: Any) -> int:
    return int(body["spec"].get("replicas", 1)) if body and body["kind"] in {"Deployment", "StatefulSet"} else 0


def _unsigned(body: Any) -> Any:
    """Without which operation wrote last."""
    if not body:
        return body
    annotations = body["metadata"].get("annotations") or {}
    rest = {name: text for name, text in annotations.items() if name not in (GENERATION, EVENT)}
    return {**body, "metadata": {**body["metadata"], "annotations": rest}}


def _details(*causes: tuple[str, str]) -> dict[str, Any]:
    return {"causes": [{"reason": reason, "message": words, "field": "spec.x"} for reason, words in causes]}


ANSWERS: Mapping[Fault, tuple[int, dict[str, Any]]] = {
    Fault.MOVED: (409, status(409, "Conflict", "the object has been modified; please apply your changes to it again")),
    Fault.INVALID: (422, status(422, "Invalid", "it is invalid", _details(("FieldValueInvalid", "Invalid value: no")))),
    Fault.FORBIDDEN: (403, status(403, "Forbidden", 'User "r" cannot do this in the namespace "svc-a"')),
    Fault.QUOTA: (403, status(403, "Forbidden", "exceeded quota: small, requested: pods=1, used: pods=4, limited: 4")),
    Fault.TERMINATING: (
        403,
        status(403, "Forbidden", "it is being terminated", _details(("NamespaceTerminating", "namespace svc-a"))),
    ),
    Fault.DENIED: (400, status(400, "", 'admission webhook "w.example" denied the request: not today')),
    Fault.EXPIRED: (401, status(401, "Unauthorized", "Unauthorized")),
    Fault.BUSY: (429, status(429, "TooManyRequests", "too many requests, please try again later")),
    Fault.AWAY: (503, status(503, "ServiceUnavailable", "the server is currently unable to handle the request")),
    Fault.NO_ANSWER: (504, status(504, "Timeout", "the server did not answer in time")),
}


def changes(asked: Asked) -> bool:
    """Whether a request would change something, were it no dry run."""
    return asked.method != "GET" and "authorization.k8s.io" not in asked.path


OF_CHANGES = frozenset({Fault.INVALID, Fault.QUOTA, Fault.TERMINATING, Fault.DENIED})  # a dry run meets them, too
OF_WRITES = frozenset({Fault.MOVED})


def meets(fault: Fault) -> Callable[[Asked], bool]:
    """Which requests can be answered so."""
    return is_write if fault in OF_WRITES else changes if fault in OF_CHANGES else any_request


@dataclass(slots=True)
class Strike:
    """A fault from the request of a number on, of those that count: once, or until it is taken away."""

    fault: Fault
    number: int
    lasts: bool
    counts: Callable[[Asked], bool] = any_request
    seen: int = 0
    met: int = 0

    def due(self, asked: Asked) -> bool:
        if not meets(self.fault)(asked):
            return False
        counts = self.counts(asked)
        self.seen += counts
        hit = self.seen >= self.number if self.lasts else counts and self.seen == self.number
        self.met += hit
        return hit


@dataclass(slots=True)
class Meanwhile:
    """What happens elsewhere while the request of a number is on its way, or while its answer is; once."""

    act: Callable[[], None]
    number: int
    answered: bool  # the server has acted already: whoever asked goes on with an old look
    counts: Callable[[Asked], bool] = any_request
    seen: int = 0
    failure: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def due(self, asked: Asked) -> bool:
        self.seen += self.counts(asked)
        return self.counts(asked) and self.seen == self.number

    def run(self) -> None:
        try:
            self.act()
        except (Exception, AssertionError) as error:  # noqa: BLE001  it is in a thread of the server: the test says it
            self.failure = error


class Run(NamedTuple):
    """A run of a Job that was made."""

    path: str
    name: str


class RefusingCluster(SandboxCluster):
    """`strike` says what is met; None: it does as it is asked. `meanwhile`: what others do in between.

    `changed` counts what was done since `forget`, `turned` but for what only we write on objects; `runs` are the Jobs
    that were run, `beside` tells of a Job that ran where pods were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strike: Strike | None = None
        self.meanwhile: Meanwhile | None = None
        self._counting = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Count from now."""
        self.changed: Counter[str] = Counter()  # by path: how often a request moved an object's content
        self.turned: Counter[str] = Counter()
        self.runs: list[Run] = []
        self.beside: list[str] = []

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        with self._counting:
            between = self.meanwhile
            if between is None or not between.due(asked):
                between = None
            else:
                self.meanwhile = None
        if between is None:
            return super()._respond(asked)
        try:
            if not between.answered:
                between.run()
            answer = super()._respond(asked)
            if between.answered:
                between.run()
            return answer
        finally:
            between.done.set()

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        strike = self.strike
        if strike is None or not strike.due(asked):
            return self._counted(asked)
        match strike.fault:
            case Fault.UNHEARD:
                raise ConnectionAbortedError
            case Fault.UNANSWERED:
                self._counted(asked)
                raise ConnectionAbortedError
            case fault:
                return ANSWERS[fault]

    def _counted(self, asked: Asked) -> tuple[int, Any]:
        before = self._content(asked)
        answer = super()._answer(asked)
        after = self._content(asked)
        if after != before:
            self.changed[asked.path] += 1
            if _unsigned(after) != _unsigned(before):
                self.turned[asked.path] += 1
            self._watch(asked.path, before, after)
        return answer

    def _watch(self, path: str, before: Any, after: Any) -> None:
        """A Job of a way back is run while its release has no pods, and they come back when it has ended."""
        run = run_of(after)
        if run and before is None:
            self.runs.append(Run(path, run))
        if not run and not (_pods(before) == 0 and _pods(after)):
            return
        bodies = self._store.objects.values()
        mine = [one for one in bodies if one["metadata"].get("namespace") == after["metadata"].get("namespace")]
        pods = [one["metadata"]["name"] for one in mine if _pods(one)]
        open_runs = [one["metadata"]["name"] for one in mine if run_of(one) and not has_ended(one)]
        if pods and open_runs:
            self.beside.append(f"{path}: {', '.join(open_runs)} beside pods of {', '.join(pods)}")

    def _content(self, asked: Asked) -> Any:
        """What stands at a path, but for bookkeeping; nothing of what only we read there, and of reads."""
        if not is_write(asked) or "/configmaps/reconciler." in asked.path or asked.method == "POST":
            return None
        place = self._place([part for part in asked.path.split("/") if part])
        found = copy.deepcopy(self._store.peek(place.resource, place.namespace, place.name))
        for name in BOOKKEEPING:
            (found or {}).get("metadata", {}).pop(name, None)
        (found or {}).get("metadata", {}).get("annotations", {}).pop(CLAIMED, None)  # who counts on a run
        return found
