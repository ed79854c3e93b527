"""A GitHub that lies in one place, and what the adapter then believes: as for GitLab (tests/forges/gitlab/lying.py)."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.forges.asking import Answer, Request
from reconciler.forges.github.forge import Account, GitHubForge
from reconciler.forges.github.requests import Repository
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.names import Revision
from reconciler.secret import Secret
from reconciler.state.forge import PullRequestState, Verdict
from tests.contracts.forge_github import GitHubUnderTest
from tests.forges.gitlab.lying import Beliefs

Lie = tuple[str, Callable[[Any], Any]]  # what is asked for, in the words of the request; and what its answer becomes
At = tuple[str | int, ...]
FUTURE = "2199-01-01T00:00:00Z"


class Replaying(Sender):
    """Gives kept answers; `lie` changes one of them. What was never asked is asked for the first time."""

    def __init__(self, honest: Sender, truth: "Truth", lie: Lie | None) -> None:
        super().__init__(honest.root, Secret("none"), truth.now)
        self._honest, self._kept_ones, self._lie, self._truth = honest, truth.kept, lie, truth
        self.asked: set[str] = set()

    def send(self, request: Request) -> Answer:
        self.asked.add(request.what)
        if request.what not in self._kept_ones:
            try:
                self._kept_ones[request.what] = self._honest.send(request)
            except ForgeRefusal as refusal:
                self._kept_ones[request.what] = refusal
        found = self._kept_ones[request.what]
        if isinstance(found, ForgeRefusal):
            raise found
        if self._lie is None:
            return Answer(found.what, watched(found.content, (), lambda at: self._truth.read.add((found.what, at))))
        if self._lie[0] != request.what:
            return found
        return Answer(found.what, self._lie[1](copy.deepcopy(found.content)))


class Truth:
    """One world that was looked at once."""

    def __init__(self, world: GitHubUnderTest, commits: tuple[Revision, ...]) -> None:
        self.world, self.commits = world, commits
        self.now = Frozen(world.hub.now())
        self.kept: dict[str, Answer | ForgeRefusal] = {}
        self.read: set[tuple[str, At]] = set()  # the places of the answers that somebody looked at
        self.asked: dict[str, set[str]] = {}  # what each question asks the forge for
        world.mirror.sync()
        self.beliefs = self.look()

    def answers(self) -> list[tuple[str, Any]]:
        return [(what, answer.content) for what, answer in self.kept.items() if isinstance(answer, Answer)]

    def look(self, lie: Lie | None = None) -> Beliefs:
        """What the gate may ask, each by itself; with a lie, what that lie is asked for. Raises what is no
        ReconcilerError."""
        grants: set[tuple[str, ...]] = set()
        blocks: set[tuple[str, ...]] = set()
        refused: set[str] = set()
        for name, question in self._questions():
            if lie is not None and lie[0] not in self.asked[name]:
                continue
            rest, graph = (Replaying(one, self, lie) for one in (self.world.account.rest, self.world.account.graph))
            here = Repository(self.world.hub.owner, self.world.hub.name)
            forge = GitHubForge(Account(rest, graph), here, self.world.mirror, self.now, tracked="main", key="")
            try:
                for fact in question(forge):
                    (blocks if fact[0] == "reject" else grants).add(tuple(map(str, fact)))
            except ReconcilerError:
                refused.add(name)
            if lie is None:
                self.asked[name] = rest.asked | graph.asked
        return Beliefs(frozenset(grants), frozenset(blocks), frozenset(refused))

    def _questions(self) -> Iterator[tuple[str, Callable[[GitHubForge], Iterator[tuple[object, ...]]]]]:
        yield "open", self._open
        yield "brought", self._brought
        for number in self.world.hub.pulls:
            yield f"pull {number}", partial(self._pull, number)
            yield f"reviews {number}", partial(self._reviews, number)
            yield f"comments {number}", partial(self._comments, number)

    def _open(self, forge: GitHubForge) -> Iterator[tuple[object, ...]]:
        for pull in forge.open_pull_requests():
            yield "open", pull.number
            if pull.author_can_write and not pull.from_fork:
                yield "trusted", pull.number, pull.author

    def _brought(self, forge: GitHubForge) -> Iterator[tuple[object, ...]]:
        for commit, number in forge.merged_pull_requests(self.commits).items():
            yield "brought", commit, number

    def _pull(self, number: int, forge: GitHubForge) -> Iterator[tuple[object, ...]]:
        pull = forge.pull_request(number)
        if pull.author_can_write and not pull.from_fork:
            yield "trusted", pull.number, pull.author
        if pull.state is PullRequestState.MERGED:
            yield "merged", pull.number, pull.merged_at, pull.base
            if pull.merged_by:
                yield "merged by", pull.number, pull.merged_by

    def _reviews(self, number: int, forge: GitHubForge) -> Iterator[tuple[object, ...]]:
        true = self.world.hub.pulls[number]
        for review in forge.reviews(number):
            if review.verdict is Verdict.REJECT:
                yield "reject", number, review.author
            counts = (review.commit, review.base) == (true.head, true.base)
            if review.verdict is Verdict.APPROVE and counts and not review.author_is_bot:
                yield "approve", number, review.author
                if review.body:
                    yield "says", number, review.author, review.body

    def _comments(self, number: int, forge: GitHubForge) -> Iterator[tuple[object, ...]]:
        for comment in forge.comments(number):
            if comment.body and not comment.edited and not comment.author_is_bot:
                yield "comment", number, comment.author, comment.body

    def wrong(self, lie: Lie) -> str:
        """What a lie made it believe; empty where it believed nothing that grants."""
        now = self.look(lie)
        more = now.grants - self.beliefs.grants
        asked = {name for name, whats in self.asked.items() if lie[0] in whats} - now.refused
        lost = {fact for fact in self.beliefs.blocks - now.blocks if f"reviews {fact[1]}" in asked}
        return f"grants {sorted(more)}, lost {sorted(lost)}" if more or lost else ""


class Frozen:
    """The moment of the look."""

    def __init__(self, at: Any) -> None:
        self._at = at

    def now(self) -> Any:
        return self._at

    def wait(self, duration: Any) -> bool:
        return False


class Watched(dict[str, Any]):
    """An object of an answer that tells which of its fields are looked at."""

    def __init__(self, content: dict[str, Any], at: At, tell: Callable[[At], None]) -> None:
        super().__init__({name: watched(value, (*at, name), tell) for name, value in content.items()})
        self._at, self._tell = at, tell

    def get(self, name: str, default: Any = None) -> Any:
        self._tell((*self._at, name))
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._tell((*self._at, name))
        return super().__getitem__(name)


def watched(content: Any, at: At, tell: Callable[[At], None]) -> Any:
    """A copy that tells."""
    if isinstance(content, dict):
        return Watched(content, at, tell)
    if isinstance(content, list):
        for index in range(len(content)):
            tell((*at, index))
        return [watched(one, (*at, index), tell) for index, one in enumerate(content)]
    return content
