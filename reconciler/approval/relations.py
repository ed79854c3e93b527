"""Who stands in which relation to a change: author, contributors, and when one approver is too few (contracts: G14).

Knows people and commits. Rule: everybody who might have written a part of it is excluded; `Co-authored-by` lines and
the press of a merge button make nobody an author.
"""

from reconciler.approval.persons import Person, Persons
from reconciler.approval.policy import Policy
from reconciler.approval.question import BroughtCommit, Question
from reconciler.plan.change import Risk
from reconciler.specs.kinds import Risk as SettingsRisk

STRICT_RISKS = frozenset({Risk.HIGH, Risk.CRITICAL})


def brought(question: Question) -> tuple[BroughtCommit, ...]:
    """The commits that somebody answers for: all but clean merges of the tracked branch, and ours because of a tag."""
    return tuple(commit for commit in question.commits if not commit.clean_merge and not commit.ours)


def openers(question: Question, persons: Persons) -> frozenset[str]:
    """The names of everybody who may have opened the pull request, by its account."""
    return persons.may_have_login(question.pull.author) if question.pull else frozenset()


def author_is_bot(question: Question, persons: Persons) -> bool:
    """Whether a program opened the pull request: we because of a tag, or by its User, or by the forge's word."""
    return (
        question.tagged is not None
        or question.author_is_bot
        or any(persons.by_name[name].bot for name in openers(question, persons))
    )


def requester(question: Question, persons: Persons) -> Person | None:
    """The person who asked a bot for this; None where nobody did, or another bot."""
    asked = question.requester
    person = persons.by_name.get(asked.person) if asked else None
    return person if person and not person.bot else None


def proposers(question: Question, persons: Persons) -> tuple[Person | None, ...]:
    """Whose right to propose is judged (G16): the author, or who asked the bot, or who pushed a held commit.

    None stands for an account that nobody is known by. Empty: nobody knows who pushed, the branch or the tag.
    """
    if question.pull is None:
        return tuple(
            persons.by_login(login) for login in sorted({commit.pusher for commit in brought(question)} - {""})
        )
    if author_is_bot(question, persons) and question.requester:
        return (requester(question, persons),)
    if question.tagged is not None:
        return ()
    return (persons.by_login(question.pull.author),)


def authors(question: Question, persons: Persons) -> frozenset[str]:
    """The names of everybody who counts as author of the pull request, whoever may have made its tag included."""
    asked = {question.requester.person} if question.requester else set()
    tag = question.tagged
    made = persons.may_have_email(tag.email) | persons.may_have_key(tag.key) if tag is not None else frozenset()
    return openers(question, persons) | asked | made


def contributors(question: Question, persons: Persons) -> frozenset[str]:
    """The names of every author, committer and pusher of what the plan brings in."""
    found: frozenset[str] = frozenset()
    for commit in brought(question):
        found |= persons.may_have_email(commit.author_email) | persons.may_have_email(commit.committer_email)
        found |= persons.may_have_login(commit.pusher) | persons.may_have_key(commit.signing_key)
    return found


def required_approvals(question: Question, policy: Policy, *, alone: bool) -> tuple[int, tuple[str, ...]]:
    """How many approvals each scope needs, and why more than the settings ask.

    `alone`: an approver approved the own change (G15); what makes sure that the approver is another person falls away.
    """
    settings = policy.settings
    asked = max(settings.approvals.at(SettingsRisk(question.plan.risk)), 1)
    if question.plan.policy_only:
        asked = max(asked, question.proposed_approvals)
    if alone:
        return asked, ()
    reasons = []
    persons = policy.persons
    if question.plan.risk in STRICT_RISKS and any(_nobodys(commit, persons) for commit in brought(question)):
        reasons.append(f"{question.plan.risk} risk with unsigned commits of unknown pusher: two approvers")
    if author_is_bot(question, persons) and requester(question, persons) is None:
        reasons.append("a bot opened it and nobody is known to have asked: two approvers")
    return max(asked, 2 if reasons else 1), tuple(reasons)


def _nobodys(commit: BroughtCommit, persons: Persons) -> bool:
    return persons.by_key(commit.signing_key) is None and persons.by_login(commit.pusher) is None


def ill_signed(question: Question, persons: Persons) -> tuple[BroughtCommit, ...]:
    """The commits that are not signed by a key of their author's User (Settings: requireSignedCommits)."""
    return tuple(commit for commit in brought(question) if not _signed_by_author(commit, persons))


def _signed_by_author(commit: BroughtCommit, persons: Persons) -> bool:
    signer = persons.by_key(commit.signing_key)
    return signer is not None and persons.may_have_email(commit.author_email) == {signer.name}
