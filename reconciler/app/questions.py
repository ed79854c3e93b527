"""Gathers what the judge is asked: one Question for each plan of a ticket, out of the forge, Git and the ledger.

Decides nothing. What cannot be found out stays unknown, and unknown never helps an approval.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from reconciler.app.desire import Desires
from reconciler.app.planning import Planner
from reconciler.approval.decision import PolicySubject, Posting, parse_decision
from reconciler.approval.policy import Policies
from reconciler.approval.question import (
    BroughtCommit,
    OpenEmergency,
    PreviewFacts,
    Question,
    Requester,
    SignedDecision,
    Tagged,
)
from reconciler.approval.question import Side as SideFacts
from reconciler.errors import ReconcilerError
from reconciler.git import history, signatures
from reconciler.git.merge import MergedTree, merge_tree
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Landed, Promoting
from reconciler.machine.ledger import Ledger, PreviewState
from reconciler.names import POLICY, EventId, Revision, UnitKind, UnitRef
from reconciler.plan.change import RISKS, Plan, PlanSet, Risk
from reconciler.plan.sharing import sharing
from reconciler.plan.units import POLICY_UNIT, touched
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds import Risk as SettingsRisk
from reconciler.state.forge import PullRequest, Review

# The part of a unit's content that changed -> the kind of spec that it came from.
PARTS = {"hosts": Kind.HOST, "credentials": Kind.CREDENTIAL, "project": Kind.PROJECT, "service": Kind.SERVICE}
OWN = {
    UnitKind.RELEASE: Kind.RELEASE,
    UnitKind.CLUSTER: Kind.CLUSTER,
    UnitKind.ENVIRONMENT: Kind.ENVIRONMENT,
    UnitKind.POLICY: Kind.SETTINGS,
}
MOST_STEPS = 200  # of a promotion that are looked into; of a longer one, every author counts


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket as it stands: its preview, what it proposes, and who says what.

    `held`: the commit of which parts are held; `unheld` are the environments whose part is not: it stands as it was
    approved before the merge (G10).
    """

    ticket: str
    preview: PreviewState
    plans: PlanSet
    proposed: Desired
    pull: PullRequest | None
    reviews: tuple[Review, ...]
    held: Revision | None
    brought: tuple[BroughtCommit, ...]
    equivalent: frozenset[Revision] = frozenset()
    unheld: frozenset[str] = frozenset()
    promoting: Promoting | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """Makes questions."""

    repository: str
    mirror: Mirror
    desires: Desires
    planner: Planner
    ways: dict[tuple[Revision | None, Revision, frozenset[UnitRef]], tuple[BroughtCommit, ...]] = field(
        default_factory=dict, repr=False
    )  # of commits, which never change

    def of(self, case: Case, plan: Plan, ledger: Ledger, policies: Policies) -> Question:
        """The question about one plan of a case."""
        preview = case.preview
        standing = preview.standing.get(plan.environment)
        fits = standing is not None and standing.digest == plan.digest
        earlier = standing.postings[:-1] if standing is not None and fits else ()
        return Question(
            repository=self.repository,
            ticket=case.ticket,
            plans=case.plans,
            plan=plan,
            preview=PreviewFacts(
                event=preview.event,
                posted_at=standing.posted_at if standing is not None and fits else preview.posted_at,
                changed_at=standing.changed_at if standing is not None and fits else preview.changed_at,
                looked_at=preview.looked_at if plan.environment != POLICY else (preview.looked_at or preview.posted_at),
                base=preview.previewed.base,
                head=preview.inputs[1],
                truncated=preview.previewed.truncated,
                earlier=tuple(Posting(EventId(event), digest) for event, digest in earlier),
            ),
            sides=self._sides(plan, case.proposed, ledger),
            pull=case.pull,
            held=case.held if plan.environment not in case.unheld else None,
            commits=tuple(
                replace(commit, ours=case.promoting is not None and commit.revision == case.promoting.head)
                for commit in case.brought
            ),
            reviews=case.reviews,
            author_is_bot=self._is_bot(case.pull, policies),
            requester=Requester(case.promoting.asked, ai=False) if case.promoting and case.promoting.asked else None,
            changed_kinds=changed_kinds(plan),
            decisions=tuple(self._decisions(case.ticket, ledger)),
            equivalent_heads=case.equivalent,
            policy_change=self._policy_change(plan, ledger),
            proposed_approvals=_proposed_approvals(plan, case.proposed),
            first=case.held is not None and case.held == ledger.trusted,
            emergencies=tuple(
                OpenEmergency(ticket, glass.passed.emergency)
                for (ticket, environment), glass in ledger.emergencies.items()
                if environment == plan.environment
            ),
            restores=_restores(plan, ledger),
            tagged=Tagged(case.promoting.tagger, case.promoting.key) if case.promoting is not None else None,
        )

    def brought(self, base: Revision | None, head: Revision, tracked: Revision) -> tuple[BroughtCommit, ...]:
        """The commits from a base (excluded) to a head, with whoever verifiably signed them."""
        repository = self.mirror.repository
        found = []
        for commit in history.commits(repository, base, head):
            try:
                key = signatures.verify_commit(commit).key
            except ReconcilerError:
                key = ""  # a signature that does not check is nobody's
            clean = len(commit.parents) == 2 and history.clean_merge_of_tracked(repository, commit.id, tracked)
            found.append(
                BroughtCommit(
                    revision=commit.id,
                    author_email=commit.author.email,
                    committer_email=commit.committer.email,
                    signing_key=key,
                    pusher="",
                    clean_merge=clean,
                )
            )
        return tuple(found)

    def promotion(self, pull: PullRequest, tracked: Revision, ledger: Ledger) -> Promoting | None:
        """The promotion that a pull request is, as we proposed it because of a tag, with nothing of others in it (G19).

        The tracked branch may have been merged in cleanly; any other commit makes it somebody's own.
        """
        repository = self.mirror.repository
        for state in ledger.promotions.values():
            ours = state.promoting.head
            if state.number != pull.number or not repository.has(ours):
                continue
            if not history.is_ancestor(repository, ours, pull.head):
                continue
            beside = history.commits(repository, history.merge_base(repository, tracked, pull.head), pull.head)
            added = [commit for commit in beside if commit.id != ours]
            if all(history.clean_merge_of_tracked(repository, commit.id, tracked) for commit in added):
                return state.promoting
        return None

    def put_in(self, before: Revision, landed: Revision, head: Revision) -> tuple[BroughtCommit, ...]:
        """What a landing has beside its pull request's head: somebody merged by hand, and wrote that part (G14).

        None where the tree is git's own merge of the two: then whoever pressed merge, squash or rebase wrote nothing.
        """
        repository = self.mirror.repository
        if merge_tree(repository, before, head) == MergedTree(history.commit(repository, landed).tree):
            return ()
        return self.brought(before, landed, before)

    def included(self, plans: PlanSet, until: Revision, ledger: Ledger, proposed: Desired) -> tuple[BroughtCommit, ...]:
        """The commits of landings up to a revision that were never accepted and that a plan here includes (G14).

        Also of those that wait no longer: what was cancelled or overtaken is still on the branch. And those that lie
        between the commit at which a pinned environment's releases were accepted and the one at which they are read
        now: they landed while the environment stood still, so nothing in the ledger speaks of them (G19).
        """
        passed = {(rollout.passed.commit, name) for (name, _), rollout in ledger.rollouts.items()}
        found: dict[Revision, BroughtCommit] = {}
        for one in ledger.landed.values():
            open_plans = [p for p in plans.plans if p.environment in one.environments]
            left = [plan for plan in open_plans if (one.commit, plan.environment) not in passed]
            if one.before != one.commit and any(self._includes(plan, one, until, ledger) for plan in left):
                found |= {commit.revision: commit for commit in self.brought(one.before, one.commit, one.before)}
        for plan in plans.plans:
            for old, new, units in self._pin_moves(plan, until, ledger, proposed):
                for commit in self._between(old, new, units):
                    found[commit.revision] = commit
        return tuple(found.values())

    def _pin_moves(
        self, plan: Plan, until: Revision, ledger: Ledger, proposed: Desired
    ) -> Iterator[tuple[Revision | None, Revision, frozenset[UnitRef]]]:
        """Where releases of a plan were read when they were accepted and where they are now, if a pin says either."""
        own = proposed.environments.get(plan.environment)
        pin = own.spec.revision if own is not None else None
        environment = ledger.units.get(str(UnitRef(UnitKind.ENVIRONMENT, plan.environment)))
        moves: dict[Revision | None, set[UnitRef]] = {}
        for unit in plan.units:
            ref = UnitRef.parse(unit.unit)
            state = ledger.units.get(unit.unit) or environment  # a new release: since the environment was accepted
            if ref.kind is not UnitKind.RELEASE:
                continue
            accepted = state.accepted.revision if state is not None else None
            side = self.desires.at(accepted).desired if accepted is not None else Desired()
            before = side.environments.get(plan.environment)
            old = before.spec.revision if before is not None else None
            if pin is not None or old is not None:
                moves.setdefault(Revision(str(old)) if old is not None else accepted, set()).add(ref)
        for start, units in moves.items():
            yield start, Revision(str(pin)) if pin is not None else until, frozenset(units)

    def _between(self, old: Revision | None, new: Revision, units: frozenset[UnitRef]) -> tuple[BroughtCommit, ...]:
        """The commits that changed some releases on the way from one commit to another, forward or back."""
        asked = (old, new, units)
        if asked not in self.ways:
            repository = self.mirror.repository
            steps = [*history.first_parent(repository, old, new)]
            steps += history.first_parent(repository, new, old) if old is not None else ()
            found: dict[Revision, BroughtCommit] = {}
            for step in steps:
                parent = step.parents[0] if step.parents else None
                if len(steps) > MOST_STEPS or self._changes(parent, step.id, units):
                    brought = self.brought(parent, step.id, parent or step.id)
                    found |= {commit.revision: commit for commit in brought}
            self.ways[asked] = tuple(found.values())
        return self.ways[asked]

    def _changes(self, parent: Revision | None, revision: Revision, units: frozenset[UnitRef]) -> bool:
        old = self.desires.plain(parent).units if parent is not None else {}
        new = self.desires.plain(revision).units
        return not units.isdisjoint(touched(old, new))

    def _includes(self, plan: Plan, landed: Landed, until: Revision, ledger: Ledger) -> bool:
        repository = self.mirror.repository
        if landed.commit != until and not history.is_ancestor(repository, landed.commit, until):
            return False
        before, after = self.desires.at(landed.before).units, self.desires.at(landed.commit).units
        for unit in plan.units:
            ref, state = UnitRef.parse(unit.unit), ledger.units.get(unit.unit)
            old, new = (units[ref].artifact if ref in units else None for units in (before, after))
            accepted = state.accepted.revision if state is not None else None
            if old != new and (accepted is None or not history.is_ancestor(repository, landed.commit, accepted)):
                return True
        return False

    def equivalent(self, reviews: Iterable[Review], head: Revision, tracked: Revision) -> frozenset[Revision]:
        """Heads that were reviewed and from which only clean merges of the tracked branch lead to this head (G13)."""
        repository = self.mirror.repository
        found = set()
        for old in {review.commit for review in reviews} - {head}:
            try:
                if not history.is_ancestor(repository, old, head):
                    continue
                between = history.first_parent(repository, old, head)
                if all(history.clean_merge_of_tracked(repository, commit.id, tracked) for commit in between):
                    found.add(old)
            except ReconcilerError:
                continue  # a head that is not here any more is no equivalent one
        return frozenset(found)

    def _sides(self, plan: Plan, proposed: Desired, ledger: Ledger) -> tuple[SideFacts, ...]:
        if plan.environment == POLICY:
            return ()
        accepted = [
            self.desires.at(ledger.units[unit.unit].accepted.revision).desired
            for unit in plan.units
            if unit.unit in ledger.units
        ]
        state = ledger.units.get(str(UnitRef(UnitKind.ENVIRONMENT, plan.environment)))
        if state is not None:
            accepted.append(self.desires.at(state.accepted.revision).desired)
        sides = [proposed, *accepted, *self.planner.neighbours()]
        identities = {name: frozenset({uid}) for name, uid in ledger.clusters.items()}
        names = sharing(plan.environment, sides, identities)
        return tuple(
            dict.fromkeys(
                SideFacts.of(name, side.environments[name].spec)
                for side in sides
                for name in sorted(names)
                if name in side.environments
            )
        )

    def _decisions(self, ticket: str, ledger: Ledger) -> Iterable[SignedDecision]:
        for decided in ledger.decisions.get(ticket, ()):
            late = decided.decision in ledger.late
            try:
                yield SignedDecision(parse_decision(decided.decision.encode()), decided.signer, decided.at, late)
            except ValueError:
                continue

    def _policy_change(self, plan: Plan, ledger: Ledger) -> PolicySubject | None:
        if plan.environment != POLICY:
            return None
        state = ledger.units.get(str(POLICY_UNIT))
        return PolicySubject(state.accepted.artifact if state is not None else "", plan.units[0].artifact)

    @staticmethod
    def _is_bot(pull: PullRequest | None, policies: Policies) -> bool:
        if pull is None:
            return False
        person = policies.in_force.persons.by_login(pull.author)
        return person is not None and person.bot


