"""What is held is refused with its key, previewed, and waits under a ticket (contracts: gate.md, G18).

Refusal and preview are one append, so that no crash leaves the one without the other; comment and status follow and
are written again where they were not heard. Decides nothing: whether something is held is said by landings.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.app.gate import Gate
from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.app.previews import Posting, Previews, provisional
from reconciler.app.questions import Case
from reconciler.errors import Refused
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Landed, Refusal
from reconciler.machine.ledger import PreviewState
from reconciler.names import POLICY, Revision
from reconciler.plan.change import Plan, PlanSet
from reconciler.ports import Clock, ForgeWriter
from reconciler.report.status import Check, error_status
from reconciler.specs.desired import Desired
from reconciler.state.event import Domain, EventStatus, Severity
from reconciler.state.forge import PullRequest
from reconciler.state.observed import Failure


@dataclass(frozen=True, slots=True)
class Held:
    """One environment's plan of a landing that may not pass now, and what is shown beside it.

    `case` is the ticket's case for a preview of it, as it stands or as it would stand.
    """

    landed: Landed
    plan: Plan
    plans: PlanSet
    desired: Desired
    pull: PullRequest | None
    case: Callable[[PlanSet, PreviewState], Case]


@dataclass(slots=True)
class Holding:
    """Refuses, previews and says."""

    mirror: Mirror
    planner: Planner
    journal: Journal
    previews: Previews
    gate: Gate
    writer: ForgeWriter
    clock: Clock
    branch: str
    _ensured: set[tuple[str, str]] = field(default_factory=set)

    def hold(self, held: Held, failure: Failure) -> None:
        """Refuse and preview, told once for each plan and key (G18)."""
        ledger, ticket, plan = self.journal.ledger, held.landed.ticket, held.plan
        known = ledger.refusals.get((ticket, plan.environment))
        state = ledger.previews.get(ticket)
        shown = state.brief(plan.environment) if state is not None else None
        # what is waited for does not take the first reason away; only that it expired is a new one
        same = (
            known is not None
            and known.digest == plan.digest
            and (failure.key == known.key or failure.key != "preview_expired")
        )
        if known is not None and same and state is not None and shown is not None and shown.digest == plan.digest:
            if known.message:  # a crash may have hushed it
                self._say_again(held, state, Failure(known.key, known.message))
            return
        refused = () if same else (self._refused(held, failure),)
        if state is None or state.previewed.digest != held.plans.digest or failure.key != "approval_required":
            self.previews.post(self._posting(held, held.plans, failure), self.planner.policy(), beside=refused)
            self._ensured.add((ticket, held.plans.digest))
        else:
            self.journal.record(refused)
        self._say(held, failure)

    def _say_again(self, held: Held, state: PreviewState, failure: Failure) -> None:
        """The status at every look, the comment once in each process; what says so already costs no write."""
        place = (held.landed.ticket, state.previewed.digest)
        if state.previewed.held == held.plan.environment and place not in self._ensured:
            posting = self._posting(held, self.previews.artifact(state), failure)
            self.previews.ensure(state, posting, self.planner.policy())
            self._ensured.add(place)
        self._say(held, failure)

    def _say(self, held: Held, failure: Failure) -> None:
        error = Refused(f"{failure.message}; waiting as {held.landed.ticket}", key=failure.key)
        status = error_status(error, Check.APPLY, environment=held.plan.environment)
        self.writer.set_status(held.landed.commit, status)

    def _posting(self, held: Held, plans: PlanSet, failure: Failure) -> Posting:
        landed, pull = held.landed, held.pull
        posting = Posting(
            ticket=landed.ticket,
            pull_request=landed.pull_request,
            tip=landed.before,
            head=pull.head if pull is not None else landed.commit,
            base=self.branch,
            plans=plans,
            desired=held.desired,
            requested_by=pull.author if pull is not None else self._author(landed.commit),
            refused=failure,
            held=held.plan.environment,
        )
        case = held.case(plans, provisional(posting, self.clock.now()))
        judged = replace(case, held=landed.commit, unheld=case.unheld - {held.plan.environment})
        return replace(posting, judgements=self.gate.judge(judged))

    def _refused(self, held: Held, failure: Failure) -> Note:
        plan, commit = held.plan, held.landed.commit
        entry = Refusal(
            ticket=held.landed.ticket,
            environment=plan.environment,
            key=failure.key,
            digest=plan.digest,
            message=failure.message,
        )
        return Note(
            Domain.PREVIEW,
            "refused",
            "commit",
            commit,
            actor=self._author(commit),
            status=EventStatus.FAILED,
            severity=Severity(plan.risk.value),
            environment=plan.environment if plan.environment != POLICY else None,
            project=plan.project or None,
            team=plan.team or None,
            detail={"error_key": failure.key, "summary": failure.message, "commit": commit},
            entry=entry,
        )

    def _author(self, commit: Revision) -> str:
        email = history.commit(self.mirror.repository, commit).author.email
        found = self.planner.policy().persons.may_have_email(email)
        return min(found) if len(found) == 1 else email or "unknown"
