"""What an approval on GitLab is worth: for which head and which base it was given, and whether it still stands.

A GitLab approval has neither words nor a commit nor a branch. So these are worked out, of things that have times: the
system notes say who approved when, and when the target branch changed; the versions say which head stood when.

Rules: an approval counts only where GitLab names it as standing now and its note is there; near a change it is for what
stood before; where the answers do not fit each other it is for nothing. It quotes nothing: where a quote is needed
(G13), a signed decision is the way. A rejection stands until the same person approves, whatever became of the
reviewer's state.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Reading
from reconciler.forges.gitlab.answers import REMARK_ON_A_DIFF, account, login, revision
from reconciler.names import Revision
from reconciler.state.forge import PullRequest, Review, Verdict

APPROVED, UNAPPROVED, REJECTED = "approved this merge request", "unapproved this merge request", "requested changes"
ACTS = frozenset({APPROVED, UNAPPROVED, REJECTED})
REJECTING = "requested_changes"  # a reviewer's state
NOTHING = Revision("0" * 40)  # no commit has this id
SKEW = timedelta(seconds=5)  # between the clocks of one GitLab's machines
LATE = timedelta(seconds=60)  # a queue writes an approval's note: without the approval's own time it may be this old
_RETARGETED = (
    re.compile(r"changed target branch from `(\S+)` to `(\S+)`"),
    re.compile(r"deleted the `(\S+)` branch\. This merge request now targets the `(\S+)` branch"),
)  # no branch name has a space


@dataclass(frozen=True, slots=True)
class Version:
    """A head that a merge request got at a time."""

    head: Revision
    at: datetime


@dataclass(frozen=True, slots=True)
class Retarget:
    """A change of the target branch."""

    at: datetime
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did, as a system note tells it."""

    id: str
    what: str
    account: int
    login: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """A merge request with everything that its approvals are judged by. All in order of time.

    `standing`: whose approval GitLab names now, by account, with its time where this GitLab tells it. `rejecting`:
    reviewers whose state is a rejection now. `bot`: whether an account of this number and name is one.
    """

    merge_request: PullRequest
    versions: Sequence[Version]
    retargets: Sequence[Retarget]
    acts: Sequence[Act]
    standing: Mapping[int, datetime | None]
    rejecting: Mapping[int, str]
    bot: Callable[[int, str], bool]

    def reviews(self) -> tuple[Review, ...]:
        """Every verdict, oldest first."""
        found = [self._review(act) for act in self.acts if act.what != UNAPPROVED]
        found += self._unwritten_rejections(found)
        return tuple(sorted(found, key=lambda one: (one.submitted_at, one.id)))

    def _review(self, act: Act) -> Review:
        if act.what == REJECTED:
            return self._said(act, Verdict.REJECT, act.at, LATE)
        told = self.standing.get(act.account)
        verdict = Verdict.APPROVE if self._stands(act) else Verdict.DISMISSED
        return (
            self._said(act, verdict, told, SKEW)
            if told and verdict is Verdict.APPROVE
            else self._said(act, verdict, act.at, LATE)
        )

    def _stands(self, approval: Act) -> bool:
        """Whether it is the last thing that this person did, and the approval that GitLab names."""
        if approval.account not in self.standing:
            return False
        told = self.standing[approval.account]
        last = [act for act in self.acts if act.account == approval.account][-1]
        return last is approval and (told is None or told <= approval.at + SKEW)

    def _said(self, act: Act, verdict: Verdict, at: datetime, doubt: timedelta) -> Review:
        head, base = self._place(at, doubt)
        return Review(
            id=act.id,
            author=act.login,
            verdict=verdict,
            commit=head,
            base=base,
            body="",
            submitted_at=at,
            author_is_bot=self.bot(act.account, act.login),
        )

    def _place(self, at: datetime, doubt: timedelta) -> tuple[Revision, str]:
        index = self._version_at(at, doubt)
        if index is None:
            return NOTHING, ""
        head, base = self.versions[index].head, self._base_at(at, doubt)
        again = any(version.head == head for version in self.versions[index + 1 :])
        if again and base == self.merge_request.base:
            return head, ""  # the same head was compared with something else since, and no note says with what
        return head, base

    def _version_at(self, at: datetime, doubt: timedelta) -> int | None:
        before = [index for index, version in enumerate(self.versions) if version.at + doubt < at]
        if before:
            return before[-1]
        if not self.versions or at < self.versions[0].at:
            return None
        opened_with = abs(self.versions[0].at - self.merge_request.created_at) <= LATE
        return 0 if opened_with else None  # before the first one there was nothing else to approve

    def _base_at(self, at: datetime, doubt: timedelta) -> str:
        now = self.merge_request.base
        olds, news = [one.old for one in self.retargets], [one.new for one in self.retargets]
        if [*olds, now][1:] != news:
            return ""  # a change that no note tells lies somewhere in between
        for change in self.retargets:
            if at < change.at - SKEW:
                return change.old
            if at <= change.at + doubt:
                return ""
        return now

    def _unwritten_rejections(self, found: Sequence[Review]) -> list[Review]:
        """Of reviewers whose state says so and whose note does not: they block now, whatever they said before."""
        last = {act.account: act.what for act in self.acts}
        latest = max((one.submitted_at for one in found), default=self.merge_request.created_at)
        return [
            Review(
                f"reviewer {number}", name, Verdict.REJECT, self.merge_request.head, self.merge_request.base, "", latest
            )
            for number, name in self.rejecting.items()
            if last.get(number) != REJECTED
        ]


