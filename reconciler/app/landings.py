"""What came onto the tracked branch: whose pull request it was, whether it may pass the gate, and what is held.

A landing is one merged pull request (with rebase: its whole range) or one direct push. Its units are planned again
from a fresh look and judged once (G20); what does not pass is held with its key, previewed, and gets a ticket (G17,
G18).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from reconciler.app.asking_again import AskingAgain
from reconciler.app.desire import Desires
from reconciler.app.gate import Gate
from reconciler.app.holding import Held, Holding
from reconciler.app.journal import Journal, Note
from reconciler.app.landing import Landing, returns, unpreviewed
from reconciler.app.pinning import Asking, nothing_shown
from reconciler.app.planning import Planner, Wanting
from reconciler.app.previews import Previews
from reconciler.app.questions import Case, Questions
from reconciler.app.reverts import Reverts
from reconciler.app.stories import Story
from reconciler.app.way_back import AWAY
from reconciler.approval.denial import Denial
from reconciler.approval.judgement import Judgement
from reconciler.errors import ReconcilerError, Unavailable, Withdrawn
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Accepted, Ended, Finished, Landed, Over, Passed
from reconciler.machine.ledger import PreviewState, Waiting
from reconciler.machine.stages import Stage
from reconciler.names import POLICY, SHORT, Revision, UnitRef
from reconciler.plan.change import Plan, PlanSet
from reconciler.plan.make import plan_set
from reconciler.ports import Clock, Forge, ForgeWriter
from reconciler.report.phrases import Locale
from reconciler.report.status import Check, Situation, commit_status, error_status
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.state.event import Domain, EventStatus
from reconciler.state.forge import PullRequest, Review
from reconciler.state.observed import Failure

# keys of looks that told nothing of the target: a credential that is not taken, or may not look any more, tells nothing
UNSEEN = AWAY | {Withdrawn.default_key}


@dataclass(slots=True)
class Landings:
    """Lets what landed pass the gate, or holds it."""

    forge: Forge
    writer: ForgeWriter
    mirror: Mirror
    desires: Desires
    planner: Planner
    journal: Journal
    previews: Previews
    gate: Gate
    questions: Questions
    clock: Clock
    branch: str
    reverts: Reverts
    holding: Holding
    locale: Locale = Locale.EN
    asking_again: AskingAgain = field(default_factory=AskingAgain)
    taken_in: Revision | None = None  # the tip up to which everything that landed is recorded

    def take_in(self, tip: Revision) -> None:
        """Record what landed since the last look. Raises Unavailable where the forge cannot be asked (G17: wait)."""
        ledger = self.journal.ledger
        if ledger.trusted is None:
            return
        start = ledger.looked or ledger.trusted
        for landing in self._landings(start, tip) if start != tip else ():
            grouped = self.planner.units_between(landing.before, landing.commit)
            if grouped:
                self._landed(landing, tuple(grouped))
        self.taken_in = tip

    def take_in_first(self) -> None:
        """After the first trust: everything that the trusted commit holds waits for one root-signed decision (G2)."""
        ledger = self.journal.ledger
        if ledger.trusted is None or ledger.looked is not None:
            return
        names = tuple(name for name in self.planner.units_between(None, ledger.trusted) if name != POLICY)
        self._landed(Landing(ledger.trusted, ledger.trusted, None), names)

    def _landed(self, landing: Landing, environments: tuple[str, ...]) -> None:
        entry = Landed(
            before=landing.before,
            commit=landing.commit,
            ticket=landing.ticket,
            pull_request=landing.number,
            environments=environments,
        )
        note = Note(
            Domain.RELEASE,
            "apply_requested",
            "commit",
            landing.commit,
            status=EventStatus.RUNNING,
            detail={
                "approval_ticket": landing.ticket,
                "summary": f"{landing.commit[:SHORT]} landed: {', '.join(environments)}",
            },
            entry=entry,
        )
        self.journal.record([note], guarded=True)

    def _landings(self, start: Revision, tip: Revision) -> Iterator[Landing]:
        commits = history.first_parent(self.mirror.repository, start, tip)
        numbers = self.forge.merged_pull_requests([commit.id for commit in commits])
        before = start
        for index, commit in enumerate(commits):
            number = numbers.get(commit.id)
            following = numbers.get(commits[index + 1].id) if index + 1 < len(commits) else None
            if number is not None and number == following:
                continue  # a rebase: the whole range is one landing
            yield Landing(before, commit.id, number)
            before = commit.id

    def pass_or_hold(self, waiting: Waiting, environment: str) -> None:
        """Judge one environment's part of a landing, now."""
        ledger = self.journal.ledger
        landed = waiting.landed
        if landed.ticket not in ledger.waiting:
            return  # ended by its other environment in this look
        running = [rollout.passed for rollout in ledger.running() if rollout.passed.environment == environment]
        if running:  # in merge order: the accepted plan before it has not ended (G8)
            if (landed.ticket, environment) not in ledger.refusals:  # else its status says why it is held
                self._say(Situation.APPLY_WAITS, landed, environment, what=f"{running[0].ticket}, which is applied now")
            return
        first = landed.before == landed.commit
        pull = self.forge.pull_request(landed.pull_request) if landed.pull_request is not None else None
        made = self._made(landed, environment, pull, first=first)
        if made is None:
            return
        state = ledger.previews.get(landed.ticket)
        if state is None or state.brief(environment) is None:
            self._hold(landed, environment, pull, Failure("preview_required", unpreviewed(landed)))
            return
        shown_set = self.previews.artifact(state)
        shown = next(plan for plan in shown_set.plans if plan.environment == environment)
        unseen = next((check for check in made.blocked if check.key in UNSEEN), None)
        if unseen is not None and not shown.blocked and self._still_fresh(state, shown):
            self.wait(waiting, environment, Unavailable(unseen.message, key=unseen.key))
            return
        reviews = self.forge.reviews(landed.pull_request) if landed.pull_request is not None else ()
        case = self._case(landed, shown_set, pull, reviews, first=first)
        verdict = self.gate.admit(case, shown, made)
        story = Story(shown, landed.ticket, state.previewed.path, case.proposed)
        self.gate.tell(case, self.gate.judge(case), desired_of=story)
        if isinstance(verdict, Denial):
            if verdict.key == "approval_ticket_not_approved" and pull is None:
                self._rejected(landed, verdict.message)
                return
            failure = Failure(verdict.key, verdict.message)
            if unseen is not None:
                failure = Failure("preview_expired", unseen.message)
            self._hold(landed, environment, pull, failure)
            return
        self._pass(landed, made, verdict, case)

    def _over(self, landed: Landed, environment: str, why: str) -> None:
        words = f"{environment}: {why}"
        note = Note(
            Domain.APPROVAL,
            "ticket_commented",
            "approval_ticket",
            landed.ticket,
            environment=environment,
            detail={"ticket": landed.ticket, "comment": words},
            entry=Over(ticket=landed.ticket, environment=environment, why=why),
        )
        self.journal.record([note])

    def _still_fresh(self, state: PreviewState, shown: Plan) -> bool:
        if state.looked_at is None:
            return False
        ttl = self.planner.policy().settings.preview_ttl_at(SettingsRisk(shown.risk.value))
        return timedelta() <= self.clock.now() - state.looked_at < ttl

    def _rejected(self, landed: Landed, words: str) -> None:
        """A held commit that was rejected: its revert is proposed, and it waits no longer (G18)."""
        note = Note(
            Domain.APPROVAL,
            "ticket_expired",
            "approval_ticket",
            landed.ticket,
            status=EventStatus.WARNING,
            detail={"ticket": landed.ticket, "comment": words},
            entry=Ended(ticket=landed.ticket, how="rejected"),
        )
        tip = self.mirror.refs()[f"refs/heads/{self.branch}"]
        if landed.before != landed.commit:
            self.reverts.propose(before=landed.before, landed=landed.commit, tip=tip, reason=words)
        self.journal.record([note])

    def _made(self, landed: Landed, environment: str, pull: PullRequest | None, *, first: bool) -> Plan | None:
        """The plan made again; None where nothing is left to plan."""
        before = None if first else landed.before
        wanted = self._still_wanted(landed)
        shown = Asking(self._shown(landed))  # what was approved is what is applied, wherever its tags point by now
        plans = self.planner.between(
            before, landed.commit, lambda _: True, only={environment}, wanted=wanted, asking=shown
        )
        if plans.plans:
            return plans.plans[0]
        left = self.planner.units_between(before, landed.commit, wanted)
        if left.keys() & set(self.journal.ledger.waiting[landed.ticket].landed.environments):
            return None  # ending it would take the other environments' parts away, too
        self._over(landed, environment, "nothing left to do")
        if pull is not None:
            self._say(Situation.NO_CHANGE, landed, environment)
        return None

    def _shown(self, landed: Landed) -> Callable[[], PlanSet | None]:
        """The plans of the preview that stands for what landed."""
        state = self.journal.ledger.previews.get(landed.ticket)
        return partial(self.previews.artifact, state) if state is not None else nothing_shown

    def _still_wanted(self, landed: Landed) -> Wanting:
        """Whether a unit of a landing is still to be done: nothing newer of it was accepted or taken back (G8).

        A held commit can be approved late. What stands on the branch after it counts more: an older plan never follows
        a newer one, and what was reverted since is not applied. Unit by unit: what nothing newer touched is not lost.
        """
        ledger, repository = self.journal.ledger, self.mirror.repository
        tip = self.mirror.refs()[f"refs/heads/{self.branch}"]
        then, now = self.desires.at(landed.commit).units, self.desires.at(tip).units
        held = self._held_parts(landed)

        def wanted(unit: UnitRef) -> bool:
            sides = [units.get(unit) for units in (then, now)]
            said, says = (side.artifact if side is not None else None for side in sides)
            if said != says and any(side is not None and side.environment in held for side in sides):
                return False  # whatever changed it since waits or was accepted for itself
            accepted = ledger.units[str(unit)].accepted.revision if str(unit) in ledger.units else landed.commit
            if accepted != landed.commit and history.is_ancestor(repository, landed.commit, accepted):
                return False
            return ledger.needs_plan(str(unit), says)

        return wanted

    def _case(
        self,
        landed: Landed,
        plans: PlanSet,
        pull: PullRequest | None,
        reviews: tuple[Review, ...],
        *,
        first: bool,
        preview: PreviewState | None = None,
    ) -> Case:
        state = preview or self.journal.ledger.previews[landed.ticket]
        side = self.desires.at(landed.commit)
        held = self._held_parts(landed)
        unheld = frozenset(plan.environment for plan in plans.plans) - held if pull is not None else frozenset[str]()
        base = None if first else landed.before
        head = landed.commit if pull is None else pull.head
        merge_base = history.merge_base(self.mirror.repository, landed.before, head) if pull is not None else base
        return Case(
            ticket=landed.ticket,
            preview=state,
            plans=plans,
            proposed=side.desired,
            pull=pull,
            reviews=reviews,
            held=landed.commit if pull is None or held else None,
            brought=(
                *self.questions.brought(merge_base, head, landed.before),
                *(self.questions.put_in(landed.before, landed.commit, head) if pull is not None else ()),
                *self.questions.included(plans, landed.before, self.journal.ledger, side.desired),
            ),
            equivalent=self.questions.equivalent(reviews, head, landed.before) if pull is not None else frozenset(),
            unheld=unheld,
            promoting=self.questions.promotion(pull, landed.before, self.journal.ledger) if pull is not None else None,
        )

    def passed_case(self, passed: Passed) -> tuple[Case, Plan]:
        """The case of what passed already, as it is judged by whoever looks at it afterwards (G23)."""
        landed = self.journal.ledger.landed[passed.commit]
        number = landed.pull_request
        pull = self.forge.pull_request(number) if number is not None else None
        reviews = self.forge.reviews(number) if number is not None else ()
        shown = self.previews.artifact(self.journal.ledger.previews[landed.ticket])
        case = self._case(landed, shown, pull, reviews, first=landed.before == landed.commit)
        # as it was recorded: a later preview of the ticket shows only what still waits
        plan = Plan.model_validate_json(self.journal.file(passed.path))
        return replace(case, held=landed.commit, unheld=frozenset()), plan

    def _held_parts(self, landed: Landed) -> frozenset[str]:
        """The environments whose part of a landing was refused: one plan, one judgement for each (G10)."""
        return frozenset(name for ticket, name in self.journal.ledger.refusals if ticket == landed.ticket)

    def _hold(self, landed: Landed, environment: str, pull: PullRequest | None, failure: Failure) -> None:
        """Refuse with its key, preview it, and leave a ticket (G18)."""
        first = landed.before == landed.commit
        wanted = self._still_wanted(landed)
        reviews = self.forge.reviews(landed.pull_request) if landed.pull_request is not None else ()
        kept = self._kept(landed, environment)
        again = set(landed.environments) - {plan.environment for plan in kept}
        before = None if first else landed.before
        insists = self._insists(landed, environment, reviews)
        asking = Asking(self._shown(landed), asks=True, insists=insists)
        made = self.planner.between(
            before, landed.commit, lambda _: True, only=again, wanted=wanted, asking=asking
        ).plans
        plan = next((plan for plan in made if plan.environment == environment), None)
        if plan is None:
            return

        def case(shown: PlanSet, preview: PreviewState) -> Case:
            return self._case(landed, shown, pull, reviews, first=first, preview=preview)

        side = self.desires.at(landed.commit).desired
        self.holding.hold(Held(landed, plan, plan_set((*kept, *made)), side, pull, case), failure)

    def _insists(self, landed: Landed, environment: str, reviews: tuple[Review, ...]) -> bool:
        """Whether registries that said nothing of what is held are asked once more."""
        ledger, place = self.journal.ledger, (landed.ticket, environment)
        state = ledger.previews.get(landed.ticket)
        if place not in ledger.refusals or state is None:
            return True  # it landed since it was looked at
        tip = self.mirror.refs()[f"refs/heads/{self.branch}"]
        cause = (tip, len(ledger.decisions.get(landed.ticket, ())), tuple(map(repr, reviews)))
        return self.asking_again.due(place, cause, state.looked_at, self.clock.now())

    def _kept(self, landed: Landed, environment: str) -> tuple[Plan, ...]:
        """The other parts of a landing that wait as they were shown: holding one of them voids no approval (G10)."""
        state = self.journal.ledger.previews.get(landed.ticket)
        if state is None:
            return ()
        left = set(landed.environments) - {environment} - self._held_parts(landed)
        return tuple(plan for plan in self.previews.artifact(state).plans if plan.environment in left)

    def _pass(self, landed: Landed, made: Plan, verdict: Judgement, case: Case) -> None:
        """Record that the units are accepted; with nothing to do, that they ended well (G20)."""
        ledger = self.journal.ledger
        generation = ledger.generation(made.environment) + 1
        path = f"plans/{made.environment}/{generation:06}.json"
        entry = Passed(
            ticket=landed.ticket,
            commit=landed.commit,
            environment=made.environment,
            generation=generation,
            digest=made.digest,
            path=path,
            batches=len(made.batches),
            units=tuple(
                Accepted(
                    unit=unit.unit,
                    artifact=unit.artifact,
                    revision=landed.commit,
                    removed=unit.removed,
                    suspended=unit.suspended,
                    base=unit.base,
                    pins=unit.pins,
                )
                for unit in made.units
            ),
            returns=returns(made, ledger) and verdict.grants_return,
            return_granted=verdict.grants_return,
            approved_by=tuple(counted.person for counted in verdict.approvals),
            self_approved=verdict.self_approved,
            emergency=verdict.emergency,
        )
        story = Story(made, landed.ticket, path, case.proposed)
        notes = list(story.tell(Stage.REQUESTED, entry=entry))
        notes[0] = replace(notes[0], files={path: made.model_dump_json(indent=1).encode()})
        if not made.batches:
            finished = Finished(environment=made.environment, generation=generation, outcome="no_change")
            notes += story.tell(Stage.APPLIED, entry=finished, summary="nothing to do on a target")
        self.journal.record(notes, guarded=True)
        if made.batches:
            self._say(Situation.APPLY_WAITS, landed, made.environment, what="its turn")
        else:
            self._say(Situation.NO_CHANGE, landed, made.environment)

    def _say(self, situation: Situation, landed: Landed, environment: str, **facts: str) -> None:
        status = commit_status(situation, environment=environment, locale=self.locale, **facts)
        self.writer.set_status(landed.commit, status)

    def wait(self, waiting: Waiting, environment: str, error: ReconcilerError) -> None:
        """Say on the commit why one environment's part waits; the others go on (G10)."""
        status = error_status(error, Check.APPLY, environment=environment)
        self.writer.set_status(waiting.landed.commit, status)
