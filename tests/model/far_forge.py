"""A forge in memory: pull requests, reviews, comments and statuses over one bare repository, and what people do there.

Knows what a forge knows and judges nothing: anybody may approve anything, push anywhere and merge what is red. Every
write of the reconciler is logged with its time: the oracle reads what people could see from here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import Unavailable
from reconciler.git.bare import BareRepository
from reconciler.names import Revision
from reconciler.state.forge import Comment, CommitStatus, PullRequest, PullRequestState, Review
from tests.model.lifeline import Lifeline, Line
from tests.model.times import WorldTime

Saying = tuple[Revision, CommitStatus]


@dataclass(slots=True)
class FarForge:
    """The forge itself."""

    repository: BareRepository
    time: WorldTime
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    given: dict[int, list[Review]] = field(default_factory=dict)
    talk: dict[int, list[Comment]] = field(default_factory=dict)
    marked: dict[tuple[int, str], str] = field(default_factory=dict)  # our comments by marker
    statuses: dict[Revision, dict[str, CommitStatus]] = field(default_factory=dict)
    landed: dict[Revision, int] = field(default_factory=dict)  # commits that a merged pull request brought
    said: list[Saying] = field(default_factory=list)  # statuses in the order written
    counter: int = 0

    def name(self, what: str) -> str:
        """A new id."""
        self.counter += 1
        return f"{what}-{self.counter}"

    def open(self, author: str, branch: str, title: str, base: str = "main") -> int:
        """Open a pull request of a branch."""
        number = len(self.pulls) + 1
        head = self._head(branch)
        made = PullRequest(number, title, "", author, base, branch, head, PullRequestState.OPEN, self.time.at)
        self.pulls[number] = made
        self.given[number], self.talk[number] = [], []
        self.repository.set_ref(f"refs/pull/{number}/head", head)
        return number

    def pushed(self) -> None:
        """Open pull requests follow their branches."""
        for number, pull in self.pulls.items():
            if pull.state is PullRequestState.OPEN:
                head = self._head(pull.head_ref)
                self.pulls[number] = replace(pull, head=head)
                self.repository.set_ref(f"refs/pull/{number}/head", head)

    def _head(self, branch: str) -> Revision:
        head = self.repository.ref(f"refs/heads/{branch}")
        assert head is not None
        return head

    def previews(self, number: int) -> list[Comment]:
        """The reconciler's own comments, newest last, as people read them."""
        ours = {key for (pull, _), key in self.marked.items() if pull == number}
        return [one for one in self.talk[number] if one.id in ours]


@dataclass(slots=True)
class ForgeDoor:
    """ports.Forge and ports.ForgeWriter of one process."""

    forge: FarForge
    life: Lifeline

    def close(self) -> None:
        """Nothing is kept open."""

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        self.life.reach(Line.FORGE)
        return tuple(one for one in self.forge.pulls.values() if one.state is PullRequestState.OPEN)

    def pull_request(self, number: int) -> PullRequest:
        self.life.reach(Line.FORGE)
        return self.forge.pulls[number]

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        self.life.reach(Line.FORGE)
        return {commit: self.forge.landed[commit] for commit in commits if commit in self.forge.landed}

    def reviews(self, number: int) -> tuple[Review, ...]:
        self.life.reach(Line.FORGE)
        return tuple(self.forge.given[number])

    def comments(self, number: int) -> tuple[Comment, ...]:
        self.life.reach(Line.FORGE)
        ours = {key for (pull, _), key in self.forge.marked.items() if pull == number}
        return tuple(one for one in self.forge.talk[number] if one.id not in ours)

    def write_comment(self, number: int, marker: str, body: str) -> str:
        self.life.reach(Line.FORGE)
        forge = self.forge
        with self.life.effect("comment"):
            known = forge.marked.get((number, marker))
            if known is None:
                known = forge.marked[number, marker] = forge.name("comment")
                forge.talk[number].append(Comment(known, "reconciler", body, forge.time.at, author_is_bot=True))
            else:
                forge.talk[number] = [replace(one, body=body) if one.id == known else one for one in forge.talk[number]]
        return known

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        self.life.reach(Line.FORGE)
        there = self.forge.statuses.setdefault(revision, {})
        if there.get(status.context) == status:
            return
        with self.life.effect("status"):
            there[status.context] = status
            self.forge.said.append((revision, status))

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        self.life.reach(Line.FORGE)
        return tuple(self.forge.statuses.get(revision, {}).values())

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        self.life.reach(Line.FORGE)
        forge = self.forge
        for number, pull in forge.pulls.items():
            if (pull.head_ref, pull.state) == (branch, PullRequestState.OPEN):
                return number
        with self.life.effect("propose"):
            if forge.repository.ref(f"refs/heads/{branch}") not in (None, head):
                raise Unavailable(f"pushing {branch}: it is there already")
            forge.repository.set_ref(f"refs/heads/{branch}", head)
            return forge.open("reconciler", branch, title)
