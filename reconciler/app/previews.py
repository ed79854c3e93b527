"""Posts and renews previews: the artifact on the audit branch first, then the comment, then the statuses.

A preview is one value read by whoever approves and whoever applies. The same digest is never posted twice; another
one gets a new comment that says what moved, and the old comment points to it (contracts: G11).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.app.journal import Journal, Note
from reconciler.app.stories import Story
from reconciler.approval.judgement import Judgement, Verdict
from reconciler.approval.policy import Policy
from reconciler.machine.entry import PlanBrief, Previewed, Renewed
from reconciler.machine.ledger import PreviewState
from reconciler.machine.stages import Stage
from reconciler.names import POLICY, SHORT, EventId, Revision, UnitKind
from reconciler.plan.change import PRIORITIES, Plan, PlanSet
from reconciler.ports import Clock, ForgeWriter
from reconciler.report.moved import moved
from reconciler.report.phrases import Locale
from reconciler.report.preview import Approvers, Context, Preview, render_preview
from reconciler.report.pull_status import summary
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.state.event import Domain, EventStatus, Severity, Source
from reconciler.state.observed import Failure

SCOPE_TYPES = {
    UnitKind.RELEASE: "release",
    UnitKind.ENVIRONMENT: "install",
    UnitKind.CLUSTER: "cluster_import",
    UnitKind.POLICY: "release",
}


def marker(ticket: str, digest: str) -> str:
    """The hidden line by which our comment about one digest is found again."""
    return f"<!-- reconciler:preview {ticket} {digest[:SHORT]} -->"


@dataclass(frozen=True, slots=True)
class Posting:
    """What is to be posted. `refused`: why a held commit is held; `held`: in which environment."""

    ticket: str
    pull_request: int | None
    tip: Revision
    head: Revision
    base: str
    plans: PlanSet
    desired: Desired
    requested_by: str
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    refused: Failure | None = None
    held: str = ""


@dataclass(slots=True)
class Previews:
    """Writes previews."""

    journal: Journal
    writer: ForgeWriter
    clock: Clock
    locale: Locale = Locale.EN

    def artifact(self, state: PreviewState) -> PlanSet:
        """The plans that a preview showed, as they stand on the audit branch."""
        return PlanSet.model_validate_json(self.journal.file(state.previewed.path))

    def post(self, posting: Posting, policy: Policy, *, beside: Sequence[Note] = ()) -> None:
        """Record, then comment. `policy` says until when it is valid; `beside` is recorded with it, and first."""
        known = self.journal.ledger.previews.get(posting.ticket)
        moved_from = ""
        if known is not None and known.previewed.digest != posting.plans.digest:
            moved_from = known.previewed.path
        old = self._replaced(moved_from)
        path = f"previews/{posting.ticket}/{posting.plans.digest}.json"
        preview = self._render(posting, policy, path, old)
        notes = self._notes(posting, path, preview, first=known is None, replaces=moved_from)
        self.journal.record([*beside, *notes])
        self._write(posting, preview, old)

    def _replaced(self, path: str) -> PlanSet | None:
        return PlanSet.model_validate_json(self.journal.file(path)) if path else None

    def _write(self, posting: Posting, preview: Preview, old: PlanSet | None) -> None:
        number = posting.pull_request
        if number is None:
            return
        if old is not None:
            before = marker(posting.ticket, old.digest)
            now = posting.plans.digest[:SHORT]
            body = f"{before}\nThis preview (`{old.digest[:SHORT]}`) is void; the newer one is `{now}`.\n"
            self.writer.write_comment(number, before, body)
        self.writer.write_comment(number, marker(posting.ticket, posting.plans.digest), preview.body)

    def renew(self, state: PreviewState, plans: PlanSet, *, tip: Revision, head: Revision) -> None:
        """Note that the targets were looked at again and gave the same digest."""
        entry = Renewed(
            ticket=state.previewed.ticket, digest=plans.digest, looked_at=looked_at(plans), tip=tip, head=head
        )
        note = Note(
            Domain.PREVIEW,
            "renewed",
            "preview",
            state.previewed.ticket,
            detail={"ticket": state.previewed.ticket, "digest": plans.digest},
            entry=entry,
        )
        self.journal.record([note])

    def ensure(self, state: PreviewState, posting: Posting, policy: Policy) -> None:
        """Write the comments again, where a crash came between record and comment; unchanged text costs nothing."""
        old = self._replaced(state.previewed.replaces)
        preview = self._render(posting, policy, state.previewed.path, old)
        self._write(posting, preview, old)

    def _render(self, posting: Posting, policy: Policy, path: str, old: PlanSet | None) -> Preview:
        seen = looked_at(posting.plans)
        ttl = policy.settings.preview_ttl_at(SettingsRisk(posting.plans.risk.value))
        digest = posting.plans.digest
        return render_preview(
            posting.plans,
            Context(
                marker=marker(posting.ticket, digest),
                ticket=posting.ticket,
                head=posting.head,
                base=posting.base,
                base_revision=posting.tip,
                command=f"reconciler approve {posting.ticket}@{digest[:SHORT]}",
                artifact=path,
                locale=self.locale,
                approvers={name: approvers(judgement) for name, judgement in posting.judgements.items()},
                valid_until=seen + ttl if seen is not None else None,
                looked_at=seen,
                replaces=old.digest if old is not None else None,
                moved=moved(old, posting.plans) if old is not None else (),
                refused=posting.refused,
                rollback_grant=policy.settings.rollback_grant,
            ),
        )

    def _notes(self, posting: Posting, path: str, preview: Preview, *, first: bool, replaces: str) -> list[Note]:
        plans = posting.plans
        entry = Previewed(
            ticket=posting.ticket,
            pull_request=posting.pull_request,
            tip=posting.tip,
            head=posting.head,
            base=posting.base,
            digest=plans.digest,
            plans=tuple(map(brief, plans.plans)),
            static=any(plan.static for plan in plans.plans),
            truncated=preview.truncated,
            path=path,
            looked_at=looked_at(plans),
            requested_by=posting.requested_by,
            replaces=replaces,
            held=posting.held,
        )
        files = {path: plans.model_dump_json(indent=1).encode()}
        held = posting.refused is not None
        notes = [
            Note(
                Domain.PREVIEW,
                "held" if held else "posted" if first else "voided",
                "preview",
                posting.ticket,
                actor=posting.requested_by,
                source=Source.DEPLOYMENT_UI,
                status=EventStatus.WARNING if held else EventStatus.SUCCESS,
                severity=Severity(plans.risk.value),
                detail={
                    "ticket": posting.ticket,
                    "digest": plans.digest,
                    "preview_ref": path,
                    "error_key": posting.refused.key if posting.refused is not None else "",
                },
                entry=entry,
                files=files,
            )
        ]
        for plan in plans.plans:
            story = Story(plan, posting.ticket, path, posting.desired, posting.requested_by, Source.DEPLOYMENT_UI)
            notes += story.tell(Stage.PREVIEWED)
        if first:
            notes.append(self._ticket_created(posting))
        for plan in plans.plans:
            story = Story(plan, posting.ticket, path, posting.desired, posting.requested_by, Source.DEPLOYMENT_UI)
            notes += story.tell(Stage.PENDING_APPROVAL)
        return notes

    def _ticket_created(self, posting: Posting) -> Note:
        plans = posting.plans
        plan = max(plans.plans, key=lambda one: list(PRIORITIES).index(one.risk))
        ref = plan.unit_refs[0]
        return Note(
            Domain.APPROVAL,
            "ticket_created",
            "approval_ticket",
            posting.ticket,
            actor=posting.requested_by,
            source=Source.DEPLOYMENT_UI,
            status=EventStatus.RUNNING,
            severity=Severity(plans.risk.value),
            environment=plan.environment if plan.environment != POLICY else None,
            project=plan.project or None,
            team=plan.team or None,
            detail={
                "ticket": posting.ticket,
                "scope_type": SCOPE_TYPES[ref.kind],
                "scope_id": ref.name,
                "scopes": [
                    {"project": one.project, "team": one.team, "environment": one.environment} for one in plans.plans
                ],
                "required_role": "service:approve",
                "requested_by": posting.requested_by,
                "reviewed_by": "",
                "comment": "",
                "risk_level": plans.risk.value,
                "priority": plan.priority,
                "runtime_type": "k8s",
                "pull_request": posting.pull_request,
                "summary": summary(plans),
            },
        )


def brief(plan: Plan) -> PlanBrief:
    """What a preview's record says of one plan."""
    return PlanBrief(
        environment=plan.environment,
        project=plan.project,
        team=plan.team,
        tier=plan.tier,
        digest=plan.digest,
        artifact=plan.artifact,
        risk=plan.risk,
        priority=plan.priority,
        units=tuple(unit.unit for unit in plan.units),
        blocked=bool(plan.blocked),
        static=plan.static,
    )


