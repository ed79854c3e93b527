"""What no number of approvals overcomes.

Knows a question and the policy in force. Rule: what is missing blocks (fail closed); nothing here looks at reviews.
"""

from collections.abc import Callable, Iterator

from reconciler.approval.denial import Denial
from reconciler.approval.policy import Policy, lacking
from reconciler.approval.question import Question
from reconciler.approval.relations import ill_signed, proposers
from reconciler.approval.roles import needed_to_apply
from reconciler.names import POLICY, UnitKind
from reconciler.plan.change import Plan
from reconciler.specs.kinds.settings import ForkPolicy
from reconciler.state.forge import PullRequestState


def blocks(question: Question, policy: Policy, *, rooted: bool) -> tuple[Denial, ...]:
    """Why this plan cannot be approved now. `rooted`: a root signature stands for the author's right (G2)."""
    found = [denial for rule in RULES for denial in rule(question, policy)]
    if not rooted:
        found += author_lacks(question, policy)
    return tuple(found)


def author_lacks(question: Question, policy: Policy) -> tuple[Denial, ...]:
    """Where the author may not propose, scope by scope (G16). Also asked before a target is looked at (G4)."""
    needed = needed_to_apply(question.plan, question.runtimes)
    asked = [
        lacking(policy, person, needed, scope)
        for person in proposers(question, policy.persons)
        for scope in question.scopes
    ]
    return tuple(
        Denial(denial.key, f"the author may not propose this: {denial.message}", denial.hint)
        for denial in asked
        if denial
    )


def _one_ticket(question: Question, _: Policy) -> Iterator[Denial]:
    if question.plan not in question.plans.plans:
        yield Denial("preview_required", "this plan is not in the ticket's list")
    own = {side.scope.environment for side in question.sides}
    if not question.plan.policy_only and question.plan.environment not in own:
        yield Denial("environment_not_found", "the environment's own rules are unknown")


def _checks(question: Question, _: Policy) -> Iterator[Denial]:
    if not question.plan.static:  # approving a static plan accepts its addresses only, and nothing is applied
        for check in question.plan.blocked:
            yield Denial(check.key or "validation_error", f"a check failed: {check.message}", check.hint)


def _truncated(question: Question, _: Policy) -> Iterator[Denial]:
    if question.preview.truncated and question.production:
        hint = "split the pull request, so that its whole preview fits"
        yield Denial("preview_required", "a production preview that was cut short cannot be approved", hint)


def _policy_alone(question: Question, _: Policy) -> Iterator[Denial]:
    about_policy = [_has_policy(plan) for plan in question.plans.plans]
    kinds = {ref.kind for ref in question.plan.unit_refs}
    whole = kinds == {UnitKind.POLICY} if question.plan.policy_only else UnitKind.POLICY not in kinds
    if not whole or (any(about_policy) and len(about_policy) > 1):
        hint = "put Settings, Role, RoleBinding and User into a pull request of their own"
        yield Denial("policy_not_in_force", "a change of policy goes alone, never together with other units", hint)


def _has_policy(plan: Plan) -> bool:
    named = plan.policy_only or plan.environment == POLICY
    return named or any(ref.kind is UnitKind.POLICY for ref in plan.unit_refs)


def _commits(question: Question, policy: Policy) -> Iterator[Denial]:
    known = {commit.revision for commit in question.commits}
    wanted = {question.preview.head, *question.plan.held}
    if not wanted <= known:
        missing = ", ".join(sorted(revision[:12] for revision in wanted - known))
        yield Denial("preview_required", f"the commits that it brings in are not all known: {missing} is missing")
    if policy.settings.require_signed_commits and not question.restores:  # a revert is signed by us, no User
        for commit in ill_signed(question, policy.persons):
            message = f"commit {commit.revision[:12]} is not signed by a key of its author's User"
            yield Denial("approval_required", message, "sign it, or add the key to the User")


def _pull(question: Question, policy: Policy) -> Iterator[Denial]:
    pull = question.pull
    if pull is None:
        if question.held is None:
            yield Denial("preview_required", "there is neither a pull request nor a held commit")
        return
    if pull.base != question.preview.base:
        message = f"the preview was made for base {question.preview.base!r}, the pull request is now for {pull.base!r}"
        yield Denial("preview_required", message)
    if pull.head not in question.heads:
        yield Denial("preview_required", f"the preview was not made for the head {pull.head[:12]}")
    if pull.from_fork and policy.settings.forks is ForkPolicy.DENIED:
        yield Denial("permission_denied", "pull requests from forks are denied", "push the branch to this repository")
    if pull.state is PullRequestState.MERGED and pull.merged_at is None:
        yield Denial("approval_required", "the forge does not say when it was merged")


def _emergencies(question: Question, _: Policy) -> Iterator[Denial]:
    for emergency in question.emergencies:
        message = f"the emergency approval {emergency.ticket} of {emergency.person} waits for a second person (G23)"
        yield Denial("approval_required", message, "another approver or a root signer looks at it first")


RULES: tuple[Callable[[Question, Policy], Iterator[Denial]], ...] = (
    _one_ticket,
    _checks,
    _truncated,
    _policy_alone,
    _commits,
    _pull,
    _emergencies,
)
