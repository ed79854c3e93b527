"""What is asked of the judge: one plan of one ticket, with every fact that may count.

Knows values only; the app gathers them. Rule: nothing has a default that could help an approval. An unknown pusher is
an empty string, an unknown requester None, a preview that was never posted cannot be written down.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.approval.decision import CommitSubject, Decision, PolicySubject, Posting, PullSubject, Subject
from reconciler.approval.roles import EVERYWHERE, Scope
from reconciler.names import EventId, Revision
from reconciler.plan.change import Plan, PlanSet
from reconciler.specs.kinds import Environment, Kind
from reconciler.specs.kinds.environment import PreviewRenewal, Tier
from reconciler.state.forge import PullRequest, Review

LONGEST_GATE_WAIT = timedelta(days=7)  # G12


@dataclass(frozen=True, slots=True)
class Side:
    """One environment as it was accepted, as it is proposed, or one that shares a target with it (G3).

    Its project and team may be those of a service that is released there by others.
    """

    scope: Scope
    tier: str
    runtime: str
    self_approval: bool
    renewal: bool = True  # False: an approval ends with its preview

    @classmethod
    def of(cls, name: str, environment: Environment) -> "Side":
        """The side of an Environment spec."""
        return cls(
            Scope(environment.project, environment.team, name),
            environment.tier,
            environment.runtime_type,
            self_approval=environment.allow_self_approval,
            renewal=environment.preview_renewal is not PreviewRenewal.NEVER,
        )

    @property
    def production(self) -> bool:
        """Whether it is production, or of a tier that nobody knows."""
        return self.tier not in {Tier.DEV, Tier.STAGING}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFacts:
    """What the audit branch and the forge say about the preview. All times UTC.

    `posted_at`: when this plan's digest was posted, by the forge's clock. `changed_at`: when another digest that stood
    there before was taken away; None: there was none. `looked_at`: the last look at the targets that gave this digest,
    by our clock; `earlier_looks` the ones before it. `earlier`: postings of this ticket that already showed exactly
    this plan, while another environment's part was different (G10).
    """

    event: EventId
    posted_at: datetime
    changed_at: datetime | None
    looked_at: datetime | None
    base: str
    head: Revision
    truncated: bool
    earlier_looks: tuple[datetime, ...] = ()
    earlier: tuple[Posting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtCommit:
    """A commit that the plan brings in: merge-base..head, and the held ones (G14).

    `signing_key` is the public key line of a verified signature, else empty; `pusher` the forge login that pushed it,
    empty where nobody knows; `clean_merge` only where it merges the tracked branch and its tree is git's own.
    """

    revision: Revision
    author_email: str
    committer_email: str
    signing_key: str
    pusher: str
    clean_merge: bool = False
    ours: bool = False  # we wrote it because of a tag, of which `Question.tagged` speaks


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """A decision whose signature by `signer` (a public key line) was verified.

    `at`: its own date, but no later than when we first saw it. `late`: what it approves had landed by then; a date that
    its signer wrote cannot show that it was given before the merge, the order in which we saw both does (G13).
    """

    decision: Decision
    signer: str
    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked a bot for its pull request, from an event that we signed. `ai`: through the AI entry."""

    person: str
    ai: bool


@dataclass(frozen=True, slots=True)
class Tagged:
    """We proposed this promotion because of a tag (G19). The address that the tag names, unproven, and its key."""

    email: str
    key: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in which only a gate that the preview showed was waited for. `end` None: still."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class OpenEmergency:
    """An emergency approval that no second person has looked at (G23)."""

    ticket: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One plan of one ticket. `commits` holds the head's commit too; `pull` is None for a direct push.

    `held`: the commit on the tracked branch that is held; `preview.head` stays the pull request's head where there is
    one. `equivalent_heads`: heads of this pull request between which only merges of the tracked branch lie, with an
    equal digest. `changed_kinds`: kinds of the specs that the plan's units add or change; None: unknown.
    `proposed_approvals`: what the proposed settings ask for, for a plan of the policy. `first`: nothing but the trusted
    policy was ever accepted, so one root signature may approve (G2). `restores`: the plan does nothing on a target, and
    every unit of it is what a return that was granted put back (G18, G21). `tagged`: it is, whole, what we proposed
    because of a tag; `requester` is then who verifiably made the tag.
    """

    repository: str
    ticket: str
    plans: PlanSet
    plan: Plan
    preview: PreviewFacts
    sides: tuple[Side, ...]
    pull: PullRequest | None
    held: Revision | None
    commits: tuple[BroughtCommit, ...]
    reviews: tuple[Review, ...]
    author_is_bot: bool
    requester: Requester | None
    changed_kinds: frozenset[Kind] | None
    decisions: tuple[SignedDecision, ...] = ()
    equivalent_heads: frozenset[Revision] = frozenset()
    policy_change: PolicySubject | None = None
    waits: tuple[Wait, ...] = ()
    emergencies: tuple[OpenEmergency, ...] = ()
    proposed_approvals: int = 0
    first: bool = False
    restores: bool = False
    tagged: Tagged | None = None

    @property
    def heads(self) -> frozenset[Revision]:
        """The heads for which a review counts."""
        return self.equivalent_heads | {self.preview.head}

    @property
    def subjects(self) -> frozenset[Subject]:
        """What a signed decision may be about."""
        found: set[Subject] = set()
        if self.held:
            found.add(CommitSubject(self.held))
        elif self.pull:
            found |= {PullSubject(self.pull.number, self.preview.base, head) for head in self.heads}
        if self.policy_change and self.plan.policy_only:
            found.add(self.policy_change)
        return frozenset(found)

    @property
    def postings(self) -> tuple[Posting, ...]:
        """The previews that showed exactly this plan."""
        return (Posting(self.preview.event, self.plans.digest), *self.preview.earlier)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that each need their own approvers (G3, G16)."""
        if self.plan.policy_only:
            return (EVERYWHERE,)
        own = Scope(self.plan.project, self.plan.team, self.plan.environment)
        shared = {Scope(*names) for names in self.plan.scopes}
        return tuple(sorted({own, *shared, *(side.scope for side in self.sides)}))

    @property
    def production(self) -> bool:
        """Whether any side is production."""
        return self.plan.tier not in {Tier.DEV, Tier.STAGING} or any(side.production for side in self.sides)

    @property
    def runtimes(self) -> frozenset[str]:
        """The runtime types of the environment's own sides."""
        return frozenset(side.runtime for side in self.sides if side.scope.environment == self.plan.environment)
