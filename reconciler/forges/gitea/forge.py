"""The ports Forge and ForgeWriter on Gitea and Forgejo.

Knows requests, answers and one sender. Rules: what is said is said as in speaking.py; a rebase merge of which Gitea
names the last commit alone is one range (G17).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Reading, Request, readings
from reconciler.forges.gitea import answers, requests
from reconciler.forges.gitea.requests import Repository
from reconciler.forges.keeping import LONGEST
from reconciler.forges.rebasing import rebased
from reconciler.forges.retargeting import base_at
from reconciler.forges.sending import MOST_BYTES, MOST_PAGES, ForgeRefusal, Sender
from reconciler.forges.speaking import Setting
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.state.forge import Access, Comment, CommitStatus, Guard, OwnRules, PullRequest, PullRequestState, Review


class GiteaForge(Setting):
    """One repository, as the account whose token it is.

    `tracked` is the branch that pull requests are merged into, `key` the public line of the key that we sign with.
    """

    def __init__(self, sender: Sender, repository: Repository, mirror: Mirror, *, tracked: str, key: str) -> None:
        super().__init__(sender, repository, mirror, sender.clock, tracked=tracked, key=key)
        self._repository = repository
        self._bases: dict[int, Revision] = {}  # where each that we saw open left the tracked branch
        self._may: dict[str, tuple[datetime, bool]] = {}

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """All open ones, by number."""
        entries = self._list(self._repository.open_pulls())
        found = [self._pull(one) for one in entries]
        stamps = tuple(zip(found, entries, strict=True))
        self._bases |= {one.number: Revision(base) for one, entry in stamps if (base := entry.maybe("merge_base"))}
        self._kept.listed({one.number: (entry.text("updated_at"), one.head, one.base) for one, entry in stamps})
        return tuple(sorted(found, key=lambda one: one.number))

    def pull_request(self, number: int) -> PullRequest:
        """Raises Rejected where there is none of this number."""
        self._kept.forget(number)
        return self._pull(self._one(self._repository.pull(number)))

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        """The pull request that brought each of these commits to the tracked branch; others are not in the answer."""
        found: dict[Revision, int] = {}
        wanted = set(commits)
        for commit in commits:
            pull = self._merged_as(commit)
            if pull is None:
                continue
            found[commit] = pull.number
            for earlier in self._rebased(commit, pull):
                if earlier in wanted:
                    found.setdefault(earlier, pull.number)
        return found

    def _reviews(self, number: int) -> tuple[Review, ...]:
        entries = self._list(self._repository.reviews(number))
        if not entries:
            return ()
        now = self._one(self._repository.pull(number)).part("base").text("ref")
        changes = answers.retargets(self._list(self._repository.timeline(number), whole=False))
        found = []
        for one in entries:
            said = answers.review(one, "")
            if said is not None:
                found.append(answers.review(one, base_at(now, changes, said.submitted_at)))
        given = [one for one in found if one is not None]
        return tuple(sorted(given, key=lambda one: (one.submitted_at, int(one.id))))

    def _comments(self, number: int) -> tuple[Comment, ...]:
        own = self.own_login()
        request = self._repository.comments(number)
        try:
            entries = readings(self._sender.send(request))
        except Unavailable:
            self._one(self._repository.pull(number))  # of a number that does not exist, Gitea answers 500 here
            raise
        found = [answers.comment(one, own=own) for one in entries]
        return tuple(sorted(found, key=lambda one: (one.created_at, int(one.id))))

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        found = answers.latest_statuses(self._list(self._repository.statuses(revision)))
        self._believed.read(revision, {one.context: one for one in found})
        return found

    def access(self) -> Access:
        """What our account and its token may do."""
        own = self.own_login()
        repository = self._one(self._repository.itself())
        may, owner = repository.part("permissions"), repository.part("owner").text("login")
        people = {one.text("login") for one in self._list(self._repository.collaborators())}
        others = {login for login in people - {own} if self._may_write(login)} | ({owner} - {own})
        excess = [name for name, path in requests.EXCESSIVE.items() if self._reaches(path)]
        return Access(
            own,
            may_write=may.flag("push"),
            may_administer=may.flag("admin"),
            writers=tuple(sorted(others)),
            excess=tuple(excess),
        )

    def guard(self, branch: str) -> Guard:
        """How a branch is protected."""
        try:
            return answers.guard(self._one(self._repository.branch(branch)), branch)
        except ForgeRefusal as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            return Guard(branch, exists=False)

    def own_rules(self, branch: str) -> OwnRules:
        """How many reviews Gitea asks for before a merge."""
        found = self.guard(branch)
        return OwnRules(asks=(f"approving reviews: {found.required_approvals}",) if found.required_approvals else ())

    def _reaches(self, path: str) -> bool:
        try:
            self._sender.send(requests.probe(path, self._repository.owner))
        except ForgeRefusal:
            return False
        return True

    def _pull(self, reading: Reading) -> PullRequest:
        author = answers.login(reading, "user")
        return answers.pull_request(reading, author_can_write=bool(author) and self._may_write(author))

    def _may_write(self, login: str) -> bool:
        """Asked anew every five minutes; where our token may not ask, the branch's own repository is the only word."""
        now = self._sender.clock.now()
        asked, may = self._may.get(login, (now - LONGEST, False))
        if not timedelta() <= now - asked < LONGEST:
            try:
                said = self._one(self._repository.permission(login)).text("permission")
            except ForgeRefusal as refusal:
                if refusal.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                    raise
                said = "" if refusal.status == HTTPStatus.NOT_FOUND else "unknown"
            may = said in answers.WRITERS or said == "unknown"
            self._may[login] = (now, may)
        return may

    def _merged_as(self, commit: Revision) -> PullRequest | None:
        try:
            reading = self._one(self._repository.pull_of(commit))
        except ForgeRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        pull = answers.pull_request(reading, author_can_write=False)
        ours = pull.state is PullRequestState.MERGED and pull.base == self._tracked and pull.merge_commit == commit
        return pull if ours else None

    def _rebased(self, last: Revision, pull: PullRequest) -> tuple[Revision, ...]:
        """The commits before the last one of a rebase merge, newest first; none where it was no rebase.

        A rebase that had nothing to do keeps the commits, and Gitea may soon list none of them: then they are those
        since the place where we saw it leave the tracked branch while it was open.
        """
        repository = self._mirror.repository
        if len(history.commit(repository, last).parents) != 1:
            return ()
        newest_first = self._list(self._repository.pull_commits(pull.number))
        if not newest_first and last == pull.head and pull.number in self._bases:
            kept = history.first_parent(repository, self._bases[pull.number], last)
            return tuple(one.id for one in reversed(kept[:-1]))
        return rebased(repository, last, [answers.picked(one) for one in newest_first])

    def _open_of(self, branch: str) -> tuple[PullRequest, ...]:
        return tuple(one for one in self.open_pull_requests() if one.head_ref == branch)

    def _myself(self) -> str:
        return self._one(requests.myself()).text("login")

    def _setting(self, revision: Revision, status: CommitStatus) -> Request:
        return self._repository.set_status(revision, status)

    def _list(self, request: Request, *, whole: bool = True) -> tuple[Reading, ...]:
        """Every entry. Its links count pages as large as were asked for, also where the server gives smaller ones:
        so pages are asked for by number until as many came as there are, or, where it does not say, none came."""
        found: list[Reading] = []
        came: tuple[Reading, ...] = ()
        size = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self._sender.send(replace(request, query=(*request.query, ("page", str(page)))))
            before, came, size = came, readings(answer), size + answer.size
            if size > MOST_BYTES or (came and came == before):
                wrong = "the same page again" if came == before else f"more than {MOST_BYTES} bytes in all"
                raise Rejected(f"{request.what}: {wrong}", key=MALFORMED)
            found += came
            if not came or (whole and answer.total is not None and len(found) >= answer.total):
                return tuple(found)
        raise Rejected(f"{request.what}: more than {MOST_PAGES} pages", key=MALFORMED)
