"""What the process tells of itself in numbers: looks, the forge, what waits, what failed, hooks.

Knows Prometheus' metrics and the ledger's counts. The rule: a label's values are words of ours (keys of the catalogue,
questions of a port, outcomes of a door), never anything that a repository or a request says.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from reconciler import catalogue
from reconciler.doors.traffic import Stopped
from reconciler.errors import ReconcilerError
from reconciler.machine.ledger import Ledger
from reconciler.machine.words import STATES, word_of
from reconciler.ports import Clock
from reconciler.web.hooks import Answered

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
STRANGE = "internal_error"  # of what has no key of the catalogue


@dataclass(frozen=True, slots=True)
class Standing:
    """How the last look that ended went, and since when one runs. `failure` is empty where it went well."""

    ended: datetime | None = None
    failure: str = ""
    running: bool = False


class Gauges:
    """Counts for one process. The loop and the servers call it from their own threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._standing = Standing()
        self._begun = 0.0
        self._registry = where = CollectorRegistry()
        self._looks = Counter("reconciler_looks", "Looks that ended.", ["result"], registry=where)
        self._seconds = Histogram("reconciler_look_seconds", "How long a look took.", buckets=SECONDS, registry=where)
        self._running = Gauge("reconciler_look_running", "1 while a look runs.", registry=where)
        self._last = Gauge(
            "reconciler_last_successful_look_timestamp_seconds", "When a look last ended well.", registry=where
        )
        words = "Questions to the forge; one may be several requests."
        self._asked = Counter("reconciler_forge_questions", words, ["kind"], registry=where)
        self._open = Gauge("reconciler_open_pull_requests", "Open pull requests at the last look.", registry=where)
        self._waiting = Gauge("reconciler_waiting_tickets", "Tickets that wait for people.", registry=where)
        words = "What went wrong in a look, by error key."
        self._failures = Counter("reconciler_failures", words, ["key"], registry=where)
        words = "Accepted releases, by how their last plan stands."
        self._releases = Gauge("reconciler_releases", words, ["state"], registry=where)
        words = "Releases whose traffic a way back stopped: left so where it failed, or on its way."
        self._away = Gauge("reconciler_releases_without_traffic", words, ["way_back"], registry=where)
        self._hooks = Counter("reconciler_hooks", "Requests to the door for webhooks.", ["outcome"], registry=where)
        for outcome in Answered:
            self._hooks.labels(outcome.value)
        for result in ("success", "failure"):
            self._looks.labels(result)

    @property
    def standing(self) -> Standing:
        """As of now."""
        with self._guard:
            return self._standing

    def began(self) -> None:
        """A look begins."""
        self._begun = time.monotonic()
        self._running.set(1)
        with self._guard:
            self._standing = Standing(self._standing.ended, self._standing.failure, running=True)

    def ended(
        self,
        ledger: Ledger,
        error: ReconcilerError | None,
        faults: tuple[str, ...],
        stopped: Sequence[Stopped] | None = (),
    ) -> None:
        """It ended; `faults` are what went wrong in it, each `KEY: words`; `stopped`: releases without traffic."""
        now = self._clock.now()
        if error is not None:
            failure = error.key
        elif ledger.trusted is None:
            failure = "policy_not_in_force"
        else:
            failure = "history_rewritten" if ledger.stopped is not None else ""
        self._looks.labels("failure" if failure else "success").inc()
        self._seconds.observe(time.monotonic() - self._begun)
        self._running.set(0)
        self._waiting.set(len(ledger.waiting))
        if ledger.trusted is not None:  # else nothing was read yet, and none is not known to be none
            self._count(ledger, stopped)
        for key in (*(one.partition(":")[0] for one in faults), *([error.key] if error is not None else [])):
            self._failures.labels(key if key in catalogue.errors() else STRANGE).inc()
        if not failure:
            self._last.set(now.timestamp())
        with self._guard:
            self._standing = Standing(now, failure)

    def _count(self, ledger: Ledger, stopped: Sequence[Stopped] | None) -> None:
        states = [word_of(ledger, one) for unit, one in ledger.accepted().items() if unit.startswith("release/")]
        for state in STATES:
            self._releases.labels(state).set(states.count(state))
        for way_back, left in (("failed", True), ("running", False)):
            if stopped is not None:  # else as many as there were
                self._away.labels(way_back).set(sum(one.left is left for one in stopped))

    def asked(self, kind: str) -> None:
        """A question to the forge."""
        self._asked.labels(kind).inc()

    def open_ones(self, number: int) -> None:
        """So many pull requests are open."""
        self._open.set(number)

    def hook(self, answered: Answered) -> None:
        """A request to the door for webhooks."""
        self._hooks.labels(answered.value).inc()

    def lacks(self, late: timedelta) -> str:
        """Why the loop is not ready, or nothing. A look that runs is never late: a rollout may take its time."""
        standing = self.standing
        if standing.failure:
            return f"the last look failed: {standing.failure}"
        if standing.ended is None:
            return "no look has ended yet"
        if not standing.running and self._clock.now() - standing.ended > late:
            return "the loop stands still"
        return ""

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)
