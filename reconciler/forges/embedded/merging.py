"""Merging a pull request as the person who presses the button: with objects only, no work tree.

Knows how a merge, a squash and a rebase are made and worded, and what must hold before. Moves no ref and records
nothing (person.py). The rule: what is merged is the head that the person named, onto the tip that stands now, and it is
refused where that is not clean.
"""

from collections.abc import Sequence

from reconciler.errors import Refused
from reconciler.forges.embedded import record as rec
from reconciler.forges.embedded.landing import MOST_PICKS
from reconciler.forges.embedded.ledger import Draft, Look
from reconciler.forges.embedded.log import is_ancestor
from reconciler.forges.embedded.record import Method
from reconciler.forges.embedded.thread import Thread
from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person as Name
from reconciler.git.keys import SigningKey
from reconciler.git.merge import MergeConflict
from reconciler.git.write import merge, rebase, squash
from reconciler.names import Revision
from reconciler.state.forge import PullRequest, PullRequestState, StatusState

_ZERO_WIDTH = "\u200b"
_LONGEST_SUBJECT = 120


def drafted(
    look: Look,
    number: int,
    method: Method,
    *,
    expected_head: Revision,
    required: Sequence[str],
    name: Name,
    signer: SigningKey | None,
) -> Draft:
    """The record of the merge to make, its commits made already. Raises Refused where it may not be."""
    thread = look.thread(number)
    pull = look.pull_request(thread)
    tip = _mergeable(look, pull, expected_head, required)
    made = _made(look.repository, method, pull, tip, name, signer)
    if isinstance(made, MergeConflict):
        paths = ", ".join(made.paths[:20]) or "their histories have nothing in common"
        raise Refused(
            f"merging #{number} into {pull.base}: conflicts: {paths}",
            key="resource_conflict",
            hint=f"merge {pull.base} into {pull.head_ref}, resolve the conflicts and push",
        )
    said = rec.Merged(method=method, base=pull.base, parent=tip, head=pull.head, merge_commit=made)
    return Draft(said, number, keep=(made, pull.head))


def blockers(look: Look, head: Revision, required: Sequence[str]) -> tuple[str, ...]:
    """Which required statuses of a head are not success, with what they say."""
    found = look.fold.statuses.get(head, {})
    return tuple(
        f"{context} is {found[context].state if context in found else 'missing'}"
        for context in required
        if context not in found or found[context].state is not StatusState.SUCCESS
    )


def message_of(thread: Thread | PullRequest, method: Method) -> str:
    """The message of a merge or squash commit. Titles are other people's text: they can end no line and name nobody."""
    title = neutral(thread.title)
    if method is Method.MERGE:
        return f"Merge pull request {thread.number}: {title}\n\nPull-Request: {thread.number}\n"
    return f"{title} (pull request {thread.number})\n\nPull-Request: {thread.number}\n"


def neutral(title: str) -> str:
    """A title for a commit message: one line, short, without working mentions, references or commands to a CI."""
    line = " ".join(title.split())
    for sign in "@#![":
        line = line.replace(sign, sign + _ZERO_WIDTH)
    return line[:_LONGEST_SUBJECT].lstrip("#") or "untitled"


def _mergeable(look: Look, pull: PullRequest, expected: Revision, required: Sequence[str]) -> Revision:
    """The tip to merge onto."""
    what = f"merging #{pull.number}"
    if pull.state is not PullRequestState.OPEN:
        raise Refused(f"{what}: it is {pull.state}", key="resource_conflict")
    if pull.head != expected:
        raise Refused(
            f"{what}: its head moved to {pull.head[:12]}, and {expected[:12]} was to be merged",
            key="resource_conflict",
            hint="look at what came in, and merge the new head",
        )
    tip = look.branch(pull.base)
    if tip is None:
        raise Refused(f"{what}: its base branch {pull.base} does not exist", key="resource_conflict")
    if blocked := blockers(look, pull.head, required):
        raise Refused(f"{what}: {'; '.join(blocked)}", key="approval_required")
    if is_ancestor(look.repository, pull.head, tip):
        raise Refused(f"{what}: {pull.base} has everything of it already", key="resource_conflict", hint="close it")
    return tip


def _made(
    repository: BareRepository,
    method: Method,
    pull: PullRequest,
    tip: Revision,
    name: Name,
    signer: SigningKey | None,
) -> Revision | MergeConflict:
    match method:
        case Method.MERGE:
            return merge(repository, tip, pull.head, message=message_of(pull, method), author=name, signer=signer)
        case Method.SQUASH:
            return squash(repository, tip, pull.head, message=message_of(pull, method), author=name, signer=signer)
        case Method.REBASE:
            return _rebase(repository, pull, tip, name, signer)


def _rebase(
    repository: BareRepository, pull: PullRequest, tip: Revision, name: Name, signer: SigningKey | None
) -> Revision | MergeConflict:
    if len(history.commits(repository, tip, pull.head)) > MOST_PICKS:
        raise Refused(
            f"rebasing #{pull.number}: more than {MOST_PICKS} commits",
            key="resource_conflict",
            hint="merge or squash it",
        )
    made = rebase(repository, tip, pull.head, committer=name, signer=signer)
    if made == tip:
        raise Refused(f"rebasing #{pull.number}: nothing is left of it", key="resource_conflict", hint="close it")
    return made
