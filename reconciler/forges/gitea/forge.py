"""The ports Forge and ForgeWriter on Gitea and Forgejo.

Knows requests, answers and one sender. Rules: what a write would say is read first, so that saying it again writes
nothing; our comment is found by its marker among our own; a rebase merge of which Gitea names the last commit alone is
one range (G17); our branches are moved by compare-and-swap and never dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from reconciler.errors import ReconcilerError, Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Reading, Request, readings
from reconciler.forges.believing import Believed
from reconciler.forges.gitea import answers, requests
from reconciler.forges.gitea.requests import Repository
from reconciler.forges.keeping import LONGEST, Kept
from reconciler.forges.proposing import place
from reconciler.forges.rebasing import rebased
from reconciler.forges.retargeting import base_at
from reconciler.forges.sending import MOST_BYTES, MOST_PAGES, ForgeRefusal, Sender
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.state.forge import Access, Comment, CommitStatus, Guard, PullRequest, PullRequestState, Review


class GiteaForge:
    """One repository, as the account whose token it is.

    `tracked` is the branch that pull requests are merged into, `key` the public line of the key that we sign with.
    """

    def __init__(self, sender: Sender, repository: Repository, mirror: Mirror, *, tracked: str, key: str) -> None:
        self._sender = sender
        self._repository = repository
        self._mirror = mirror
        self._tracked = tracked
        self._key = key
        self._own = ""
        self._kept = Kept(sender.clock)
        self._bases: dict[int, Revision] = {}  # where each that we saw open left the tracked branch
        self._may: dict[str, tuple[datetime, bool]] = {}
        self._said: dict[tuple[Revision, str], CommitStatus] = {}
        self._believed = Believed(sender.clock)  # of which every status is in `_said`

    def close(self) -> None:
        """End kept connections."""
        self._sender.close()

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

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All of them, in order of submission."""
        return self._kept.get(number, "reviews", lambda: self._reviews(number))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them, ours too, in order of creation."""
        return self._kept.get(number, "comments", lambda: self._comments(number))

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

    def write_comment(self, number: int, marker: str, body: str) -> str:
        """Create or edit in place our one comment with this marker; its id."""
        text = body if marker in body else f"{body}\n<!-- {marker} -->\n"
        own = self.own_login()
        for comment in self._comments(number):
            if comment.author != own or marker not in comment.body:
                continue
            if comment.body.strip() != text.strip():
                self._sender.send(self._repository.say_instead(number, comment.id, text))
            return comment.id
        return str(self._one(self._repository.say(number, text)).number("id"))

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        """Say something about a commit, unless exactly that is said already."""
        place = (revision, status.context)
        if not self._believed.stands(revision):
            self.statuses(revision)
        if self._said.get(place) == status:
            return
        self._said.pop(place, None)
        try:
            self._sender.send(self._repository.set_status(revision, status))
        except ReconcilerError:
            self._believed.forget(revision)  # an answer that is lost leaves it unknown what stands there
            raise
        self._said[place] = status

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        found = answers.latest_statuses(self._list(self._repository.statuses(revision)))
        self._believed.read(revision)
        self._said = {at: said for at, said in self._said.items() if at[0] != revision}
        self._said |= {(revision, status.context): status for status in found}
        return found

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        """Push `head`, which is in the mirror, as a branch and open a pull request against the tracked branch."""
        known = self._proposed(branch)
        place(self._mirror, branch, head, key=self._key, proposed=known is not None)
        if known is not None:
            return known.number
        try:
            return self._one(self._repository.open_pull(branch, self._tracked, title, body)).number("number")
        except ForgeRefusal as refusal:
            if refusal.status == HTTPStatus.CONFLICT and (made := self._proposed(branch)) is not None:
                return made.number
            raise

    def own_login(self) -> str:
        """Whose token it is."""
        if not self._own:
            self._own = self._one(requests.myself()).text("login")
        return self._own

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

    def _proposed(self, branch: str) -> PullRequest | None:
        own = self.own_login()
        return next(
            (
                one
                for one in self.open_pull_requests()
                if one.head_ref == branch and one.base == self._tracked and one.author == own and not one.from_fork
            ),
            None,
        )

    def _one(self, request: Request) -> Reading:
        answer = self._sender.send(request)
        return Reading.of(answer.what, answer.content)

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
