"""The sandbox's cluster behind the proxy, cut around a chosen request; its own account of changes is the witness."""

import copy
import json
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked, status
from tests.faults.proxy import Proxy


class Cut(StrEnum):
    """Where the connection ends: before the server heard, after it acted, or in the middle of its answer."""

    UNHEARD = "unheard"
    UNANSWERED = "unanswered"
    TORN = "torn"


class Spot(NamedTuple):
    """Where a fault strikes: how, and around the request of which number."""

    cut: Cut
    number: int

    def __str__(self) -> str:
        return f"{self.cut}-{self.number}"


BOOKKEEPING = ("resourceVersion", "managedFields", "generation", "creationTimestamp", "uid")
Wanted = Callable[[Asked], bool]


def is_write(asked: Asked) -> bool:
    """Whether a request changes something."""
    return asked.method != "GET" and "dryRun" not in asked.query and "authorization.k8s.io" not in asked.path


def any_request(_asked: Asked) -> bool:
    return True


class FarCluster(SandboxCluster):
    """`proxy` is the way to it. `changed` counts by path how often an object's content moved by a request."""

    def __init__(self) -> None:
        super().__init__()
        self.proxy: Proxy | None = None
        self.changed: Counter[str] = Counter()
        self._cuts = 0
        self._fault: tuple[Cut, Wanted, int, bool] | None = None
        self._refusal: tuple[int, Wanted] | None = None

    @property
    def way(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.way.port}"

    def start(self) -> None:
        super().start()
        if self.proxy is None:
            self.proxy = Proxy("127.0.0.1", self._port)
            self.proxy.__enter__()

    def stop(self) -> None:
        """For good: the way to it goes too."""
        if self.proxy is not None:
            self.proxy.__exit__()
        super().stop()

    def cut_at(self, cut: Cut, number: int, wanted: Wanted = is_write, *, away: bool) -> None:
        """Cut around the wanted request of this number from now, once; `away`: and stay away until `heal`."""
        self._fault = (cut, wanted, number, away)

    def refuse(self, code: int, wanted: Wanted = any_request) -> None:
        """Answer what is wanted with this status, until `heal`; nothing happens then."""
        self._refusal = (code, wanted)

    def cuts_met(self) -> int:
        """How many cuts happened since this was asked last."""
        met, self._cuts = self._cuts, 0
        return met

    def heal(self) -> None:
        self._fault = self._refusal = None
        self.way.up()

    def _respond(self, asked: Asked) -> tuple[int, str | bytes]:
        if self._refusal is not None and self._refusal[1](asked):
            code = self._refusal[0]
            return code, json.dumps(status(code, "Refused", "refused by the test"))
        cut = self._due(asked)
        if cut is Cut.UNHEARD:
            raise ConnectionAbortedError
        before = self._content(asked)
        answer = super()._respond(asked)
        if is_write(asked) and self._content(asked) != before:
            self.changed[asked.path] += 1
        if cut is Cut.UNANSWERED:
            raise ConnectionAbortedError
        if cut is Cut.TORN:
            self.way.cut_answer_after(40)
        return answer

    def _due(self, asked: Asked) -> Cut | None:
        """The cut that this request meets; the way is closed at once where it is to stay away."""
        if self._fault is None or not self._fault[1](asked):
            return None
        cut, wanted, number, away = self._fault
        if number > 1:
            self._fault = (cut, wanted, number - 1, away)
            return None
        self._fault = None
        self._cuts += 1
        if away:
            self.way.close_door()
        if cut is not Cut.TORN:
            self.way.cut()
        return cut

    def _content(self, asked: Asked) -> dict[str, Any] | None:
        if asked.method not in {"PATCH", "PUT", "DELETE"}:
            return None
        found = copy.deepcopy(self.look(asked.path))
        for name in BOOKKEEPING:
            (found or {}).get("metadata", {}).pop(name, None)
        return found
