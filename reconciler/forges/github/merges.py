"""Which pull request brought a commit to the tracked branch (G17).

Knows what GitHub names for a commit, what was merged of late, and the mirror's own history. Rules: GitHub's word alone
is not enough: the pull request was merged here, into the tracked branch, says so when it is read by itself, and the
commit is its merge or lies in the range that its rebase made; what `/commits/{sha}/pulls` does not name yet (it lags,
and leaves out branches that are not the default one) is looked for among the latest merges before it is nobody's.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.asking import MALFORMED, Reading, readings
from reconciler.forges.github import answers
from reconciler.forges.github.answers import Desk
from reconciler.forges.github.requests import Repository
from reconciler.forges.rebasing import rebased
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.names import Revision
from reconciler.state.forge import PullRequest, PullRequestState


class Merges:
    """One search over some commits."""

    def __init__(self, sender: Sender, desk: Desk, repository: BareRepository, tracked: str) -> None:
        self._sender = sender
        self._desk = desk
        self._asks: Repository = desk.here
        self._repository = repository
        self._tracked = tracked
        self._ranges: dict[int, tuple[Revision, ...]] = {}
        self._sure_of: set[tuple[int, Revision | None, datetime | None]] = set()

    def find(self, commits: Sequence[Revision]) -> dict[Revision, int]:
        """The number for each commit that has one."""
        found: dict[Revision, int] = {}
        for commit in commits:
            for pull in self._named(commit):
                if commit == pull.merge_commit or commit in self._range(pull):
                    found[commit] = self._confirmed(pull)
                    break
        missing = set(commits) - found.keys()
        for pull in self._latest() if missing else ():
            for brought in (pull.merge_commit, *self._range(pull, of=set(commits))):
                if brought is not None and brought in missing and brought not in found:
                    found[brought] = self._confirmed(pull)
        return found

    def _named(self, commit: Revision) -> tuple[PullRequest, ...]:
        try:
            entries = self._sender.whole(self._asks.pulls_of(commit))
        except ForgeRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                self._sender.send(
                    self._asks.itself()
                )  # the commit is unknown, or all of the repository is out of sight
            elif refusal.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            return ()
        return tuple(self._merged(answers.pull_request(one, self._desk, whole=False) for one in entries))

    def _confirmed(self, pull: PullRequest) -> int:
        """Its number, where the pull request read by itself says the same. Raises Unavailable where it does not."""
        told = (pull.number, pull.merge_commit, pull.merged_at)
        if told not in self._sure_of:
            answer = self._sender.send(self._asks.pull(pull.number))
            reading = Reading.of(answer.what, answer.content)
            alone = answers.pull_request(reading, self._desk, whole=True, number=pull.number)
            if (alone.number, alone.merge_commit, alone.merged_at) != told or alone.base != pull.base:
                raise Unavailable(f"{answer.what}: it is not what the list said of it a moment ago")
            self._sure_of.add(told)
        return pull.number

    def _latest(self) -> tuple[PullRequest, ...]:
        page = self._sender.send(self._asks.closed_pulls(self._tracked))
        if page.content is None:
            raise Rejected(f"{page.what}: the answer is no list", key=MALFORMED)
        pulls = (answers.pull_request(one, self._desk, whole=False) for one in readings(page))
        return tuple(self._merged(pulls))

    def _merged(self, pulls: Iterator[PullRequest]) -> Iterator[PullRequest]:
        return (pull for pull in pulls if pull.state is PullRequestState.MERGED and pull.base == self._tracked)

    def _range(self, pull: PullRequest, *, of: set[Revision] | None = None) -> tuple[Revision, ...]:
        """The commits before the last one of a rebase merge. `of`: only where the last one is among these."""
        last = pull.merge_commit
        if last is None or (of is not None and last not in of) or not self._repository.has(last):
            return ()
        if pull.number not in self._ranges:
            alone = len(history.commit(self._repository, last).parents) == 1
            oldest_first = self._sender.whole(self._asks.pull_commits(pull.number)) if alone else ()
            picked = [answers.picked(one) for one in reversed(oldest_first)]
            self._ranges[pull.number] = rebased(self._repository, last, picked)
        return self._ranges[pull.number]
