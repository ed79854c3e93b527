"""Open pull requests: plan what merging would do, post it, judge it, and say so in three statuses.

Level-triggered: everything is derived from the forge, the ledger and a look, so a lost webhook or a crash costs a
look and never a wrong answer. A plan is made on the tree that merging the head into the current tip gives (G6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from reconciler.app.desire import Desires
from reconciler.app.gate import Gate
from reconciler.app.journal import Journal, Note
from reconciler.app.pinning import Asking, nothing_shown
from reconciler.app.planning import Planner
from reconciler.app.previews import Posting, Previews, provisional
from reconciler.app.problems import Problems
from reconciler.app.questions import Case, Questions
from reconciler.app.reverts import Reverts
from reconciler.app.stories import Story
from reconciler.approval.judgement import Judgement, Verdict
from reconciler.approval.policy import Policy
from reconciler.approval.roles import Permission, Scope
from reconciler.canonical import digest_of
from reconciler.errors import ReconcilerError
from reconciler.git import history
from reconciler.git.merge import MergeConflict, merge_tree
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Answered, Assigned, Ended, Sighted
from reconciler.machine.ledger import PreviewState
from reconciler.machine.proposal import Command, Known, Seen, decide, wants_look
from reconciler.names import SHORT, Revision, ticket_name
from reconciler.plan.change import RISKS, PlanSet
from reconciler.ports import Clock, Forge, ForgeWriter
from reconciler.report.not_counted import answered, not_counted
from reconciler.report.phrases import Locale
from reconciler.report.pull_status import approval_status, preview_status, validity
from reconciler.report.status import Check, Situation, commit_status, error_status, unmanaged
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.state.event import Domain, EventStatus
from reconciler.state.forge import CommitStatus, PullRequest, Review


@dataclass(slots=True)
class Proposals:
    """Looks after open pull requests against the tracked branch."""

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
    problems: Problems
    reverts: Reverts
    branch: str
    locale: Locale = Locale.EN
    _ensured: set[tuple[str, str]] = field(default_factory=set)
    _unmanaged: dict[int, tuple[Revision, Revision]] = field(default_factory=dict)

    def look(self, pull: PullRequest, tip: Revision, *, asked: bool = False) -> None:
        """Bring one pull request's preview, verdict and statuses up to date. What is wrong with it is said on it."""
        try:
            self._look(pull, tip, asked=asked)
        except ReconcilerError as error:
            self.writer.set_status(pull.head, error_status(error, Check.PREVIEW))
            raise

    def _look(self, pull: PullRequest, tip: Revision, *, asked: bool) -> None:
        ticket = ticket_name(pull.number)
        inputs = (tip, pull.head)
        if self._unmanaged.get(pull.number) == inputs and not asked:
            return
        merged = merge_tree(self.mirror.repository, tip, pull.head)
        if isinstance(merged, MergeConflict):
            self._say(pull, commit_status(Situation.PREVIEW_CONFLICT, base=self.branch, locale=self.locale))
            return
        tree = Revision(merged.tree)
        desired = self.desires.at(tree).desired
        reviews = self.forge.reviews(pull.number)
        plans = self._plans(pull, ticket, inputs, tree, reviews, asked=asked)
        if plans is not None and not plans.plans and not self._own_problems(desired, tip):
            for status in unmanaged(locale=self.locale):
                self._say(pull, status)
            self._unmanaged[pull.number] = inputs
            return
        self._say(pull, validity(desired, self.locale))
        self.problems.tell(pull, desired)
        state = self.journal.ledger.previews.get(ticket)
        if state is None:
            return  # problems only: the statuses say so, and a commit has to follow
        shown = self.previews.artifact(state)
        self._assigned(pull, ticket)
        case = self.case(pull, ticket, shown, desired, reviews, tip)
        judgements = self.gate.judge(case)
        story = Story(shown.plans[0], ticket, state.previewed.path, desired, pull.author) if shown.plans else None
        if story is not None:
            self.gate.tell(case, judgements, desired_of=story)
        self._answer(pull.number, ticket, judgements)
        self._accept_addresses(case, judgements, tree)
        posting = self._posting(pull, ticket, tip, shown, desired, judgements)
        if (ticket, shown.digest) not in self._ensured:
            self.previews.ensure(state, posting, self.planner.policy())
            self._ensured.add((ticket, shown.digest))
        self._say(pull, preview_status(shown, self.locale, truncated=state.previewed.truncated))
        self._say(pull, approval_status(ticket, shown, judgements, self.locale))

    def _plans(
        self,
        pull: PullRequest,
        ticket: str,
        inputs: tuple[Revision, Revision],
        tree: Revision,
        reviews: tuple[Review, ...],
        *,
        asked: bool,
    ) -> PlanSet | None:
        """Look where a look is due, and write what follows; None where nothing had to be looked at."""
        state = self.journal.ledger.previews.get(ticket)
        known = Known()
        if state is not None and not state.ended:
            known = Known(state.previewed.digest, state.inputs, state.previewed.static)
        needed = state is not None and self._expired(ticket, reviews)
        unlocked = state is not None and (
            (state.previewed.static and self._may_look_now(pull, state, tree, inputs[0])) or self._moved_on(state)
        )
        if not wants_look(known, inputs, asked=asked or unlocked, expired_and_needed=needed):
            return None
        desired = self.desires.at(tree).desired
        shown = partial(self.previews.artifact, state) if state is not None and not state.ended else nothing_shown
        asking = Asking(shown, asks=True, anew=True)
        plans = self.planner.between(inputs[0], tree, self.may_look(pull, desired, inputs[0]), asking=asking)
        if not plans.plans:
            if state is not None and not state.ended:
                self.end(ticket, "superseded")
            return plans
        seen = Seen(plans.digest, inputs, static=any(plan.static for plan in plans.plans))
        commands = decide(known, seen)
        if Command.RENEW_PREVIEW in commands and state is not None:
            self.previews.renew(state, plans, tip=inputs[0], head=inputs[1])
        else:
            posting = self._posting(
                pull, ticket, inputs[0], plans, desired, self._asked(pull, ticket, plans, desired, inputs[0])
            )
            self.previews.post(posting, self.planner.policy())
            self._ensured.add((ticket, plans.digest))
        return plans

    def _asked(
        self, pull: PullRequest, ticket: str, plans: PlanSet, desired: Desired, tip: Revision
    ) -> Mapping[str, Judgement]:
        """Who would have to approve, asked of the judge before there is a preview, as if this one stood already."""
        posting = self._posting(pull, ticket, tip, plans, desired, {})
        preview = provisional(posting, self.clock.now())
        return self.gate.judge(self.case(pull, ticket, plans, desired, (), tip, preview))

    def _expired(self, ticket: str, reviews: tuple[Review, ...]) -> bool:
        """Whether somebody reviewed on a look that is too old by now (G11), or our clock was ahead at the look."""
        state = self.journal.ledger.previews[ticket]
        if state.looked_at is None:
            return False
        risk = max((plan.risk for plan in state.previewed.plans), key=RISKS.index)
        ttl = self.planner.policy().settings.preview_ttl_at(SettingsRisk(risk.value))
        age = self.clock.now() - state.looked_at
        if age < timedelta():
            return True
        return age >= ttl and any(review.submitted_at > state.looked_at for review in reviews)

    def _moved_on(self, state: PreviewState) -> bool:
        """Whether an environment passed another plan since this one was found to be blocked there: it may have stood
        in the way of nothing but that, such as an environment that nobody had approved yet."""
        blocked = {plan.environment for plan in state.previewed.plans if plan.blocked}
        since = state.looked_at
        return since is not None and any(
            rollout.passed.environment in blocked and rollout.started_at > since
            for rollout in (self.journal.ledger.rollouts.values() if blocked else ())
        )

    def _may_look_now(self, pull: PullRequest, state: PreviewState, tree: Revision, tip: Revision) -> bool:
        """Whether a part that was not looked at may be looked at by now; one that still may not costs no look."""
        blind = {plan.environment for plan in state.previewed.plans if plan.static}
        side = self.desires.at(tree)
        may = self.may_look(pull, side.desired, tip)
        grouped = self.planner.units_between(tip, tree)
        return any(
            name in blind and may(name) and not self.planner.unaccepted(units, side) for name, units in grouped.items()
        )

    def may_look(self, pull: PullRequest, desired: Desired, tip: Revision) -> "_MayLook":
        """Whether this author may have an environment's targets looked at (G4)."""
        sides = (desired, *self.planner.neighbours())
        ours = self.reverts.ours(pull.head) or self.questions.promotion(pull, tip, self.journal.ledger) is not None
        return _MayLook(self.planner.policy(), pull, sides, ours=ours)

    def case(
        self,
        pull: PullRequest,
        ticket: str,
        plans: PlanSet,
        desired: Desired,
        reviews: tuple[Review, ...],
        tip: Revision,
        preview: PreviewState | None = None,
    ) -> Case:
        """The ticket of an open or merged pull request as it stands."""
        repository = self.mirror.repository
        base = history.merge_base(repository, tip, pull.head)
        return Case(
            ticket=ticket,
            preview=preview or self.journal.ledger.previews[ticket],
            plans=plans,
            proposed=desired,
            pull=pull,
            reviews=reviews,
            held=None,
            brought=(
                *self.questions.brought(base, pull.head, tip),
                *self.questions.included(plans, tip, self.journal.ledger, desired),
            ),
            equivalent=self.questions.equivalent(reviews, pull.head, tip),
            promoting=self.questions.promotion(pull, tip, self.journal.ledger),
        )

    def _answer(self, number: int, ticket: str, judgements: Mapping[str, Judgement]) -> None:
        """Say once why a verdict does not count (G13)."""
        for ignored in answered(judgements):
            subject = f"{ignored.id}:{ignored.why.name}:answered"
            if (ticket, subject) in self.journal.ledger.told:
                continue
            marker = f"<!-- reconciler:not-counted {digest_of('answer', subject)[:SHORT]} -->"
            self.writer.write_comment(number, marker, f"{marker}\n{not_counted(ignored, self.locale)}")
            detail = {"ticket": ticket, "comment": f"answered: {ignored.words}"}
            entry = Answered(ticket=ticket, comment=subject)
            note = Note(Domain.APPROVAL, "ticket_commented", "approval_ticket", ticket, detail=detail, entry=entry)
            self.journal.record([note])

    def _accept_addresses(self, case: Case, judgements: Mapping[str, Judgement], tree: Revision) -> None:
        side = self.desires.at(tree)
        for plan in case.plans.plans:
            judgement = judgements[plan.environment]
            if judgement.verdict is not Verdict.ADDRESSES_ACCEPTED:
                continue
            new = self.planner.unaccepted(plan.unit_refs, side)
            if not new:
                continue
            people = tuple(counted.person for counted in judgement.approvals)
            note = Note(
                Domain.APPROVAL,
                "ticket_commented",
                "approval_ticket",
                case.ticket,
                actor=people[0] if people else "reconciler",
                detail={"ticket": case.ticket, "comment": f"addresses accepted: {', '.join(sorted(new))}"},
                entry=Sighted(ticket=case.ticket, addresses=tuple(sorted(new)), by=people),
            )
            self.journal.record([note])

    def _assigned(self, pull: PullRequest, ticket: str) -> None:
        if self.journal.ledger.assigned.get(ticket, ()) == pull.assignees:
            return
        note = Note(
            Domain.APPROVAL,
            "ticket_assigned",
            "approval_ticket",
            ticket,
            detail={"ticket": ticket, "assigned_to": ", ".join(pull.assignees), "comment": ""},
            entry=Assigned(ticket=ticket, people=pull.assignees),
        )
        self.journal.record([note])

    def end(self, ticket: str, how: str) -> None:
        """A ticket that nothing can approve any more."""
        state = self.journal.ledger.previews.get(ticket)
        if state is None or state.ended:
            return
        note = Note(
            Domain.APPROVAL,
            "ticket_expired",
            "approval_ticket",
            ticket,
            status=EventStatus.WARNING,
            detail={"ticket": ticket, "comment": how},
            entry=Ended(ticket=ticket, how=how),
        )
        self.journal.record([note])

    def _posting(
        self,
        pull: PullRequest,
        ticket: str,
        tip: Revision,
        plans: PlanSet,
        desired: Desired,
        judgements: Mapping[str, Judgement],
    ) -> Posting:
        return Posting(
            ticket=ticket,
            pull_request=pull.number,
            tip=tip,
            head=pull.head,
            base=self.branch,
            plans=plans,
            desired=desired,
            requested_by=pull.author,
            judgements=judgements,
        )

    def _own_problems(self, desired: Desired, tip: Revision) -> bool:
        """Whether this pull request brings problems that the tracked branch does not have."""
        return bool(set(desired.problems) - set(self.desires.at(tip).desired.problems))

    def _say(self, pull: PullRequest, status: CommitStatus) -> None:
        self.writer.set_status(pull.head, status)


@dataclass(frozen=True, slots=True)
class _MayLook:
    policy: Policy
    pull: PullRequest
    sides: tuple[Desired, ...]  # the proposed one and the accepted ones: a look reaches what both name
    ours: bool = False  # we wrote it, a revert or a promotion: everything in it was on the tracked branch before

    def __call__(self, environment: str) -> bool:
        if self.ours:
            return True
        if self.pull.from_fork or not self.pull.author_can_write:
            return False
        person = self.policy.persons.by_login(self.pull.author)
        named = [side.environments[environment].spec for side in self.sides if environment in side.environments]
        scopes = {Scope(spec.project, spec.team, environment) for spec in named} or {Scope("", "", environment)}
        return person is not None and all(
            Permission.RELEASE_APPLY in self.policy.permissions(person, scope) for scope in scopes
        )
