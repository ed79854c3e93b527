"""What GitHub answers, read strictly into neutral values.

Rules: an answer is about the repository and the number that were asked for, or it is none; a time after now is none; a
merge without its commit, or a flag that contradicts a time, is none. What GitHub itself may leave open (an account that
is gone, a review whose commit is gone) becomes the value that grants nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Answer, Reading
from reconciler.forges.github.requests import Repository
from reconciler.forges.rebasing import Picked
from reconciler.forges.retargeting import Retarget
from reconciler.names import Revision
from reconciler.state.forge import (
    Comment,
    CommitStatus,
    PullRequest,
    PullRequestState,
    Review,
    StatusState,
    Verdict,
)

VERDICTS: Mapping[str, Verdict] = {
    "APPROVED": Verdict.APPROVE,
    "CHANGES_REQUESTED": Verdict.REJECT,
    "COMMENTED": Verdict.COMMENT,
    "DISMISSED": Verdict.DISMISSED,
}
UNSENT = "PENDING"
STATES = frozenset({"open", "closed"})
RETARGETED = frozenset({"base_ref_changed", "automatic_base_change_succeeded"})
WRITERS = frozenset({"write", "admin"})  # `maintain` and custom roles are told as one of them
READERS = frozenset({"read", "none"})
PERSON = "User"  # beside Bot, Organization and Mannequin
NOWHERE = Revision("0" * 40)  # no commit: never anybody's head
AHEAD = timedelta(minutes=5)  # how far GitHub's clock may run ahead of ours
_REVISION = re.compile(r"[0-9a-f]{40}")
_QUOTE = re.compile(r"[0-9a-fA-F]{12}")  # as many digits of a digest as count (G13)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where answers are read: about which repository, and when."""

    here: Repository
    now: datetime

    def time(self, reading: Reading, name: str) -> datetime:
        """A time that is over. Raises Rejected where it lies ahead: of ours or of GitHub's clock, one is wrong."""
        found = reading.time(name)
        if found > self.now + AHEAD:
            raise Rejected(
                f"{reading.what}: {name} lies in the future",
                key=MALFORMED,
                hint="set this machine's clock (NTP); if it is right, the forge's is not",
            )
        return found

    def about(self, reading: Reading, name: str, *path: str | int) -> None:
        """Check that a URL in the answer ends in this repository's path. Raises Rejected where it does not."""
        wanted = "/".join(("", "repos", self.here.owner, self.here.name, *map(str, path))).casefold()
        if not _path_of(reading, name).casefold().endswith(wanted):
            raise _elsewhere(reading, name)


def login(reading: Reading, name: str) -> str:
    """Whose it is; empty where the account is gone."""
    return reading.part(name).text("login") if _named(reading, name) else ""


def is_bot(reading: Reading, name: str) -> bool:
    """Whether anything but a person's account speaks, or nobody any more."""
    return not _named(reading, name) or reading.part(name).text("type") != PERSON


def pull_request(reading: Reading, desk: Desk, *, whole: bool, number: int | None = None) -> PullRequest:
    """One pull request; nobody's right to write is known here. `whole`: read by itself and not out of a list."""
    head, base = reading.part("head"), reading.part("base")
    if base.part("repo").text("full_name").casefold() != desk.here.full_name.casefold():
        raise _elsewhere(reading, "base")
    if number is not None and reading.number("number") != number:
        raise _elsewhere(reading, "number")
    state = _state(reading, whole=whole)
    merged = state is PullRequestState.MERGED
    return PullRequest(
        number=reading.number("number"),
        title=reading.text("title"),
        body=reading.maybe("body"),
        author=login(reading, "user"),
        base=base.text("ref"),
        head_ref=head.text("ref"),
        head=revision(head, "sha"),
        state=state,
        created_at=desk.time(reading, "created_at"),
        from_fork=_from_fork(head, base),
        author_can_write=False,
        merge_commit=revision(reading, "merge_commit_sha") if merged else None,
        merged_by=login(reading, "merged_by") if merged and whole else "",
        merged_at=desk.time(reading, "merged_at") if merged else None,
        closed_at=reading.maybe_time("closed_at") if state is not PullRequestState.OPEN else None,
        assignees=tuple(one.text("login") for one in reading.parts("assignees")),
    )


def _state(reading: Reading, *, whole: bool) -> PullRequestState:
    said, merged = reading.text("state"), reading.maybe_time("merged_at") is not None
    if said not in STATES or (merged and said == "open") or (whole and reading.flag("merged") != merged):
        raise Rejected(f"{reading.what}: state, merged and merged_at do not fit together", key=MALFORMED)
    if merged:
        return PullRequestState.MERGED
    return PullRequestState.OPEN if said == "open" else PullRequestState.CLOSED


def _from_fork(head: Reading, base: Reading) -> bool:
    """Whether the head lies in another repository, or in one that is gone."""
    theirs, ours = head.maybe_part("repo"), base.part("repo")
    return theirs is None or (theirs.number("id"), theirs.text("full_name")) != (
        ours.number("id"),
        ours.text("full_name"),
    )


def may_write(reading: Reading, asked: str) -> bool:
    """Whether an account may push here."""
    said = reading.text("permission")
    if login(reading, "user").casefold() != asked.casefold():
        raise _elsewhere(reading, "user")
    if said not in WRITERS | READERS:
        raise Rejected(f"{reading.what}: {said!r} is no permission", key=MALFORMED)
    return said in WRITERS


def was_retargeted(entries: Iterable[Reading]) -> bool:
    """Whether a timeline holds a change of the base branch."""
    return any(one.text("event") in RETARGETED for one in entries)


