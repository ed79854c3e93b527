"""The three statuses of a pull request out of what is known of it: valid, previewed, approved (product.md)."""

from collections.abc import Mapping

from reconciler.approval.judgement import Judgement, Unasked, Verdict, whole
from reconciler.names import SHORT
from reconciler.plan.change import PlanSet
from reconciler.report.phrases import Locale
from reconciler.report.status import Situation, commit_status
from reconciler.specs.desired import Desired
from reconciler.state.forge import CommitStatus


def validity(desired: Desired, locale: Locale) -> CommitStatus:
    """`reconciler/validate`."""
    if desired.problems:
        first = str(desired.problems[0])
        return commit_status(Situation.INVALID, problems=len(desired.problems), first=first, locale=locale)
    tables = (desired.environments, desired.clusters, desired.releases, desired.hosts, desired.credentials,
              desired.services, desired.projects, desired.users, desired.roles, desired.bindings)  # fmt: skip
    count = sum(map(len, tables)) + (desired.settings_spec is not None)
    return commit_status(Situation.VALID, specs=count, locale=locale)


def preview_status(plans: PlanSet, locale: Locale, *, truncated: bool) -> CommitStatus:
    """`reconciler/preview`. `truncated`: the comment does not show all of it."""
    blocked = [check for plan in plans.plans for check in plan.blocked]
    words = summary(plans)
    if blocked:
        return commit_status(Situation.PREVIEW_BLOCKED, errors=len(blocked), first=blocked[0].message, locale=locale)
    static = sum(plan.static for plan in plans.plans)
    if static:
        return commit_status(Situation.PREVIEW_STATIC, counts=words, addresses=static, locale=locale)
    if truncated and any(plan.tier == "production" for plan in plans.plans):
        return commit_status(Situation.PREVIEW_CUT, counts=words, locale=locale)
    return commit_status(Situation.PREVIEWED, counts=words, digest=plans.digest[:SHORT], locale=locale)


def approval_status(ticket: str, plans: PlanSet, judgements: Mapping[str, Judgement], locale: Locale) -> CommitStatus:
    """`reconciler/approval` of a ticket."""
    verdict = whole(judgements)
    people = ", ".join(sorted({c.person for one in judgements.values() for c in one.approvals}))
    needed = max((one.required for one in judgements.values()), default=1)
    given = min((len(one.approvals) for one in judgements.values()), default=0)
    match verdict:
        case Verdict.APPROVED if any(one.standing for one in judgements.values()):
            return commit_status(Situation.STANDING_APPROVED, digest=plans.digest[:SHORT], locale=locale)
        case Verdict.APPROVED if any(one.emergency for one in judgements.values()):
            by = ", ".join(sorted({one.emergency for one in judgements.values()} - {""}))
            return commit_status(Situation.EMERGENCY, people=by, locale=locale)
        case Verdict.APPROVED if all(one.way is Unasked.RESTORES for one in judgements.values()):
            return commit_status(Situation.RESTORES, locale=locale)
        case Verdict.APPROVED:
            return commit_status(Situation.APPROVED, given=given, needed=needed, people=people, locale=locale)
        case Verdict.REJECTED:
            by = ", ".join(sorted({r.person for one in judgements.values() for r in one.rejections}))
            return commit_status(Situation.REJECTED, people=by, locale=locale)
        case Verdict.ENDED:
            return commit_status(Situation.APPROVAL_EXPIRED, ticket=ticket, locale=locale)
        case _ if any(one.by_merging for one in judgements.values()):
            alone = ", ".join(sorted({name for one in judgements.values() for name in one.by_merging}))
            return commit_status(Situation.SELF_APPROVED, people=alone, locale=locale)
        case _ if given >= needed and (blocks := [block for one in judgements.values() for block in one.blocks]):
            first = blocks[0].message  # enough people agree, and something else is in the way
            return commit_status(Situation.APPROVAL_BLOCKED, given=given, needed=needed, first=first, locale=locale)
        case _:
            return commit_status(
                Situation.APPROVAL_WANTED,
                given=given,
                needed=needed,
                ticket=ticket,
                digest=plans.digest[:SHORT],
                locale=locale,
            )


def summary(plans: PlanSet) -> str:
    """Counts in one line: `env-k8s-prod: 1 update, 2 create`."""
    parts = []
    for plan in plans.plans:
        counts = ", ".join(f"{number} {operation.value}" for operation, number in plan.counts.items())
        parts.append(f"{plan.environment}: {counts or 'no change on a target'}")
    return "; ".join(parts) or "nothing managed"
