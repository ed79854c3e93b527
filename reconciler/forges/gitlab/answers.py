"""What GitLab answers about merge requests, notes and accounts, read strictly into neutral values.

Rules: an answer about another project or another merge request than was asked for is no answer; a system note is no
comment; who is no bot says so himself, and an unknown one is a bot.
"""

import re
from collections.abc import Iterable

from reconciler.errors import Rejected
from reconciler.forges.asking import MALFORMED, Reading
from reconciler.names import Revision
from reconciler.state.forge import Comment, Guard, PullRequest, PullRequestState

STATES = {
    "opened": PullRequestState.OPEN,
    "locked": PullRequestState.OPEN,  # it is being merged, and is not merged yet
    "merged": PullRequestState.MERGED,
    "closed": PullRequestState.CLOSED,
}
DEVELOPER, MAINTAINER = 30, 40  # the access levels from which on one may push, and change the protection
NEEDED = frozenset({"api", "read_api", "read_user", "read_repository", "write_repository"})  # scopes
REMARK_ON_A_DIFF = "DiffNote"
_REVISION = re.compile(r"[0-9a-f]{40}")
_AUTOMATED = re.compile(
    r"(?:project|group)_\d+_bot\w*|service_account_.*|ghost\d*|(?:alert|support|security|migration|automation)-bot\d*",
    re.IGNORECASE,
)


def login(reading: Reading, name: str) -> str:
    """Whose it is; empty where GitLab names nobody."""
    user = reading.maybe_part(name)
    return user.text("username") if user is not None else ""


def account(reading: Reading, name: str) -> int:
    """The number of whose it is; 0 where GitLab names nobody."""
    user = reading.maybe_part(name)
    return user.number("id") if user is not None else 0


def looks_automated(username: str) -> bool:
    """Whether GitLab itself gives such names: to tokens, service accounts, and who is gone."""
    return not username or _AUTOMATED.fullmatch(username) is not None


def person(reading: Reading, number: int, username: str) -> bool:
    """Whether an account's page says that it is this one, active and no bot."""
    same = reading.number("id") == number and reading.text("username") == username
    return same and reading.text("state") == "active" and not reading.flag("bot")


def may_write(reading: Reading, number: int) -> bool:
    """Whether a membership lets an account push."""
    if reading.number("id") != number:
        raise Rejected(f"{reading.what}: the answer is about account {reading.number('id')}", key=MALFORMED)
    joined = reading.maybe("membership_state") in {"", "active"}  # only some editions let a membership wait
    return joined and reading.number("access_level") >= DEVELOPER and reading.text("state") == "active"


def ours(reading: Reading, project: int) -> bool:
    """Whether a merge request belongs to the project; what it was forked from does not count."""
    return reading.number("project_id") == reading.number("target_project_id") == project


def merge_request(reading: Reading, *, project: int, author_can_write: bool, number: int | None = None) -> PullRequest:
    """One merge request of the project; `number`: the one that was asked for."""
    if not ours(reading, project):
        raise Rejected(f"{reading.what}: the answer is about another project", key=MALFORMED)
    found = reading.number("iid")
    if found != (number or found) or found <= 0:
        raise Rejected(f"{reading.what}: the answer is about merge request {found}", key=MALFORMED)
    said = reading.text("state")
    if said not in STATES:
        raise Rejected(f"{reading.what}: its state is {said!r}, which nobody knows", key=MALFORMED)
    state = STATES[said]
    merged = state is PullRequestState.MERGED
    return PullRequest(
        number=found,
        title=reading.text("title"),
        body=reading.maybe("description"),
        author=login(reading, "author"),
        base=reading.text("target_branch"),
        head_ref=reading.text("source_branch"),
        head=revision(reading, "sha"),
        state=state,
        created_at=reading.time("created_at"),
        from_fork=_from_fork(reading, project),
        author_can_write=author_can_write,
        merge_commit=_landed(reading) if merged else None,
        merged_by=(login(reading, "merge_user") or login(reading, "merged_by")) if merged else "",
        merged_at=reading.time("merged_at") if merged else None,
        closed_at=reading.maybe_time("closed_at") if state is PullRequestState.CLOSED else None,
        assignees=tuple(one.text("username") for one in reading.parts("assignees")),
    )