def retargets(answer: Answer, desk: Desk, number: int, now: str) -> tuple[Retarget, ...]:
    """Every change of the base branch, oldest first; `now` is the base that was read before.

    Raises Unavailable where the base changed since.
    """
    repository = graph(answer).part("repository")
    pull = repository.part("pullRequest")
    if repository.text("nameWithOwner").casefold() != desk.here.full_name.casefold() or pull.number("number") != number:
        raise _elsewhere(repository, "nameWithOwner")
    items = pull.part("timelineItems")
    if items.part("pageInfo").flag("hasPreviousPage"):
        raise Rejected(f"{answer.what}: its base changed more than a hundred times", key=MALFORMED)
    nodes = sorted(items.parts("nodes"), key=lambda one: one.time("createdAt"))
    if not nodes or _branch(nodes[-1].text("new")) != now:
        raise Unavailable(f"{answer.what}: they are not what they were a moment ago")
    return tuple(Retarget(desk.time(one, "createdAt"), _branch(one.text("old"))) for one in nodes)


@dataclass(frozen=True, slots=True)
class Words:
    """What a review says, and whether somebody changed it after it was submitted."""

    body: str
    edited: bool


def words(answer: Answer) -> dict[str, Words]:
    """What GraphQL says of reviews, by node id."""
    found: dict[str, Words] = {}
    for one in graph(answer).content.get("nodes") or ():
        if one is not None:
            node = Reading.of(answer.what, one)
            found[node.text("id")] = Words(node.maybe("body"), edited=_named(node, "lastEditedAt"))
    return found


def graph(answer: Answer) -> Reading:
    """The data of a GraphQL answer. Raises Unavailable or Rejected where it says errors."""
    reading = Reading.of(answer.what, answer.content)
    errors = reading.parts("errors")
    if any(one.content.get("type") == "RATE_LIMITED" for one in errors):
        raise Unavailable(f"{answer.what}: the limit of GraphQL is reached", key="rate_limited", retry_after=AHEAD)
    if errors:
        raise Rejected(f"{answer.what}: {errors[0].maybe('message')[:200]}", key=MALFORMED)
    return reading.part("data")


def may_quote(reading: Reading) -> bool:
    """Whether a review's words may quote a digest, so that it matters who wrote them."""
    return reading.text("state") == "APPROVED" and bool(_QUOTE.search(reading.maybe("body")))


def review(reading: Reading, desk: Desk, number: int, *, edited: bool) -> Review | None:
    """One review without its base; None where nothing was said yet. The words of an edited one are nobody's."""
    said = reading.text("state")
    if said == UNSENT:
        return None
    if said not in VERDICTS:
        raise Rejected(f"{reading.what}: a review says {said!r}, which nobody knows", key=MALFORMED)
    desk.about(reading, "pull_request_url", "pulls", number)
    return Review(
        id=str(reading.number("id")),
        author=login(reading, "user"),
        verdict=VERDICTS[said],
        commit=revision(reading, "commit_id") if _named(reading, "commit_id") else NOWHERE,
        base="",
        body="" if edited else reading.maybe("body"),
        submitted_at=desk.time(reading, "submitted_at"),
        author_is_bot=is_bot(reading, "user"),
    )


def comment(reading: Reading, desk: Desk, number: int, *, own: str) -> Comment:
    """One comment. `own`: our login. What an App wrote in somebody's name asks nothing either."""
    desk.about(reading, "issue_url", "issues", number)
    created = desk.time(reading, "created_at")
    author = login(reading, "user")
    field = "performed_via_github_app"
    by_app = field not in reading.content or reading.maybe_part(field) is not None
    return Comment(
        id=str(reading.number("id")),
        author=author,
        body=reading.maybe("body"),
        created_at=created,
        edited=reading.time("updated_at") != created,
        author_is_bot=is_bot(reading, "user") or by_app or author == own,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """A status, and who set it."""

    status: CommitStatus
    by: str


def latest_statuses(entries: Iterable[Reading], desk: Desk, commit: Revision) -> tuple[Said, ...]:
    """The latest of each context, by context; the entries come in any order."""
    newest: dict[str, tuple[int, Said]] = {}
    for one in entries:
        desk.about(one, "url", "statuses", commit)
        number, context = one.number("id"), one.text("context")
        state = one.text("state")
        if state not in set(StatusState):
            raise Rejected(f"{one.what}: {state!r} is no state of a status", key=MALFORMED)
        if context not in newest or newest[context][0] < number:
            status = CommitStatus(context, StatusState(state), one.maybe("description"), one.maybe("target_url"))
            newest[context] = (number, Said(status, login(one, "creator")))
    return tuple(said for _, (_, said) in sorted(newest.items()))


def picked(reading: Reading) -> Picked:
    """What a rebase keeps of one of a pull request's commits."""
    inside = reading.part("commit")
    return Picked(inside.part("author").text("email"), inside.text("message").strip())


def revision(reading: Reading, name: str) -> Revision:
    """A full commit id."""
    text = reading.text(name)
    if not _REVISION.fullmatch(text):
        raise Rejected(f"{reading.what}: {name} is no commit id", key=MALFORMED)
    return Revision(text)


def _named(reading: Reading, name: str) -> bool:
    """Whether a field that has to be there holds something; GitHub writes null for what is gone."""
    if name not in reading.content:
        raise Rejected(f"{reading.what}: field {name!r} of the answer is missing", key=MALFORMED)
    return reading.content[name] is not None


def _branch(name: str) -> str:
    return name.removeprefix("refs/heads/")


def _path_of(reading: Reading, name: str) -> str:
    try:
        return urlsplit(reading.text(name)).path
    except ValueError as error:
        raise _elsewhere(reading, name) from error


def _elsewhere(reading: Reading, name: str) -> Rejected:
    return Rejected(f"{reading.what}: by its {name} the answer is about something else", key=MALFORMED)
