"""Approval without a second person: for teams of one, and in advance (contracts: G15).

Knows the settings in force and a question. Rule: every condition that cannot be proven counts as not met.
"""

from reconciler.approval.policy import Policy
from reconciler.approval.question import Question
from reconciler.approval.relations import author_is_bot, openers, proposers, requester
from reconciler.names import UnitKind
from reconciler.plan.change import Risk
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds.environment import Tier

QUIET_KINDS = frozenset({Kind.RELEASE, Kind.SERVICE})  # all that is left beside what G15 names


def self_approval_allowed(question: Question, policy: Policy) -> bool:
    """Whether an approver may approve the own change: the settings say so, and each production side too.

    Never for a change of policy: there a root signature suffices (G2).
    """
    if not policy.settings.allow_self_approval or question.plan.policy_only:
        return False
    strict = [side for side in question.sides if side.production]
    own = [side for side in strict if side.scope.environment == question.plan.environment]
    if question.plan.tier not in {Tier.DEV, Tier.STAGING} and not own:
        return False  # the plan says production, and no side that could allow it is known
    return all(side.self_approval for side in strict)


def standing(question: Question, policy: Policy) -> str:
    """Why the policy does not approve this in advance, in words; empty where it does."""
    standing_approval = policy.settings.standing_approval
    if standing_approval is None:
        return "the settings give no standing approval"
    if question.plan.risk is not Risk.LOW:
        return f"standing approval is for low risk, this is {question.plan.risk}"
    tiers = {question.plan.tier, *(side.tier for side in question.sides)}
    if not tiers <= set(standing_approval.tiers):
        return f"standing approval does not cover {', '.join(sorted(tiers - set(standing_approval.tiers)))}"
    if question.pull is None or question.held is not None:
        return "standing approval is for pull requests whose exact digest was previewed"
    if question.plan.static or question.plan.policy_only:
        return "standing approval accepts no addresses and no policy"
    return _standing_author(question, policy) or _standing_content(question)


def _standing_author(question: Question, policy: Policy) -> str:
    persons = policy.persons
    opened_by = openers(question, persons)
    if any(persons.by_name[name].ai for name in opened_by) or (
        question.requester is not None and question.requester.ai
    ):
        return "standing approval is never for an AI"
    if author_is_bot(question, persons) and requester(question, persons) is None and not opened_by:
        return "standing approval is never for a bot that nobody knows: it may be an AI"
    if None in proposers(question, persons):
        return "standing approval is for known people"
    return ""


def _standing_content(question: Question) -> str:
    if question.changed_kinds is None:
        return "which kinds of spec changed is unknown"
    loud = question.changed_kinds - QUIET_KINDS
    if loud:
        return f"standing approval never covers a new or changed {', '.join(sorted(loud))}"
    if {ref.kind for ref in question.plan.unit_refs} - {UnitKind.RELEASE}:
        return "standing approval covers releases only"
    return ""