def provisional(posting: Posting, now: datetime) -> PreviewState:
    """A preview as it would stand if it were posted now; it carries no event, so nothing can be decided on it."""
    previewed = Previewed(
        ticket=posting.ticket,
        pull_request=posting.pull_request,
        tip=posting.tip,
        head=posting.head,
        base=posting.base,
        digest=posting.plans.digest,
        plans=tuple(map(brief, posting.plans.plans)),
        static=any(plan.static for plan in posting.plans.plans),
        truncated=False,
        path="",
        looked_at=looked_at(posting.plans),
        requested_by=posting.requested_by,
    )
    return PreviewState(previewed, EventId("none"), now, None, previewed.looked_at, (posting.tip, posting.head), {})


def looked_at(plans: PlanSet) -> datetime | None:
    """The oldest look of the plans: as fresh as the whole is."""
    times = [plan.observed_at for plan in plans.plans if plan.observed_at is not None]
    return min(times) if times else None


def approvers(judgement: Judgement) -> Approvers:
    """Who may approve, for the comment."""
    people: Sequence[str] = sorted({name for scope in judgement.open_scopes for name in scope.may_approve})
    given = tuple(counted.person for counted in judgement.approvals)
    required = 0 if judgement.verdict is Verdict.APPROVED and judgement.standing else judgement.required
    return Approvers(required, tuple(people) or given, given, judgement.by_merging)
