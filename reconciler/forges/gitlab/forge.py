"""The ports Forge and ForgeWriter on GitLab.

Knows requests, answers and one sender. Rules: what is said is said as in speaking.py, and no line of it is a quick
action; the commits of a fast-forward are a merge request's only where Git itself says that they stand on the tracked
branch (G17).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from reconciler.errors import ReconcilerError, Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Reading, Request, readings
from reconciler.forges.gitlab import answers, requests, reviews, statuses
from reconciler.forges.gitlab.requests import Project
from reconciler.forges.gitlab.statuses import Standing
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.forges.speaking import Speaking
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import (
    Access,
    Comment,
    CommitStatus,
    Guard,
    OwnRules,
    PullRequest,
    PullRequestState,
    Review,
    StatusState,
)

AHEAD = timedelta(minutes=5)  # of our clock: a merge that lies later is looked at when its time has come
REMEMBERED = timedelta(minutes=10)  # how long what an account is and may do is not asked again
_QUICK_ACTION = re.compile(r"^(\s*)/(?=[A-Za-z])", re.MULTILINE)
_NO_ACTION = "\\1\u200b/"  # looks the same, and GitLab does not carry it out


class GitLabForge(Speaking[Standing]):
    """One project, as the account whose token it is.

    `tracked` is the branch that merge requests are merged into, `key` the public line of the key that we sign with.
    """

    NUMBER = "iid"

    def __init__(
        self, sender: Sender, project: Project, mirror: Mirror, clock: Clock, *, tracked: str, key: str
    ) -> None:
        super().__init__(sender, project, mirror, clock, tracked=tracked, key=key)
        self._project = project
        self._number = 0
        self._known: dict[tuple[str, int, str], tuple[datetime, bool]] = {}
        self._sources: dict[Revision, str] = {}  # heads -> their branch here; empty: in a fork
        self._nowhere: set[Revision] = set()

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """All open ones that have a commit, by number."""
        entries = [one for one in self._list(self._project.open_merge_requests()) if one.maybe("sha")]
        found = [self._pull(one) for one in entries]
        stamps = zip(found, entries, strict=True)  # every note touches its merge request
        self._kept.listed({one.number: (entry.text("updated_at"), one.head, one.base) for one, entry in stamps})
        return tuple(sorted(found, key=lambda one: one.number))

    def pull_request(self, number: int) -> PullRequest:
        """Raises Rejected where there is none of this number."""
        self._kept.forget(number)
        return self._pull(self._one(self._project.merge_request(number)), number)

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        """The merge request that brought each of these commits to the tracked branch; others are not in the answer."""
        found = ((commit, self._brought(commit)) for commit in commits)
        return {commit: number for commit, number in found if number is not None}

    def _reviews(self, number: int) -> tuple[Review, ...]:
        reading = self._one(self._project.merge_request(number))
        pull = self._pull(reading, number)
        notes = self._notes(number)
        said = reviews.remarks(notes, base=pull.base, bots=self._bot)
        happened = reviews.acts(notes)
        rejecting = reviews.rejecting(self._list(self._project.reviewers(number)))
        if not happened and not rejecting:
            return said
        versions = reviews.versions(self._list(self._project.versions(number)), merge_request_id=reading.number("id"))
        reviews.check_same_head(pull, versions)
        approvals = self._one(self._project.approvals(number))
        story = reviews.Story(
            merge_request=pull,
            versions=versions,
            retargets=reviews.retargets(notes),
            acts=happened,
            standing=reviews.standing(approvals, number=number, project=self._project_number()),
            rejecting=rejecting,
            bot=self._bot,
        )
        return tuple(sorted([*said, *story.reviews()], key=lambda one: (one.submitted_at, one.id)))

    def _comments(self, number: int) -> tuple[Comment, ...]:
        found = [
            answers.comment(one, bot=self._bot(answers.account(one, "author"), answers.login(one, "author")))
            for one in self._notes(number)
            if answers.is_comment(one)
        ]
        return tuple(sorted(found, key=lambda one: (one.created_at, int(one.id))))

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        """Say something about a commit, unless exactly that is said already.

        The head of a fork is on no branch here, and GitLab takes no status for it: there only the comment says it.
        """
        if revision in self._nowhere:
            return
        for anew in (False, False, True):
            try:
                if self._say(revision, status, anew=anew):
                    return
            except ReconcilerError:
                self._believed.forget(revision)
                raise
            self._believed.forget(revision)  # somebody changed it meanwhile, or an answer was lost
        raise Unavailable(f"setting {status.context} of {revision[:12]}: somebody else's newer one stands over it")

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        found = statuses.standing(self._list(self._project.statuses(revision)), revision, own=self.own_login())
        self._believed.read(revision, found)
        return tuple(one.status for one in found.values())

    def access(self) -> Access:
        """What our account and its token may do."""
        own = self._one(requests.myself()).number("id")
        members = self._list(self._project.members())
        levels = {one.number("id"): one.number("access_level") for one in members}
        return Access(
            self.own_login(),
            may_write=levels.get(own, 0) >= answers.DEVELOPER,
            may_administer=levels.get(own, 0) >= answers.MAINTAINER,
            writers=tuple(
                sorted(
                    one.text("username")
                    for one in members
                    if one.number("id") != own and one.number("access_level") >= answers.DEVELOPER
                )
            ),
            excess=answers.excess(self._one(requests.token())),
        )

    def guard(self, branch: str) -> Guard:
        """How a branch is protected."""
        try:
            found = self._one(self._project.branch(branch))
        except ForgeRefusal as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            return Guard(branch, exists=False)
        return answers.guard(found, self._one(self._project.itself()))

    def own_rules(self, branch: str) -> OwnRules:  # noqa: ARG002  GitLab's are the project's
        """The project's approval rules, where this GitLab has such (Premium) and shows them to us."""
        try:
            return OwnRules(asks=answers.own_rules(self._list(self._project.approval_rules())))
        except ForgeRefusal as refusal:
            if refusal.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            return OwnRules(unseen=("approval rules (Premium)",))

    def _pull(self, reading: Reading, number: int | None = None) -> PullRequest:
        author = answers.account(reading, "author")
        writes = author > 0 and self._remember(("writes", author, ""), lambda: self._writes(author))
        pull = answers.merge_request(reading, project=self._project_number(), author_can_write=writes, number=number)
        if pull.merged_at is not None and pull.merged_at > self._clock.now() + AHEAD:
            raise Unavailable(f"{reading.what}: it was merged in the future, at {pull.merged_at.isoformat()}")
        if pull.state is PullRequestState.OPEN:
            self._sources[pull.head] = "" if pull.from_fork else pull.head_ref
        return pull

    def _project_number(self) -> int:
        if not self._number:
            found = self._one(self._project.itself())
            if found.text("path_with_namespace").casefold() != self._project.path.casefold():
                raise Rejected(f"{found.what}: the answer is about another project", key=MALFORMED)
            self._number = found.number("id")
        return self._number

    def _writes(self, account: int) -> bool:
        try:
            return answers.may_write(self._one(self._project.member(account)), account)
        except ForgeRefusal as refusal:
            if refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                return False
            raise

    def _bot(self, account: int, username: str) -> bool:
        """Whether it is us, a token, a service account, or anybody of whom GitLab does not say that it is a person."""
        if answers.looks_automated(username) or account <= 0 or username == self.own_login():
            return True
        return not self._remember(("person", account, username), lambda: self._is_person(account, username))

    def _is_person(self, account: int, username: str) -> bool:
        try:
            return answers.person(self._one(requests.account(account)), account, username)
        except ForgeRefusal as refusal:
            if refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                return False
            raise

    def _remember(self, place: tuple[str, int, str], ask: Callable[[], bool]) -> bool:
        now = self._clock.now()
        if place not in self._known or not timedelta() <= now - self._known[place][0] < REMEMBERED:
            self._known[place] = (now, ask())
        return self._known[place][1]

    def _brought(self, commit: Revision) -> int | None:
        """The number of the merge request that brought a commit, where that one says so too."""
        try:
            entries = self._list(self._project.merge_requests_of(commit))
        except ForgeRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        pulls = [pull for one in entries if (pull := self._merged(one)) and self._holds(one, pull, commit)]
        if not pulls:
            return None
        number = min(pulls, key=lambda pull: _order(pull, commit)).number
        itself = self._one(self._project.merge_request(number))
        again = self._merged(itself, number)
        return number if again is not None and self._holds(itself, again, commit) else None

    def _merged(self, reading: Reading, number: int | None = None) -> PullRequest | None:
        """A merge request, where it was merged into the tracked branch of this project."""
        project = self._project_number()
        if not answers.ours(reading, project) or reading.text("target_branch") != self._tracked:
            return None
        pull = answers.merge_request(reading, project=project, author_can_write=False, number=number)
        return pull if pull.state is PullRequestState.MERGED else None

    def _holds(self, reading: Reading, pull: PullRequest, commit: Revision) -> bool:
        """Whether a commit is what came of it; a fast-forward brought its own commits, as far as Git knows."""
        if answers.landed_as(reading, commit):
            return True
        repository = self._mirror.repository
        tip = self._mirror.refs().get(f"refs/heads/{self._tracked}")
        if not answers.forwarded(reading) or tip is None or not repository.has(pull.head) or not repository.has(commit):
            return False
        return history.is_ancestor(repository, commit, pull.head) and history.is_ancestor(repository, pull.head, tip)

    def _say(self, revision: Revision, status: CommitStatus, *, anew: bool = False) -> bool:
        """Whether it stands now; False where GitLab knows another state than we do, or shows somebody else's newer job
        over ours. `anew`: our job is ended first, so that the next one is the newest; then there is no other state,
        and the refusal is raised."""
        standing = self._standing(revision)
        stands = standing.get(status.context)
        if stands is not None and stands.status == status:
            return True
        ref = self._ref(revision, standing)
        states = (
            (statuses.CANCELED, *statuses.states_to_send(status, None))
            if anew
            else statuses.states_to_send(status, stands)
        )
        for state in states:
            request = self._project.set_status(
                revision,
                name=status.context,
                state=state,
                description=statuses.described(status),
                url=status.url,
                ref=ref,
            )
            try:
                self._sender.send(request)
            except ForgeRefusal as refusal:
                if refusal.status == HTTPStatus.CONFLICT:  # a lock on the pipeline, held by another write
                    raise Unavailable(refusal.message) from refusal
                if refusal.status == HTTPStatus.NOT_FOUND and self._sources.get(revision) == "":
                    self._nowhere.add(revision)
                    return True
                if refusal.status == HTTPStatus.BAD_REQUEST and not anew:
                    return False
                raise
        if stands is None or (stands.ours and status.state is StatusState.PENDING):
            standing[status.context] = statuses.sent(status, states)
            return True
        self.statuses(revision)  # what GitLab changed may have been our older job, under one of somebody else
        found = self._standing(revision).get(status.context)
        return found is not None and found.status == status

    def _ref(self, revision: Revision, standing: Mapping[str, Standing]) -> str:
        """The branch to name where a commit has no pipeline yet: GitLab would take the first one that holds it."""
        branch = self._sources.get(revision, "")
        if not branch or standing or readings(self._sender.send(self._project.pipelines(revision))):
            return ""
        return branch

    def _open_of(self, branch: str) -> Iterator[PullRequest]:
        entries = self._list(self._project.open_merge_requests(branch))
        return (self._pull(one) for one in entries if one.maybe("sha"))

    def _myself(self) -> str:
        return self._one(requests.myself()).text("username")

    def _notes(self, number: int) -> tuple[Reading, ...]:
        return answers.notes_about(number, self._list(self._project.notes(number)))

    def _harmless(self, text: str) -> str:
        """GitLab would carry out a line such as /merge, as us."""
        return _QUICK_ACTION.sub(_NO_ACTION, text)

    def _list(self, request: Request) -> tuple[Reading, ...]:
        return self._sender.whole(request)


def _order(pull: PullRequest, commit: Revision) -> tuple[bool, datetime, int]:
    """Of several that hold a commit: the one whose merge it is, else the one that was merged first."""
    return (pull.merge_commit != commit, pull.merged_at or datetime.max.replace(tzinfo=UTC), pull.number)