def changed_kinds(plan: Plan) -> frozenset[Kind]:
    """Kinds of the specs that the plan's units add or change; rather one too many than one too few."""
    found: set[Kind] = set()
    for unit in plan.units:
        own = OWN[UnitRef.parse(unit.unit).kind]
        if unit.added or unit.removed or not unit.specs:
            found.add(own)
        for one in unit.specs:
            part = one.path.partition(".")[0].partition("[")[0]
            found.add(PARTS.get(part, own))
            if "credentials" in one.path:
                found.add(Kind.CREDENTIAL)
    return frozenset(found)


def _restores(plan: Plan, ledger: Ledger) -> bool:
    """Whether a plan only accepts what a granted return put back: nothing to do, and each unit is what was approved."""
    states = [(unit, ledger.units.get(unit.unit)) for unit in plan.units]
    went_back = all(
        state is not None
        and state.outcome == "rolled_back"
        and state.successful is not None
        and state.successful.artifact == unit.artifact
        for unit, state in states
    )
    return bool(states) and went_back and not plan.static and not plan.batches and not plan.changes


def _proposed_approvals(plan: Plan, proposed: Desired) -> int:
    if plan.environment != POLICY:
        return 0
    return proposed.settings.approvals.at(SettingsRisk(plan.risk.value))


def strictest(plans: Iterable[Plan]) -> Risk:
    """The strictest risk of some plans; low for none."""
    return max((plan.risk for plan in plans), key=RISKS.index, default=Risk.LOW)
