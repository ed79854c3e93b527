"""Asks the judge about every plan of a ticket and writes down what changed: verdicts and denied attempts.

Decides nothing itself. A verdict is told when it changes, a denied review once (events.yaml: notes).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.app.questions import Case, Questions
from reconciler.app.stories import Story
from reconciler.approval.denial import Denial
from reconciler.approval.judge import admit, judge
from reconciler.approval.judgement import Judgement, Verdict, Way, whole
from reconciler.machine.entry import Denied, Judged
from reconciler.machine.stages import Stage
from reconciler.names import POLICY
from reconciler.plan.change import Plan
from reconciler.ports import Clock
from reconciler.state.event import Domain, EventStatus, Severity, Source

TOLD = {Verdict.APPROVED: "ticket_approved", Verdict.REJECTED: "ticket_rejected", Verdict.ENDED: "ticket_expired"}
STAGES = {Verdict.APPROVED: Stage.APPROVED, Verdict.REJECTED: Stage.REJECTED}


@dataclass(slots=True)
class Gate:
    """The judge with everything it needs around it."""

    questions: Questions
    planner: Planner
    journal: Journal
    clock: Clock

    def judge(self, case: Case) -> Mapping[str, Judgement]:
        """How each environment's plan stands now."""
        policies = self.planner.policies()
        ledger = self.journal.ledger
        now = self.clock.now()
        return {
            plan.environment: judge(self.questions.of(case, plan, ledger, policies), policies, now)
            for plan in case.plans.plans
        }

    def admit(self, case: Case, shown: Plan, made: Plan) -> Denial | Judgement:
        """Whether one environment's plan may be applied now (G20). `made` is the plan made again from a fresh look.

        The look that made it renews the preview where the digest is the same (G11).
        """
        policies = self.planner.policies()
        preview = case.preview
        if made.digest == shown.digest and made.observed_at is not None:
            preview = replace(preview, looked_at=made.observed_at)
        if made.environment == POLICY:
            preview = replace(preview, looked_at=self.clock.now())  # it looks at no target: nothing grows old
        question = self.questions.of(replace(case, preview=preview), shown, self.journal.ledger, policies)
        if preview.looked_at != case.preview.looked_at and case.preview.looked_at is not None:
            facts = replace(question.preview, earlier_looks=(case.preview.looked_at,))
            question = replace(question, preview=facts)
        return admit(question, policies, self.clock.now(), digest=made.digest)

    def tell(self, case: Case, judgements: Mapping[str, Judgement], *, desired_of: Story) -> None:
        """Record a changed verdict and denied attempts. `desired_of` carries what the notes have in common."""
        notes = [*self._denied(case, judgements), *self._verdict(case, judgements, desired_of)]
        self.journal.record(notes)

    def _verdict(self, case: Case, judgements: Mapping[str, Judgement], common: Story) -> Iterator[Note]:
        verdict = whole(judgements)
        people = tuple(sorted({name for one in judgements.values() for name in _people(one, verdict)}))
        known = self.journal.ledger.judged.get(case.ticket)
        entry = Judged(ticket=case.ticket, digest=case.plans.digest, verdict=verdict.value, by=people)
        if known == entry or (known is None and verdict not in TOLD):
            return
        if verdict not in TOLD:
            yield Note(
                Domain.APPROVAL,
                "ticket_commented",
                "approval_ticket",
                case.ticket,
                status=EventStatus.RUNNING,
                detail={"ticket": case.ticket, "comment": "approvals are no longer enough"},
                entry=entry,
            )
            return
        words = "; ".join(reason for one in judgements.values() for reason in one.reasons)
        comment = "; ".join(r.comment for one in judgements.values() for r in one.rejections) or words
        signed = any(counted.way is Way.SIGNED for one in judgements.values() for counted in one.approvals)
        source = Source.API_DIRECT if signed and case.pull is None else Source.DEPLOYMENT_UI
        plan = case.plans.plans[0]
        yield Note(
            Domain.APPROVAL,
            TOLD[verdict],
            "approval_ticket",
            case.ticket,
            actor=people[0] if people else "reconciler",
            source=source,
            severity=Severity(case.plans.risk.value),
            environment=plan.environment,
            project=plan.project or None,
            team=plan.team or None,
            detail={
                "ticket": case.ticket,
                "reviewed_by": ", ".join(people),
                "comment": comment,
                "self_approved": any(one.self_approved for one in judgements.values()),
                "standing": any(one.standing for one in judgements.values()),
            },
            entry=entry,
        )
        stage = STAGES.get(verdict)
        for one in case.plans.plans if stage is not None else ():
            story = replace(common, plan=one, actor=people[0] if people else common.actor, source=source)
            assert stage is not None  # noqa: S101  the loop is empty otherwise
            yield from story.tell(stage, summary=comment)

    def _denied(self, case: Case, judgements: Mapping[str, Judgement]) -> Iterator[Note]:
        told = self.journal.ledger.told
        seen: set[str] = set()
        for judgement in judgements.values():
            for ignored in judgement.ignored:
                subject = f"{ignored.id}:{ignored.why.name}"
                if ignored.key != "approval_permission_denied" or (case.ticket, subject) in told or subject in seen:
                    continue
                seen.add(subject)
                yield Note(
                    Domain.APPROVAL,
                    "permission_denied",
                    "approval_ticket",
                    case.ticket,
                    actor=ignored.person or "unknown",
                    source=Source.DEPLOYMENT_UI,
                    status=EventStatus.FAILED,
                    severity=Severity.MEDIUM,
                    environment=judgement.environment,
                    detail={
                        "ticket": case.ticket,
                        "reviewed_by": ignored.person,
                        "comment": ignored.words,
                        "error_key": ignored.key,
                    },
                    entry=Denied(ticket=case.ticket, subject=subject),
                )


def valid_until(judgements: Mapping[str, Judgement]) -> datetime | None:
    """When the first of them ends."""
    return min((one.until for one in judgements.values() if one.until is not None), default=None)


def _people(judgement: Judgement, verdict: Verdict) -> tuple[str, ...]:
    if verdict is Verdict.REJECTED:
        return tuple(rejection.person for rejection in judgement.rejections)
    return tuple(counted.person for counted in judgement.approvals)
