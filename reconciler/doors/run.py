"""Running the loop: schedules that only say "look now", one process for a state folder, a graceful stop.

Knows timers and signals, and nothing of what a look does. The rule: whatever rings, the same look runs in the same
thread; a missed or a doubled ring costs a look and never a wrong answer.
"""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from reconciler.app import telemetry
from reconciler.app.clock import SystemClock
from reconciler.app.journal import Journal
from reconciler.app.settings import Settings
from reconciler.app.trust import trust
from reconciler.app.wiring import Assembly, assemble
from reconciler.doors.reading import Json
from reconciler.doors.specs import commit_named
from reconciler.doors.traffic import Stopped, stopped
from reconciler.errors import ReconcilerError, Refused, Unavailable
from reconciler.machine.ledger import Ledger
from reconciler.names import SHORT
from reconciler.plan.change import Plan
from reconciler.ports import ApiForge

LOG = structlog.get_logger("reconciler")
CLOCKS = timedelta(minutes=1)  # previews, approvals, holds and due times end by time alone
DRIFT = timedelta(minutes=10)
LOOK, LOOK_FOR_DRIFT = "look", "drift"


@dataclass(slots=True)
class Bell:
    """What timers ring and the loop waits for. Rings are remembered, not counted."""

    _rung: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def ring(self, what: str) -> None:
        """Ask for something."""
        with self._changed:
            self._rung.add(what)
            self._changed.notify_all()

    def wait(self) -> frozenset[str]:
        """What was asked for since the last time, as soon as anything was."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._rung))
            found, self._rung = frozenset(self._rung), set()
            return found


class Watcher(Protocol):
    """Who is told of looks."""

    def began(self) -> None:
        """One begins."""

    def ended(
        self,
        ledger: Ledger,
        error: ReconcilerError | None,
        faults: tuple[str, ...],
        stopped: tuple[Stopped, ...] | None,
    ) -> None:
        """It ended. `error`: why nothing at all could be done; `faults`: what went wrong in it, each `KEY: words`;
        `stopped`: releases without traffic, None where that is not known."""


@dataclass(frozen=True, slots=True)
class Round:
    """What `run --once` left: what went wrong, and what waits for people as TICKET@digest."""

    faults: tuple[str, ...]
    waiting: tuple[str, ...]

    def to_json(self) -> Json:
        """Everything."""
        return {"faults": list(self.faults), "waiting": list(self.waiting)}


@contextlib.contextmanager
def opened(
    settings: Settings,
    clock: SystemClock,
    *,
    people: bool,
    around: Callable[[ApiForge], ApiForge] = lambda forge: forge,
) -> Iterator[Assembly]:
    """The reconciler, alone with its state folder. Raises Refused where another process has it.

    `around` is put around the forge, such as what counts its questions.
    """
    telemetry.configure(people=people)
    with alone(settings.state):
        assembly = assemble(settings, clock, stopping=lambda: clock.stopping, around=around)
        try:
            yield assembly
        finally:
            assembly.close()


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the state folder. The lock goes with the process, also when it is killed."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"opening the state folder {state}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                f"opening the state folder {state}: another reconciler runs with it",
                key="resource_locked",
                hint="stop the other one, or give this one a state folder of its own",
            ) from error
        yield
    finally:
        os.close(descriptor)


def trust_commit(assembly: Assembly, text: str) -> str:
    """Accept the first policy at a commit that a person names (G2); its whole id."""
    assembly.catch_up()
    commit = commit_named(assembly.mirror.repository.objects, text)
    trust(
        assembly.mirror,
        assembly.journal,
        assembly.planner,
        commit,
        tracked=assembly.settings.branch,
        repository=assembly.repository_id,
    )
    return commit


def once(assembly: Assembly) -> Round:
    """Look until nothing changes. Raises Refused where nothing is trusted yet: nothing was looked at then."""
    assembly.catch_up()
    if assembly.journal.ledger.trusted is None:
        raise Refused(
            "looking: no policy is trusted yet, so nothing is done",
            key="policy_not_in_force",
            hint="read the commit, then name it: reconciler run --trust COMMIT",
        )
    assembly.reconciler.settle()
    ledger = assembly.journal.ledger
    waits = [ledger.previews[ticket] for ticket in sorted(ledger.waiting) if ticket in ledger.previews]
    waiting = tuple(f"{state.previewed.ticket}@{state.previewed.digest[:SHORT]}" for state in waits)
    return Round(tuple(assembly.reconciler.faults), waiting)


def forever(
    assembly: Assembly, clock: SystemClock, *, bell: Bell | None = None, watcher: Watcher | None = None
) -> None:
    """Look until somebody says stop: SIGTERM, SIGINT, or the clock. Others may ring the bell too."""
    bell = bell or Bell()
    bell.ring(LOOK)
    with _signals(clock, bell), _timers(assembly, bell) as timers:
        while True:
            asked = bell.wait()
            if clock.stopping:
                break
            _look(assembly, asked, watcher)
            _at_pace(timers, assembly)
    LOG.info("stopped", next="recorded plans go on at the next start")


def _look(assembly: Assembly, asked: frozenset[str], watcher: Watcher | None) -> None:
    failure: ReconcilerError | None = None
    known = 0 if LOOK in asked else len(assembly.reconciler.faults)  # a look forgets the faults of the one before
    if watcher is not None:
        watcher.began()
    try:
        if LOOK in asked:
            assembly.reconciler.look()
        if LOOK_FOR_DRIFT in asked:
            assembly.reconciler.look_for_drift()
    except ReconcilerError as error:  # nothing could be looked at; the next ring looks again
        failure = error
        level = LOG.warning if isinstance(error, Unavailable) else LOG.error
        level("nothing could be done", key=error.key, message=error.message, hint=error.hint())
    if watcher is not None:
        faults = tuple(assembly.reconciler.faults[known:])
        watcher.ended(assembly.journal.ledger, failure, faults, _stopped(assembly.journal))


def _stopped(journal: Journal) -> tuple[Stopped, ...] | None:
    try:
        return stopped(journal.events, journal.ledger, lambda path: Plan.model_validate_json(journal.file(path)))
    except ReconcilerError as error:
        LOG.warning("it is not known whose traffic is stopped", key=error.key, message=error.message)
        return None


@contextlib.contextmanager
def _timers(assembly: Assembly, bell: Bell) -> Iterator[BackgroundScheduler]:
    timers = BackgroundScheduler(job_defaults={"coalesce": True, "misfire_grace_time": None}, timezone="UTC")
    pace = assembly.planner.policy().settings.poll_interval
    for name, what, every in (("poll", LOOK, pace), ("clocks", LOOK, CLOCKS), ("drift", LOOK_FOR_DRIFT, DRIFT)):
        timers.add_job(bell.ring, "interval", (what,), seconds=every.total_seconds(), id=name)
    timers.start()
    try:
        yield timers
    finally:
        timers.shutdown(wait=False)


def _at_pace(timers: BackgroundScheduler, assembly: Assembly) -> None:
    """Poll as often as the policy in force says, which may have changed with the last look."""
    pace = assembly.planner.policy().settings.poll_interval
    if timers.get_job("poll").trigger.interval != pace:
        timers.reschedule_job("poll", trigger="interval", seconds=pace.total_seconds())


@contextlib.contextmanager
def _signals(clock: SystemClock, bell: Bell) -> Iterator[None]:
    """The first signal asks to stop at the next safe point; a second one is the system's own."""
    before: dict[signal.Signals, Any] = {}

    def asked(number: int, _frame: FrameType | None) -> None:
        LOG.info("stopping at the next safe point", signal=signal.Signals(number).name)
        clock.stop()
        threading.Thread(target=bell.ring, args=(LOOK,), daemon=True).start()  # the loop may hold the bell just now
        restore()

    def restore() -> None:
        for one, old in before.items():
            signal.signal(one, old)

    for one in (signal.SIGTERM, signal.SIGINT):
        before[one] = signal.signal(one, asked)
    try:
        yield
    finally:
        restore()
