"""A GitLab that lies in one place: its answers are kept once, and given again with one of them changed.

Beliefs are what the gate could act on: whatever grants something, and whatever blocks. A lie may make the adapter
refuse to answer; it must never make it believe something that grants more, or blocks less, than the truth.
"""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from reconciler.app.clock import SystemClock
from reconciler.errors import ReconcilerError
from reconciler.forges import gitlab
from reconciler.forges.asking import Answer, Request
from reconciler.forges.gitlab.forge import GitLabForge
from reconciler.forges.gitlab.requests import Project
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.names import Revision
from reconciler.secret import Secret
from reconciler.state.forge import PullRequestState, Verdict
from tests.contracts.forge_gitlab import PATH, GitLabUnderTest

Lie = tuple[str, Callable[[Any], Any]]  # a path, and what its answer becomes
Key = tuple[str, str, tuple[tuple[str, str], ...]]
FUTURE = "2199-01-01T00:00:00.000Z"


@dataclass(slots=True)
class Kept:
    """Every answer of one look at the truth."""

    answers: dict[Key, Answer | ForgeRefusal] = field(default_factory=dict)


class Replaying(Sender):
    """Gives kept answers; `lie` changes one of them. What was never asked is asked for the first time."""

    def __init__(self, honest: Sender, kept: Kept, lie: Lie | None) -> None:
        super().__init__(honest.root, Secret("none"), SystemClock())
        self._honest, self._kept, self._lie = honest, kept, lie
        self.asked: set[str] = set()

    def send(self, request: Request) -> Answer:
        self.asked.add(request.path)
        key = (request.method, request.path, request.query)
        if key not in self._kept.answers:
            try:
                self._kept.answers[key] = self._honest.send(request)
            except ForgeRefusal as refusal:
                self._kept.answers[key] = refusal
        found = self._kept.answers[key]
        if isinstance(found, ForgeRefusal):
            raise found
        if self._lie is None or self._lie[0] != request.path:
            return found
        content = self._lie[1](copy.deepcopy(found.content))
        return Answer(found.what, content, total=found.total)


@dataclass(frozen=True, slots=True)
class Beliefs:
    """`grants`: what could let something pass. `blocks`: what stops. `refused`: what was not answered."""

    grants: frozenset[tuple[str, ...]]
    blocks: frozenset[tuple[str, ...]]
    refused: frozenset[str]


class Truth:
    """One world that was looked at once. `heads`: what each merge request's head and base really are."""

    def __init__(self, world: GitLabUnderTest, commits: tuple[Revision, ...]) -> None:
        self.world, self.commits = world, commits
        self.kept = Kept()
        self.requests = {one.iid: one for one in world.project.merge_requests}
        self.asked: dict[str, set[str]] = {}  # what each question asks the forge for
        world.mirror.sync()
        self.beliefs = self.look()

    def look(self, lie: Lie | None = None) -> Beliefs:
        """What the gate may ask, each by itself; with a lie, what that lie is asked for. Raises what is no
        ReconcilerError."""
        grants: set[tuple[str, ...]] = set()
        blocks: set[tuple[str, ...]] = set()
        refused: set[str] = set()
        for name, question in self._questions():
            if lie is not None and lie[0] not in self.asked[name]:
                continue
            sender = Replaying(self.world.sender, self.kept, lie)
            forge = GitLabForge(sender, Project(PATH), self.world.mirror, SystemClock(), tracked="main", key="")
            try:
                for fact in question(forge):
                    (blocks if fact[0] == "reject" else grants).add(tuple(map(str, fact)))
            except ReconcilerError:
                refused.add(name)
            if lie is None:
                self.asked[name] = sender.asked
        return Beliefs(frozenset(grants), frozenset(blocks), frozenset(refused))

    def _questions(self) -> Iterator[tuple[str, Callable[[GitLabForge], Iterator[tuple[object, ...]]]]]:
        yield "open", self._open
        yield "brought", self._brought
        for number in self.requests:
            yield f"pull {number}", partial(self._pull, number)
            yield f"reviews {number}", partial(self._reviews, number)
            yield f"comments {number}", partial(self._comments, number)

    def _open(self, forge: GitLabForge) -> Iterator[tuple[object, ...]]:
        for pull in forge.open_pull_requests():
            yield "open", pull.number
            if pull.author_can_write and not pull.from_fork:
                yield "trusted", pull.number, pull.author

    def _brought(self, forge: GitLabForge) -> Iterator[tuple[object, ...]]:
        for commit, number in forge.merged_pull_requests(self.commits).items():
            yield "brought", commit, number

    def _pull(self, number: int, forge: GitLabForge) -> Iterator[tuple[object, ...]]:
        pull = forge.pull_request(number)
        if pull.author_can_write and not pull.from_fork:
            yield "trusted", pull.number, pull.author
        if pull.state is PullRequestState.MERGED:
            yield "merged", pull.number, pull.merged_at
            if pull.merged_by:
                yield "merged by", pull.number, pull.merged_by

    def _reviews(self, number: int, forge: GitLabForge) -> Iterator[tuple[object, ...]]:
        true = self.requests[number]
        for review in forge.reviews(number):
            if review.verdict is Verdict.REJECT:
                yield "reject", number, review.author
            counts = (review.commit, review.base) == (true.head, true.target_branch)
            if review.verdict is Verdict.APPROVE and counts and not review.author_is_bot:
                yield "approve", number, review.author

    def _comments(self, number: int, forge: GitLabForge) -> Iterator[tuple[object, ...]]:
        for comment in forge.comments(number):
            if comment.body and not comment.edited and not comment.author_is_bot:
                yield "comment", number, comment.author, comment.body

    def wrong(self, lie: Lie) -> str:
        """What a lie made it believe; empty where it believed nothing that grants."""
        now = self.look(lie)
        more = now.grants - self.beliefs.grants
        asked = {name for name, paths in self.asked.items() if lie[0] in paths} - now.refused
        lost = {fact for fact in self.beliefs.blocks - now.blocks if f"reviews {fact[1]}" in asked}
        return f"grants {sorted(more)}, lost {sorted(lost)}" if more or lost else ""


# --- lies


def leaves(content: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every value in an answer, inner ones and whole parts."""
    entries: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(content, dict):
        entries = iter(content.items())
    elif isinstance(content, list):
        entries = iter(enumerate(content))
    for name, value in entries:
        yield (*at, name)
        yield from leaves(value, (*at, name))


@cache
def words_of_the_adapter() -> frozenset[str]:
    """Every text in its source. A field that is not among them is read by nobody."""
    sources = Path(gitlab.__file__).parent.glob("*.py")
    return frozenset(found for source in sources for found in re.findall(r'"(\w+)"', source.read_text()))


def put(at: tuple[str | int, ...], value: Any) -> Callable[[Any], Any]:
    """Another value at a place; MISSING takes it away."""

    def lie(content: Any) -> Any:
        inner = content
        for name in at[:-1]:
            inner = inner[name]
        if value is MISSING:
            del inner[at[-1]]
        else:
            inner[at[-1]] = value
        return content

    return lie


MISSING = object()


def value_at(content: Any, at: tuple[str | int, ...]) -> Any:
    for name in at:
        content = content[name]
    return content


def another_type(value: Any) -> Any:
    """What JSON could have there by mistake."""
    if isinstance(value, bool):
        return "true"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return 7
    if isinstance(value, list):
        return {"0": value}
    return [value] if isinstance(value, dict) else {}