def versions(entries: Iterable[Reading], *, merge_request_id: int) -> tuple[Version, ...]:
    """Oldest first. Raises Rejected where they are of another merge request or their times and order differ."""
    ordered = sorted(entries, key=lambda one: one.number("id"))
    if any(one.number("merge_request_id") != merge_request_id for one in ordered):
        raise Rejected(f"{ordered[0].what}: the answer is about another merge request", key=MALFORMED)
    found = tuple(Version(_head(one), one.time("created_at")) for one in ordered)
    if any(later.at < earlier.at for earlier, later in pairwise(found)):
        raise Rejected(f"{ordered[0].what}: a later version is older than an earlier one", key=MALFORMED)
    return found


def _head(version: Reading) -> Revision:
    return revision(version, "head_commit_sha") if version.maybe("head_commit_sha") else NOTHING


def check_same_head(merge_request: PullRequest, found: Sequence[Version]) -> None:
    """Raises Unavailable where a push came between the answers: they are of two moments."""
    if not found or found[-1].head != merge_request.head:
        raise Unavailable(f"reading the reviews of merge request {merge_request.number}: it changed meanwhile")


def retargets(notes: Iterable[Reading]) -> tuple[Retarget, ...]:
    """Out of the notes, oldest first."""
    found = []
    for note in notes:
        for pattern in _RETARGETED:
            match = pattern.fullmatch(_happened(note))
            if match:
                found.append((note.time("created_at"), note.number("id"), match))
    ordered = sorted(found, key=lambda one: one[:2])
    return tuple(Retarget(at, match[1], match[2]) for at, _, match in ordered)


def acts(notes: Iterable[Reading]) -> tuple[Act, ...]:
    """Who approved, took it back, or rejected, oldest first."""
    found = [
        Act(str(note.number("id")), what, account(note, "author"), login(note, "author"), note.time("created_at"))
        for note in notes
        if (what := _happened(note)) in ACTS
    ]
    return tuple(sorted(found, key=lambda act: (act.at, int(act.id))))


def _happened(note: Reading) -> str:
    """What GitLab itself wrote here; nothing where a person did, or whoever imported the project."""
    if not note.flag("system") or note.content.get("imported") not in {None, False}:
        return ""
    return note.maybe("body").strip()


def standing(answer: Reading, *, number: int, project: int) -> dict[int, datetime | None]:
    """Whose approval stands now, by account, with its time where it is told."""
    for name, expected in (("iid", number), ("project_id", project)):  # not every edition says it
        if answer.content.get(name) is not None and answer.number(name) != expected:
            raise Rejected(f"{answer.what}: the answer is about another merge request", key=MALFORMED)
    if not isinstance(answer.content.get("approved_by"), list):
        raise Rejected(f"{answer.what}: field 'approved_by' of the answer is missing or malformed", key=MALFORMED)
    return {one.part("user").number("id"): one.maybe_time("approved_at") for one in answer.parts("approved_by")}


def rejecting(entries: Iterable[Reading]) -> dict[int, str]:
    """Reviewers whose state is a rejection, by account."""
    return {account(one, "user"): login(one, "user") for one in entries if one.text("state") == REJECTING}


def remarks(notes: Iterable[Reading], *, base: str, bots: Callable[[int, str], bool]) -> tuple[Review, ...]:
    """What was said to lines of a diff: each names the head that it was said to, and decides nothing."""
    found = []
    for note in notes:
        if note.maybe("type") != REMARK_ON_A_DIFF or note.flag("system"):
            continue
        head = note.maybe_part("position")
        found.append(
            Review(
                id=str(note.number("id")),
                author=login(note, "author"),
                verdict=Verdict.COMMENT,
                commit=revision(head, "head_sha") if head and head.maybe("head_sha") else NOTHING,
                base=base,
                body=note.maybe("body"),
                submitted_at=note.time("created_at"),
                author_is_bot=bots(account(note, "author"), login(note, "author")),
            )
        )
    return tuple(found)
