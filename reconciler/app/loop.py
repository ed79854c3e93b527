"""One look at everything, and then another: poll, catch up, take in, plan, judge, carry out.

Level-triggered: a look gives the right result whatever was missed before it. Everything that can go wrong with one
pull request or one environment is said there and leaves the others alone; the only catch-all of the product is here,
where a defect is logged, told, and the next look starts clean.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from reconciler.app.commands import Commands
from reconciler.app.drift import Drift
from reconciler.app.emergencies import Emergencies
from reconciler.app.journal import Journal, Note
from reconciler.app.landing import order
from reconciler.app.landings import Landings
from reconciler.app.orders import Orders
from reconciler.app.patience import Patience
from reconciler.app.promoting import Promotions
from reconciler.app.proposals import Proposals
from reconciler.app.rollouts import Rollouts
from reconciler.errors import ReconcilerError, Unavailable, Untrusted
from reconciler.git.history import Movement, movement
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Continued, Stopped
from reconciler.machine.ledger import SUCCESSES, Waiting
from reconciler.names import Revision
from reconciler.ports import Clock, Forge
from reconciler.report.phrases import Locale
from reconciler.state.event import Domain, EventStatus, Severity
from reconciler.state.forge import PullRequest, PullRequestState

LOG = structlog.get_logger("reconciler")
LISTEN = 5.0  # seconds: how often orders are heard while rollouts run (G23)
REPOSITORY = "the repository"
ROUNDS = 20  # of one `run --once`: until nothing is left to do, and never for ever


class Speaker(Protocol):
    """What writes to people, in one language."""

    locale: Locale


@dataclass(slots=True)
class Reconciler:
    """The loop's body. `look` is one round; who calls it, and how often, is the caller's."""

    mirror: Mirror
    forge: Forge
    journal: Journal
    proposals: Proposals
    landings: Landings
    emergencies: Emergencies
    rollouts: Rollouts
    orders: Orders
    commands: Commands
    drift: Drift
    promotions: Promotions
    clock: Clock
    patience: Patience
    branch: str
    speakers: tuple[Speaker, ...] = ()  # beside the parts above, who else speaks to people
    locale: str = ""  # of reconciler.toml; empty: what the policy in force says
    workers: int = 4
    stopping: Callable[[], bool] = lambda: False
    faults: list[str] = field(default_factory=list)  # what went wrong in the last round, for the caller's exit code

    def look(self) -> None:
        """One round. Raises Unavailable and Untrusted where nothing at all can be done, or no pull request be seen."""
        self.faults = []
        try:
            self._catch_up()
        except Unavailable:
            self._finish_recorded()
            raise
        tip = self._tip()
        if tip is None or self.stopping():
            return
        self._speak()
        self._guarded("first landing", self.landings.take_in_first)
        self._guarded("landings", lambda: self.landings.take_in(tip))
        self._guarded("orders", lambda: self._take_orders(tip))
        self._pass()
        self.emergencies.look(self._guarded)  # before what takes long: whoever is to be told is told at once
        self._carry_out()
        self._guarded("statuses", self.rollouts.say_ends)
        self._guarded("promotions", lambda: self.promotions.look(tip, self._guarded))
        with self.mirror.still():  # previews and statuses of one moment, and one request for all of them
            self._proposals(tip)  # last: a forge that is away fails the look, as health shows, and stops nothing

    def _catch_up(self) -> None:
        self.patience.check(REPOSITORY)
        try:
            self.journal.sync()
            self.mirror.sync()
            self.journal.catch_up()
        except Unavailable as error:
            self.patience.note(REPOSITORY, error)
            raise

    def _finish_recorded(self) -> None:
        """While the repository is away, what was recorded is finished or goes back, and nothing new starts (G24)."""
        with contextlib.suppress(Unavailable):
            self.journal.catch_up()  # what the mirror has; a new process has read nothing yet
        self._hear_holds()
        if self.journal.ledger.stopped is None:
            self._carry_out()

    def _speak(self) -> None:
        """Everybody speaks the language that the settings name."""
        locale = Locale(self.locale or self.landings.planner.policy().settings.locale.value)
        speakers: tuple[Speaker, ...] = (self.proposals, self.landings, self.commands, *self.speakers)
        for speaker in speakers:
            speaker.locale = locale

    def settle(self) -> None:
        """Rounds until one of them changes nothing any more (`run --once`)."""
        for _ in range(ROUNDS):
            before = self.journal.ledger.last_event
            self.look()
            if self.journal.ledger.last_event == before or self.stopping():
                return

    def _tip(self) -> Revision | None:
        """The tracked branch's tip; None where nothing may start: untrusted, rewound, vanished, emptied (T8)."""
        ledger = self.journal.ledger
        tip = self.mirror.refs().get(f"refs/heads/{self.branch}")
        last = ledger.looked or ledger.trusted
        if last is None:
            LOG.warning("nothing is trusted yet", next="reconciler run --trust COMMIT")
            return None
        moved = movement(self.mirror.repository, last, tip)
        if moved in {Movement.UNCHANGED, Movement.FORWARD}:
            if ledger.stopped is not None and tip is not None:
                self._note("renewed", "the tracked branch is back", Continued(tip=tip), EventStatus.SUCCESS, "")
            return tip
        words = (
            f"the tracked branch {self.branch} {moved.value}: it stood at {last[:12]}; nothing is applied or deleted"
        )
        if ledger.stopped is None or ledger.stopped.tip != tip:
            stopped = Stopped(reason=moved.value, last=last, tip=tip)
            self._note("refused", words, stopped, EventStatus.FAILED, "history_rewritten")
        self.faults.append(f"history_rewritten: {words}")
        LOG.error("history rewritten", branch=self.branch, how=moved.value, last=last, tip=tip)
        return None

    def _note(self, action: str, words: str, entry: Stopped | Continued, status: EventStatus, key: str) -> None:
        self.journal.record(
            [
                Note(
                    Domain.PREVIEW,
                    action,
                    "branch",
                    self.branch,
                    status=status,
                    severity=Severity.CRITICAL,
                    detail={"error_key": key, "summary": words},
                    entry=entry,
                )
            ]
        )

    def _pass(self) -> None:
        for waiting in order(self.journal.ledger.waiting):
            for environment in waiting.landed.environments:
                what = f"{waiting.landed.ticket} in {environment}"
                self._guarded(what, lambda w=waiting, e=environment: self._pass_one(w, e))  # type: ignore[misc]

    def _pass_one(self, waiting: Waiting, environment: str) -> None:
        try:
            self.landings.pass_or_hold(waiting, environment)
        except ReconcilerError as error:
            self._guarded("status", lambda failure=error: self.landings.wait(waiting, environment, failure))  # type: ignore[misc]
            raise

    def _carry_out(self) -> None:
        """Every open rollout, one worker for each environment."""
        running = self.journal.ledger.running()
        if not running or self.stopping():
            return
        with ThreadPoolExecutor(max_workers=max(1, min(self.workers, len(running)))) as pool:
            jobs = [
                (rollout, pool.submit(self.rollouts.advance, rollout.passed.environment, rollout.passed.generation))
                for rollout in running
            ]
            while wait([job for _, job in jobs], LISTEN).not_done:
                self._guarded("orders", self._hear)
            for rollout, job in jobs:
                self._guarded(f"rollout in {rollout.passed.environment}", job.result)

    def _hear(self) -> None:
        """Take orders in while rollouts run: a hold stops them before their next batch (G23)."""
        try:
            self._catch_up()
        except Unavailable:
            self._hear_holds()
            raise
        tip = self.mirror.refs().get(f"refs/heads/{self.branch}")
        if tip is not None and not self.stopping():
            self._take_orders(tip)

    def _hear_holds(self) -> None:
        """With an audit repository of its own, the desired state may be there while the audit is away (G24)."""
        if not self.journal.branch.apart:
            return
        with contextlib.suppress(Unavailable):
            self.mirror.sync()
        tip = self.mirror.refs().get(f"refs/heads/{self.branch}")
        if tip is not None:
            self.orders.take_in_holds(tip, self._guarded)

    def _take_orders(self, tip: Revision) -> None:
        self.orders.take_in(tip, self._guarded, landed=self.landings.taken_in == tip)

    def _proposals(self, tip: Revision) -> None:
        open_ones = self.forge.open_pull_requests()
        for pull in open_ones:
            if pull.base == self.branch and not self.stopping():
                self._guarded(f"pull request {pull.number}", lambda p=pull: self._proposal(p, tip))  # type: ignore[misc]
        for merged in self._commented():
            self._guarded(f"comments of {merged}", lambda n=merged: self.commands.take_in(n))  # type: ignore[misc]
        open_numbers = {pull.number for pull in open_ones}
        landed = {one.ticket for one in self.journal.ledger.landed.values()}  # merged, so never closed without
        for ticket, state in tuple(self.journal.ledger.previews.items()):
            number = state.previewed.pull_request
            if number is None or state.ended or number in open_numbers or ticket in landed:
                continue
            self._guarded(ticket, lambda t=ticket, n=number: self._close(t, n))  # type: ignore[misc]

    def _close(self, ticket: str, number: int) -> None:
        if self.forge.pull_request(number).state is PullRequestState.CLOSED:
            self.proposals.end(ticket, "closed")

    def _proposal(self, pull: PullRequest, tip: Revision) -> None:
        self.proposals.look(pull, tip, asked=self.commands.take_in(pull.number))

    def _commented(self) -> tuple[int, ...]:
        """Merged pull requests of which something waits, runs, did not end well or is healed no more: their comments
        still ask."""
        ledger = self.journal.ledger
        tickets = set(ledger.waiting)
        tickets |= {
            ledger.rollouts[state.environment, state.generation].passed.ticket
            for unit, state in ledger.units.items()
            if state.generation and (state.outcome not in SUCCESSES or unit in ledger.drifts.fought)
        }
        states = [ledger.previews[ticket] for ticket in sorted(tickets) if ticket in ledger.previews]
        return tuple(s.previewed.pull_request for s in states if s.previewed.pull_request is not None)

    def look_for_drift(self) -> None:
        """What the drift timer calls: look at what was applied, tell what moved, and put right what may be."""
        self._catch_up()
        tip = self._tip()
        for _ in range(ROUNDS):
            if self.stopping() or not self._drift_began(tip):
                break
            self._carry_out()
        self._guarded("statuses", self.rollouts.say_ends)

    def _drift_began(self, tip: Revision | None) -> bool:
        began: list[bool] = []
        taken_in = tip is not None and self.landings.taken_in == tip
        self._guarded("drift", lambda: began.append(self.drift.look(taken_in=taken_in)))
        return began == [True]

    def _guarded(self, what: str, work: Callable[[], object]) -> None:
        try:
            self.patience.check(what)
            work()
        except ReconcilerError as error:
            if isinstance(error, Unavailable):
                self.patience.note(what, error)
            self._fault(what, error)
        except Exception as error:
            self.faults.append(f"internal_error: {what}: {type(error).__name__}")
            LOG.exception("defect", what=what, kind=type(error).__name__)

    def _fault(self, what: str, error: ReconcilerError) -> None:
        self.faults.append(f"{error.key}: {what}: {error.message}")
        level = (
            LOG.info if isinstance(error, Unavailable) else LOG.error if isinstance(error, Untrusted) else LOG.warning
        )
        level("not done", what=what, key=error.key, message=error.message)