def _from_fork(reading: Reading, project: int) -> bool:
    """A fork that is gone has no number."""
    return reading.content.get("source_project_id") is None or reading.number("source_project_id") != project


def _landed(reading: Reading) -> Revision:
    """What stands on the target branch: the merge commit, or the squashed one, or, fast-forwarded, the head itself."""
    for name in ("merge_commit_sha", "squash_commit_sha"):
        if reading.maybe(name):
            return revision(reading, name)
    return revision(reading, "sha")


def forwarded(reading: Reading) -> bool:
    """Whether a merged one was fast-forwarded without squashing: its own commits stand on the target branch."""
    return not reading.maybe("merge_commit_sha") and not reading.maybe("squash_commit_sha")


def landed_as(reading: Reading, commit: Revision) -> bool:
    """Whether a commit is the merge commit or the squashed one of a merged merge request."""
    return commit in {reading.maybe("merge_commit_sha"), reading.maybe("squash_commit_sha")}


def notes_about(number: int, notes: Iterable[Reading]) -> tuple[Reading, ...]:
    """The same notes. Raises Rejected where one belongs to another thing than this merge request."""
    found = tuple(notes)
    for one in found:
        if one.text("noteable_type") != "MergeRequest" or one.number("noteable_iid") != number:
            raise Rejected(f"{one.what}: a note of something else is in the answer", key=MALFORMED)
    return found


def is_comment(reading: Reading) -> bool:
    """Whether a person wrote a note for everybody to see, on the merge request as a whole.

    An internal one asks nothing: what answers it is seen by more people than it was.
    """
    internal = any(reading.content.get(name) not in {None, False} for name in ("internal", "confidential"))
    on_a_line = reading.maybe("type") == REMARK_ON_A_DIFF or reading.content.get("position") is not None
    return not reading.flag("system") and not internal and not on_a_line


def comment(reading: Reading, *, bot: bool) -> Comment:
    """One comment. GitLab's times are of a millisecond, and both are written at once: another one is an edit."""
    created = reading.time("created_at")
    return Comment(
        id=str(reading.number("id")),
        author=login(reading, "author"),
        body=reading.maybe("body"),
        created_at=created,
        edited=reading.time("updated_at") != created,
        author_is_bot=bot,
    )


def revision(reading: Reading, name: str) -> Revision:
    """A full commit id."""
    text = reading.text(name)
    if not _REVISION.fullmatch(text):
        raise Rejected(f"{reading.what}: {name} is no commit id", key=MALFORMED)
    return Revision(text)


def excess(token: Reading) -> tuple[str, ...]:
    """The scopes of our token that nothing here needs."""
    scopes = token.content.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        raise Rejected(f"{token.what}: field 'scopes' of the answer is missing or malformed", key=MALFORMED)
    return tuple(sorted(set(scopes) - NEEDED))


def own_rules(rules: Iterable[Reading]) -> tuple[str, ...]:
    """The approval rules that ask for an approval, in words."""
    asked = ((one.text("name"), one.number("approvals_required")) for one in rules)
    return tuple(f"approvals by the rule {name!r}: {number}" for name, number in asked if number > 0)


def guard(branch: Reading, project: Reading) -> Guard:
    """How a branch is protected. GitLab requires the pipeline, with whatever statuses it has, or nothing."""
    required = project.content.get("only_allow_merge_if_pipeline_succeeds")
    return Guard(
        branch.text("name"),
        exists=True,
        protected=branch.flag("protected"),
        required_statuses=() if required is False else None,
        we_may_push=branch.flag("can_push"),
    )
