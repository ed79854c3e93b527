"""The ports Forge and ForgeWriter on GitHub.

Knows requests, answers and two senders: GraphQL has another root and another limit. Rules: what a write would say is
read first, so that saying it again writes nothing; our comment is found by its marker among our own, our status by who
set it; REST is asked wherever it says enough, because an unchanged answer is free there; what an edited review says is
nobody's word; our branches are moved by compare-and-swap and never dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from reconciler.errors import ReconcilerError
from reconciler.forges.asking import Reading, Request
from reconciler.forges.believing import Believed
from reconciler.forges.github import answers, requests
from reconciler.forges.github.answers import Desk, Words
from reconciler.forges.github.merges import Merges
from reconciler.forges.github.requests import FULL, Repository
from reconciler.forges.keeping import Kept
from reconciler.forges.proposing import place
from reconciler.forges.retargeting import Retarget, base_at
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import Comment, CommitStatus, PullRequest, Review

FRESH = timedelta(minutes=10)  # how long an account's right to write is believed


@dataclass(frozen=True, slots=True)
class Account:
    """How GitHub is asked, and as whom. `login`: how an App learns its own; an account's is asked for."""

    rest: Sender
    graph: Sender
    login: Callable[[], str] | None = None


class GitHubForge:
    """One repository, as the account or the App whose token it is.

    `tracked` is the branch that pull requests are merged into, `key` the public line of the key that we sign with.
    """

    def __init__(
        self, account: Account, repository: Repository, mirror: Mirror, clock: Clock, *, tracked: str, key: str
    ) -> None:
        self._sender = account.rest
        self._graph = account.graph
        self._repository = repository
        self._mirror = mirror
        self._clock = clock
        self._tracked = tracked
        self._key = key
        self._ask_own = account.login or self._user
        self._own = ""
        self._kept = Kept(clock)
        self._may: dict[str, tuple[datetime, bool]] = {}
        self._said: dict[tuple[Revision, str], CommitStatus] = {}
        self._believed = Believed(clock)  # of which `_said` has every status that is ours
        self._read: dict[int, tuple[tuple[tuple[str, str], ...], frozenset[str]]] = {}

    def close(self) -> None:
        """End kept connections."""
        self._sender.close()
        self._graph.close()

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        """All open ones, by number."""
        desk = self._desk()
        entries = self._sender.whole(self._repository.open_pulls())
        found = [self._judged(answers.pull_request(one, desk, whole=False)) for one in entries]
        stamps = zip(found, entries, strict=True)
        self._kept.listed({one.number: (entry.text("updated_at"), one.head, one.base) for one, entry in stamps})
        return tuple(sorted(found, key=lambda one: one.number))

    def pull_request(self, number: int) -> PullRequest:
        """Raises Rejected where there is none of this number."""
        self._kept.forget(number)
        return self._judged(self._pull(number))

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        """The pull request that brought each of these commits to the tracked branch; others are not in the answer."""
        return Merges(self._sender, self._desk(), self._mirror.repository, self._tracked).find(commits)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All of them, in order of submission."""
        return self._kept.get(number, "reviews", lambda: self._reviews(number))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them, ours too, in order of creation."""
        return self._kept.get(number, "comments", lambda: self._comments(number))

    def _reviews(self, number: int) -> tuple[Review, ...]:
        entries = self._sender.whole(self._repository.reviews(number))
        if not entries:
            return ()
        desk = self._desk()
        now = self._pull(number).base  # before its changes: one that comes in between is seen
        changes = self._retargets(number, now, desk)
        own_words = self._unedited(number, entries)
        found = []
        for one in entries:
            edited = answers.may_quote(one) and one.text("node_id") not in own_words
            said = answers.review(one, desk, number, edited=edited)
            if said is not None:
                found.append(replace(said, base=base_at(now, changes, said.submitted_at)))
        return tuple(sorted(found, key=lambda one: (one.submitted_at, int(one.id))))

    def _comments(self, number: int) -> tuple[Comment, ...]:
        own, desk = self.own_login(), self._desk()
        entries = self._sender.whole(self._repository.comments(number))
        found = [answers.comment(one, desk, number, own=own) for one in entries]
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
        """Say something about a commit, unless we say exactly that already: GitHub takes a thousand for a context."""
        at = (revision, status.context)
        if not self._believed.stands(revision):
            self.statuses(revision)
        if self._said.get(at) == status:
            return
        self._said.pop(at, None)
        try:
            self._sender.send(self._repository.set_status(revision, status))
        except ReconcilerError:
            self._believed.forget(revision)  # until an answer is here nobody knows
            raise
        self._said[at] = status

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        own = self.own_login()
        entries = self._sender.whole(self._repository.statuses(revision))
        found = answers.latest_statuses(entries, self._desk(), revision)
        self._said = {at: said for at, said in self._said.items() if at[0] != revision}
        self._said |= {(revision, one.status.context): one.status for one in found if one.by == own}
        self._believed.read(revision)
        return tuple(one.status for one in found)

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        """Push `head`, which is in the mirror, as a branch and open a pull request against the tracked branch."""
        known = self._proposed(branch)
        place(self._mirror, branch, head, key=self._key, proposed=known is not None)
        if known is not None:
            return known.number
        try:
            return self._one(self._repository.open_pull(branch, self._tracked, title, body)).number("number")
        except ForgeRefusal as refusal:
            if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY and (made := self._proposed(branch)) is not None:
                return made.number
            raise

    def own_login(self) -> str:
        """Whose token it is."""
        if not self._own:
            self._own = self._ask_own()
        return self._own

    def _user(self) -> str:
        return self._one(requests.myself()).text("login")

    def _desk(self) -> Desk:
        return Desk(self._repository, self._clock.now())

    def _pull(self, number: int) -> PullRequest:
        reading = self._one(self._repository.pull(number))
        return answers.pull_request(reading, self._desk(), whole=True, number=number)

    def _judged(self, pull: PullRequest) -> PullRequest:
        return replace(pull, author_can_write=bool(pull.author) and self._may_write(pull.author))

    def _may_write(self, login: str) -> bool:
        """Asked again after a while. What GitHub does not tell is no right: whose account it does not know, an App."""
        at, said = self._may.get(login, (None, False))
        now = self._clock.now()
        if at is None or not timedelta() <= now - at < FRESH:
            try:
                said = answers.may_write(self._one(self._repository.permission(login)), login)
            except ForgeRefusal as refusal:
                if refusal.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                    raise
                said = False
            self._may[login] = (now, said)
        return said

    def _retargets(self, number: int, now: str, desk: Desk) -> tuple[Retarget, ...]:
        """REST tells for nothing whether the base ever changed, and only GraphQL from what to what."""
        if not answers.was_retargeted(self._sender.whole(self._repository.timeline(number))):
            return ()
        return answers.retargets(self._graph.send(self._repository.bases(number)), desk, number, now)

    def _unedited(self, number: int, entries: Sequence[Reading]) -> frozenset[str]:
        """The reviews that quote something in their author's own words: anybody who may push can edit them (G13)."""
        words = tuple((one.text("node_id"), one.maybe("body")) for one in entries if answers.may_quote(one))
        known, found = self._read.get(number, ((), frozenset()))
        if words == known:
            return found
        told: dict[str, Words] = {}
        for start in range(0, len(words), FULL):
            nodes = [node for node, _ in words[start : start + FULL]]
            told |= answers.words(self._graph.send(self._repository.edits(number, nodes)))
        found = frozenset(node for node, body in words if told.get(node) == Words(body, edited=False))
        if all(node in told and told[node].body == body for node, body in words):
            self._read[number] = (words, found)  # otherwise the two APIs are not of the same moment: ask again
        return found

    def _proposed(self, branch: str) -> PullRequest | None:
        own, desk = self.own_login(), self._desk()
        entries = self._sender.whole(self._repository.open_pulls_of(branch, self._tracked))
        pulls = (answers.pull_request(one, desk, whole=False) for one in entries)
        return next(
            (
                one
                for one in pulls
                if one.head_ref == branch and one.base == self._tracked and one.author == own and not one.from_fork
            ),
            None,
        )

    def _one(self, request: Request) -> Reading:
        answer = self._sender.send(request)
        return Reading.of(answer.what, answer.content)
