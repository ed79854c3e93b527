"""What Gitea answers, read strictly into neutral values.

Seen on the real one: a review's `stale` and `dismissed` cannot be trusted to say whether it is for this head, so the
commit is read and the flags only ever take an approval away; changing the base keeps approvals, so the base of a review
is worked out of the timeline; within one second a comment's edit does not show.
"""

import re
from collections.abc import Iterable, Mapping

from reconciler.errors import Rejected
from reconciler.forges.asking import MALFORMED, Reading
from reconciler.forges.rebasing import Picked
from reconciler.forges.retargeting import Retarget
from reconciler.names import Revision
from reconciler.state.forge import (
    Comment,
    CommitStatus,
    Guard,
    PullRequest,
    PullRequestState,
    Review,
    StatusState,
    Verdict,
)

VERDICTS: Mapping[str, Verdict] = {
    "APPROVED": Verdict.APPROVE,
    "REQUEST_CHANGES": Verdict.REJECT,
    "COMMENT": Verdict.COMMENT,
}
UNSENT = frozenset({"PENDING", "REQUEST_REVIEW"})  # nobody said anything yet
RETARGETED = "change_target_branch"
_REVISION = re.compile(r"[0-9a-f]{40}")
WRITERS = frozenset({"write", "admin", "owner"})


def login(reading: Reading, name: str) -> str:
    """Whose it is; empty where the account is gone."""
    user = reading.maybe_part(name)
    return user.text("login") if user is not None else ""


def is_bot(reading: Reading, name: str) -> bool:
    """Whether the forge itself or nobody speaks: its own accounts have no positive number."""
    user = reading.maybe_part(name)
    return user is None or user.number("id") <= 0


def pull_request(reading: Reading, *, author_can_write: bool) -> PullRequest:
    """One pull request."""
    head, base = reading.part("head"), reading.part("base")
    merged = reading.flag("merged")
    state = PullRequestState.MERGED if merged else PullRequestState.OPEN
    if not merged and reading.text("state") != "open":
        state = PullRequestState.CLOSED
    return PullRequest(
        number=reading.number("number"),
        title=reading.text("title"),
        body=reading.maybe("body"),
        author=login(reading, "user"),
        base=base.text("ref"),
        head_ref=_branch(head),
        head=revision(head, "sha"),
        state=state,
        created_at=reading.time("created_at"),
        from_fork=head.maybe_part("repo") is None or head.number("repo_id") != base.number("repo_id"),
        author_can_write=author_can_write,
        merge_commit=revision(reading, "merge_commit_sha") if merged else None,
        merged_by=login(reading, "merged_by") if merged else "",
        merged_at=reading.time("merged_at") if merged else None,
        closed_at=reading.maybe_time("closed_at") if state is not PullRequestState.OPEN else None,
        assignees=tuple(one.text("login") for one in reading.parts("assignees")),
    )


def _branch(head: Reading) -> str:
    """The head's branch; where it is gone, Gitea's `ref` is refs/pull/N/head and `label` still names it."""
    return head.text("label") if head.text("ref").startswith("refs/") else head.text("ref")


def retargets(entries: Iterable[Reading]) -> tuple[Retarget, ...]:
    """Out of a timeline, oldest first."""
    found = [Retarget(one.time("created_at"), one.text("old_ref")) for one in entries if one.text("type") == RETARGETED]
    return tuple(sorted(found, key=lambda one: one.at))


def picked(reading: Reading) -> Picked:
    """What a rebase keeps of one of a pull request's commits."""
    inside = reading.part("commit")
    return Picked(inside.part("author").text("email"), inside.text("message").strip())


def review(reading: Reading, base: str) -> Review | None:
    """One review; None where nothing was said yet."""
    said = reading.text("state")
    if said in UNSENT:
        return None
    if said not in VERDICTS:
        raise Rejected(f"{reading.what}: a review says {said!r}, which nobody knows", key=MALFORMED)
    verdict = Verdict.DISMISSED if reading.flag("dismissed") else VERDICTS[said]
    return Review(
        id=str(reading.number("id")),
        author=login(reading, "user"),
        verdict=verdict,
        commit=revision(reading, "commit_id"),
        base=base,
        body=reading.maybe("body"),
        submitted_at=reading.time("submitted_at"),
        author_is_bot=is_bot(reading, "user"),
    )


def comment(reading: Reading, *, own: str) -> Comment:
    """One comment. `own`: our login."""
    created = reading.time("created_at")
    author = login(reading, "user")
    return Comment(
        id=str(reading.number("id")),
        author=author,
        body=reading.maybe("body"),
        created_at=created,
        edited=reading.time("updated_at") != created,
        author_is_bot=is_bot(reading, "user") or author == own,
    )


def latest_statuses(entries: Iterable[Reading]) -> tuple[CommitStatus, ...]:
    """The latest of each context, by context; the entries come in any order."""
    newest: dict[str, tuple[int, CommitStatus]] = {}
    for one in entries:
        number, context = one.number("id"), one.text("context")
        if context not in newest or newest[context][0] < number:
            state = one.text("status")
            if state not in set(StatusState):
                state = StatusState.PENDING.value  # such as `warning`: of others, and never a success
            words = one.maybe("description")
            newest[context] = (number, CommitStatus(context, StatusState(state), words, one.maybe("target_url")))
    return tuple(status for _, (_, status) in sorted(newest.items()))


def revision(reading: Reading, name: str) -> Revision:
    """A full commit id."""
    text = reading.text(name)
    if not _REVISION.fullmatch(text):
        raise Rejected(f"{reading.what}: {name} is no commit id", key=MALFORMED)
    return Revision(text)


def guard(reading: Reading, branch: str) -> Guard:
    """How a branch is protected, as a reader is told."""
    protected = reading.flag("protected")
    named = reading.content.get("status_check_contexts") or []
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise Rejected(f"{reading.what}: field 'status_check_contexts' is malformed", key=MALFORMED)
    return Guard(
        branch,
        exists=True,
        protected=protected,
        required_statuses=tuple(named) if protected and reading.flag("enable_status_check") else (),
        required_approvals=reading.number("required_approvals"),
        we_may_push=reading.flag("user_can_push"),
    )
