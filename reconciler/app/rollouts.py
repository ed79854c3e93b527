"""Carries accepted plans out: asks the table what to do, does it, records before and after, and goes on after a crash.

Every command of machine/rollout.py has one method here. What a method does is safe to repeat: the rollout is entered
again from its last record, and every action asks its target first.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from reconciler.app.desire import Desires
from reconciler.app.going_back import gone_back
from reconciler.app.journal import Note, Overtaken
from reconciler.app.operations import Order, Step, task_of
from reconciler.app.patience import Patience
from reconciler.app.perform import Performer
from reconciler.app.planning import Planner
from reconciler.app.reaching import Reached
from reconciler.app.sayings import Sayings
from reconciler.app.sides import accepted_before, left_by, left_stopped, namespaces_in
from reconciler.app.step_times import Term, began, latest, term_of
from reconciler.app.stories import Story
from reconciler.app.targets import Connections, replaceable
from reconciler.app.traffic import Away, away_in, given_up, is_away, overdue, stopped_by, waited_for
from reconciler.app.verifying import Interrupted, pause_left
from reconciler.app.walked import SETTLE, Walk, Walked, giving_back, let_in
from reconciler.app.way_back import WayBack, timeouts
from reconciler.errors import LeftBehind, ReconcilerError, Rejected, Unavailable, Withdrawn
from reconciler.machine.entry import Applying, BatchDone, Finished, Hold, Returning
from reconciler.machine.ledger import RolloutState
from reconciler.machine.rollout import Command, Event, Rollout, resumed, step
from reconciler.machine.stages import Stage
from reconciler.machine.states import gone_back_to
from reconciler.plan.change import Action, Plan
from reconciler.plan.make import Side
from reconciler.plan.strategies import standing
from reconciler.ports import Bundles, Clock
from reconciler.report.status import Situation
from reconciler.specs.desired import Desired


@dataclass(slots=True, kw_only=True)
class Rollouts(Sayings):
    """Runs rollouts, one call for each; calls for different environments may run at once."""

    planner: Planner
    desires: Desires
    connections: Connections
    bundles: Bundles
    clock: Clock
    key: bytes = field(repr=False)
    patience: Patience
    stopping: Callable[[], bool] = lambda: False
    workers: int = 4

    def advance(self, environment: str, generation: int) -> None:
        """Go on with one rollout until it ends, is held, waits for a target, or the process is stopping."""
        state = self.journal.ledger.rollouts[environment, generation]
        self.patience.check(environment)
        if state.finished is None:
            _Run(self, state).go()


class _Run:
    """One rollout in this process."""

    def __init__(self, context: Rollouts, state: RolloutState) -> None:
        self._context = context
        self._state = state
        self._passed = state.passed
        self._plan = Plan.model_validate_json(context.journal.file(state.passed.path))
        self._desired = context.desires.at(state.passed.commit).desired
        self._performer = self._performer_of(
            context.desires.at(state.passed.commit), left_by(self._plan, context.desires.at)
        )
        self._story = Story(self._plan, state.passed.ticket, state.passed.path, self._desired)
        self._task = task_of(state.passed.environment, state.passed.generation)
        self._failure: ReconcilerError | None = None
        self._steps: tuple[Step, ...] = ()
        self._words = ""
        self._reason = state.returning.reason if state.returning is not None else ""

    def go(self) -> None:
        state = self._state
        rollout, commands = resumed(
            len(self._plan.batches),
            returns=self._passed.returns,
            batch=state.batch,
            done=state.done,
            returning=state.returning is not None,
        )
        methods: Mapping[Command, Callable[[Rollout], Event | None]] = {
            Command.RECORD_BATCH: self._record_batch,
            Command.APPLY_BATCH: self._apply_batch,
            Command.VERIFY_BATCH: self._verify_batch,
            Command.RECORD_SUCCESS: self._record_success,
            Command.RECORD_FAILURE: self._record_failure,
            Command.RECORD_RETURN: self._record_return,
            Command.RETURN: self._return,
            Command.RECORD_RETURNED: self._record_returned,
            Command.RECORD_RETURN_FAILED: self._record_return_failed,
        }
        while commands:
            event: Event | None = None
            for command in commands:
                if command is Command.WAIT:
                    return  # the next look goes on from the last record
                event = methods[command](rollout)
            if event is None:
                return
            if self._failure is not None and self._is_end(self._failure):
                rollout = replace(rollout, returns=False)
            rollout, commands = step(rollout, event)

    def _record_batch(self, rollout: Rollout) -> Event | None:
        held = self._held() if not is_away(self._plan, rollout.batch) else None  # never rests where traffic is stopped
        if held is not None:
            counts = {"done": rollout.batch, "all": rollout.batches}
            self._context.tell(self._state, Situation.HELD_BY_PERSON, people=held.by or "root", **counts)
            return Event.HELD
        if self._context.stopping():
            return None
        entry = Applying(environment=self._passed.environment, generation=self._passed.generation, batch=rollout.batch)
        notes = list(
            self._story.tell(Stage.APPLYING, entry=entry, summary=f"batch {rollout.batch + 1} of {rollout.batches}")
        )
        try:
            # only the first batch is a stage of its own on the timeline; later ones are carried by one event
            self._record(
                notes if rollout.batch == 0 else [self._story.carrier(Stage.APPLYING, entry, None, "next batch")]
            )
        except Overtaken:
            raise
        except Unavailable as error:
            return self._away(error)
        self._context.tell(self._state, Situation.APPLYING, batch=rollout.batch + 1, all=rollout.batches)
        return Event.RECORDED

    def _held(self) -> Hold | None:
        holds = self._context.journal.ledger.holds
        now = self._context.clock.now()
        names = [f"environment/{self._passed.environment}", *(unit.unit for unit in self._plan.units)]
        return next((holds[name] for name in names if name in holds and holds[name].until > now), None)

    def _apply_batch(self, rollout: Rollout) -> Event | None:
        if self._state.again:  # its traffic was being given back: never a migration beside pods
            return self._judge(given_up(), Event.BATCH_APPLIED)
        order = self._order(self._plan, self._passed.retries)
        result = self._performer.apply(self._plan.batches[rollout.batch], order)
        self._steps, self._words = result.steps, "; ".join(result.words)
        return self._judge(result.failure, Event.BATCH_APPLIED)

    def _verify_batch(self, rollout: Rollout) -> Event | None:
        try:
            batch = self._plan.batches[rollout.batch]
            ran = self._performer.finish(batch, self._order(self._plan, self._passed.retries))
            self._steps = (*self._steps, *ran.steps)
            if ran.failure is not None:
                return self._judge(ran.failure, Event.BATCH_READY)
            self._performer.verify(batch, timeouts(self._plan))
            if self._pauses(batch):
                return Event.PAUSING
            self._performer.ask(batch)
        except ReconcilerError as error:
            return self._judge(error, Event.BATCH_READY)
        if rollout.batch + 1 == rollout.batches:
            return Event.BATCH_READY  # its steps and its end are told by the rollout's end, in one record
        entry = BatchDone(environment=self._passed.environment, generation=self._passed.generation, batch=rollout.batch)
        carrier = self._story.carrier(
            Stage.APPLYING, entry, None, f"batch {rollout.batch + 1} is ready{self._words and '; '}{self._words}"
        )
        try:
            self._record([*self._told_steps(), carrier])
        except Overtaken:
            raise
        except Unavailable as error:
            return self._away(error)
        return Event.BATCH_READY

    def _pauses(self, batch: Sequence[Action]) -> bool:
        """Whether a pause of the batch has not passed. Then others get their turn, and the next look comes by."""
        since, now = self._state.batch_at, self._context.clock.now()
        left = pause_left(batch, since, now)
        if left:
            words = f"a pause until {now + left:%Y-%m-%d %H:%M:%S} UTC"
            self._context.tell(self._state, Situation.APPLY_WAITS, what=words)
        return bool(left)

    def _judge(self, failure: ReconcilerError | None, well: Event) -> Event | None:
        if failure is not None and self._state.returning is None:
            failure = self._overdue(failure)
        match failure:
            case None:
                return well
            case Interrupted() | Overtaken():
                return None
            case Unavailable():
                return self._away(failure)
            case Withdrawn() if self._stopped():
                return self._away(failure)
            case Withdrawn() if replaceable(self._targets(self._desired).side, self._plan):
                self._context.tell(self._state, Situation.APPLY_WAITS, what=f"a new credential: {failure.message}")
                return Event.UNREACHABLE
            case _:
                if self._state.returning is None and (stopped := stopped_by(self._plan) or self._left(failure)):
                    begin = partial(self._let_in, stopped)
                    try:
                        failure = let_in(self._performer, stopped, begin, failure, self._stopped)
                    except Overtaken:
                        return None
                    except Unavailable as away:
                        return self._away(away)  # the same batch fails again, and then its traffic is given back
                self._failure = failure
                with contextlib.suppress(ReconcilerError):
                    self._performer.enter_failure(self._plan, self._passed.generation, failure.message)
                return Event.FAILED

    def _overdue(self, failure: ReconcilerError) -> ReconcilerError:
        """What the batch fails with, where the time of its step is over and its clusters answer."""
        stopped, batch = bool(self._stopped()), self._plan.batches[max(0, self._state.batch)]
        terms = [term for one in batch if (term := term_of(one, self._began(one))) is not None]
        if stopped and not terms and self._state.batch_at is not None:
            terms = [Term(SETTLE, self._state.batch_at)]
        late = overdue(failure, latest(terms), self._context.clock.now())
        clusters = {one.target.partition("/")[2] for one in batch if one.step}
        return late if stopped or late is failure or self._performer.answers(clusters) else failure

    def _began(self, action: Action) -> datetime | None:
        return began(self._state, self._plan, action)

    def _stopped(self) -> Away:
        """Whether this plan, where it goes back by steps, has stopped traffic that it has not restored."""
        return away_in(self._plan, self._state) if self._state.returning is None else Away.NOT

    def _is_end(self, failure: ReconcilerError) -> bool:
        """Whether nothing is gone back to: where nobody knows what a return would meet, a person looks (G20)."""
        return not self._passed.returns or failure.key == "target_changed" or self._state.again

    def _left(self, failure: ReconcilerError) -> Mapping[str, Sequence[str]]:  # by an earlier way back; none gives it
        return left_stopped(self._plan, self._desired, self._context.desires.at) if self._is_end(failure) else {}

    def _let_in(self, stopped: Mapping[str, Sequence[str]]) -> Order:
        """Record that the traffic is given back, which is a turn of its own."""
        self._tell_walk(giving_back(f"release/{name}" for names in stopped.values() for name in names), ())
        return self._order(self._plan, self._passed.retries)

    def _away(self, failure: Unavailable | Withdrawn) -> Event:
        error = waited_for(failure, self._stopped())
        self._context.patience.note(self._passed.environment, error)
        self._context.tell(self._state, Situation.APPLY_WAITS, what=error.message)
        return Event.UNREACHABLE

    def _record_success(self, _rollout: Rollout) -> None:
        stage = Stage.HEALED if self._passed.heals else Stage.APPLIED
        self._end(stage, "applied", extra=(*self._story.connected(), *self._story.adopted()))

    def _record_failure(self, rollout: Rollout) -> None:
        words, failure = standing(self._plan, rollout.batch), self._failure
        if words and failure is not None:
            self._failure = Rejected(f"{failure.message}; {words}", key=failure.key, hint=failure.own_hint)
        self._end(Stage.FAILED, "failed")

    def _record_returned(self, _rollout: Rollout) -> None:
        ordered = self._state.returning is not None and self._state.returning.ordered_by
        self._reason = f"back to what ran before{', as ordered' if ordered else ', after'}: {self._reason}{self._words}"
        self._end(Stage.ROLLED_BACK, "rolled_back")

    def _record_return_failed(self, _rollout: Rollout) -> None:
        self._end(Stage.ROLLBACK_FAILED, "rollback_failed")

    def _end(self, stage: Stage, outcome: str, extra: tuple[Note, ...] = ()) -> None:
        failure = self._failure
        words = failure.message if failure is not None else self._reason
        back = gone_back(self._desired, self._state) if outcome == "rollback_failed" else ()
        environment, generation = self._place()
        entry = Finished(
            environment=environment, generation=generation, outcome=outcome,
            key=failure.key if failure is not None else "", message=words, back=back,
        )  # fmt: skip
        to = self._state.returning
        only = {one.unit for one in to.to} - {*back} if to is not None else None  # others did not go back
        told = self._story.tell(stage, entry=entry, failure=failure, summary=words, only=only)
        well = self._story.tell(Stage.ROLLED_BACK, summary=self._reason, only=back)
        self._record([*self._told_steps(), *extra, *told, *well])
        self._context.say(self._state, self._plan, outcome, words)

    def _record_return(self, _rollout: Rollout) -> None:
        failure = self._failure
        self._reason = failure.message if failure is not None else "ordered"
        entry = Returning(
            environment=self._passed.environment,
            generation=self._passed.generation,
            path=self._passed.path,
            batches=len(self._plan.batches),
            to=gone_back_to(self._passed, self._context.journal.ledger.units),
            reason=self._reason,
        )
        notes = [*self._told_steps(), *self._story.tell(Stage.FAILED, failure=failure)] if failure is not None else []
        self._record([*notes, *self._story.tell(Stage.ROLLBACK_REQUESTED, entry=entry, failure=failure)])
        why = failure.key if failure is not None else self._reason
        self._context.tell(self._state, Situation.ROLLING_BACK, key=why)

    def _return(self, _rollout: Rollout) -> Event | None:
        """Derive the old artifacts again and apply them; looked at anew each time (G21, G24)."""
        returning = self._state.returning
        assert returning is not None  # noqa: S101  recorded before
        way = WayBack(
            self._context.planner,
            self._context.desires,
            self._performer_of,
            self._plan,
            self._context.desires.at(self._passed.commit),
            Walked(self._plan, self._order_back, lambda: self._state, self._tell_walk),
        )
        try:
            self._words = way.go(returning)
        except ReconcilerError as error:
            event = self._judge(error, Event.RETURNED)
            return Event.RETURN_FAILED if event is Event.FAILED else event
        self._failure = None
        return Event.RETURNED

    def _told_steps(self) -> tuple[Note, ...]:
        told = tuple(self._story.steps(self._steps, self._task))
        self._steps = ()
        return told

    def _performer_of(self, side: Side, left: Mapping[str, Desired]) -> Performer:
        context = self._context
        before = accepted_before(self._plan, context.desires.at)
        return Performer(
            targets=self._targets(side.desired),
            bundles=context.bundles,
            clock=context.clock,
            key=context.key,
            desired=side.desired,
            left=left,
            artifacts={str(ref): unit.artifact for ref, unit in side.units.items()},
            namespaces=namespaces_in(before),
            before=before,
            identities=context.journal.ledger.clusters,
            workers=context.workers,
            stopping=context.stopping,
            began=self._began,
            left_behind=self._tell_left,
            still=self._still,
        )

    def _targets(self, desired: Desired) -> Reached:
        """The targets of a side, and of the sides before for what only they name."""
        context = self._context
        sides = (desired, *accepted_before(self._plan, context.desires.at))
        return Reached(context.connections, context.planner.reach, sides)

    def _still(self) -> None:
        """Asked between taking a target and its first effect. Raises Overtaken where another reconciler went on.

        Who takes the target later sees what was recorded before, so of two that stood still only one goes on. While the
        audit branch is away a recorded plan is finished all the same (G24).
        """
        journal, place = self._context.journal, self._place()
        with contextlib.suppress(Unavailable):
            journal.refresh()
        if journal.ledger.rollouts.get(place) != self._state:
            raise Overtaken(f"going on with {self._task}: another reconciler went on with it")

    def _order(self, plan: Plan, attempt: int) -> Order:
        return Order(plan, self._passed.generation, self._state.turn, str(self._state.event), attempt, self._task)

    def _order_back(self, plan: Plan, attempt: int) -> Order:
        """The order of a return: which one it is tells what it runs once from what another ran."""
        return replace(self._order(plan, attempt), once=f"return {self._state.returns}")

    def _tell_walk(self, walk: Sequence[Walk], ran: tuple[Step, ...]) -> None:
        walked = (
            self._story.walked(self._place(), one.unit, one.number, one.action, one.words, done=one.done)
            for one in walk
        )
        self._record([*self._story.steps(ran, self._task), *walked])
        if walk and walk[0].number and not walk[0].done and self._state.returning is not None:
            self._context.tell(self._state, Situation.ROLLING_BACK, key=f"step {walk[0].number}, {walk[0].action}")

    def _tell_left(self, error: LeftBehind) -> None:
        """Told also where another reconciler went on: it does not know what was left."""
        with contextlib.suppress(ReconcilerError):
            self._context.journal.record([self._story.carrier(Stage.FAILED, None, error, error.message)], keep=True)

    def _place(self) -> tuple[str, int]:
        return self._passed.environment, self._passed.generation

    def _record(self, notes: list[Note]) -> None:
        """Record only while the rollout stands where this worker left it: another reconciler may have gone on."""
        if not notes:
            return
        journal, place, known = self._context.journal, self._place(), self._state
        journal.record(notes, keep=True, holds=lambda ledger: ledger.rollouts.get(place) == known)
        self._state = journal.ledger.rollouts[place]
