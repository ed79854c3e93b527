"""The ports Forge and ForgeWriter on GitHub.

Knows requests, answers and two senders: GraphQL has another root and another limit. Rules: what is said is
said as in speaking.py, and our status is found by who set it; REST is asked wherever it says enough, because an
unchanged answer is free there; what an edited review says is nobody's word.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from reconciler.forges.asking import Reading, Request
from reconciler.forges.github import answers, guarding, requests
from reconciler.forges.github.answers import Desk, Words
from reconciler.forges.github.merges import Merges
from reconciler.forges.github.requests import FULL, Repository
from reconciler.forges.retargeting import Retarget, base_at
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.forges.speaking import Setting
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import Access, Comment, CommitStatus, Guard, OwnRules, PullRequest, Review

FRESH = timedelta(minutes=10)  # how long an account's right to write is believed


@dataclass(frozen=True, slots=True)
class Account:
    """How GitHub is asked, and as whom. `login`: how an App learns its own; an account's is asked for."""

    rest: Sender
    graph: Sender
    login: Callable[[], str] | None = None


class GitHubForge(Setting):
    """One repository, as the account or the App whose token it is.

    `tracked` is the branch that pull requests are merged into, `key` the public line of the key that we sign with.
    """

    OPENED_ALREADY = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(
        self, account: Account, repository: Repository, mirror: Mirror, clock: Clock, *, tracked: str, key: str
    ) -> None:
        super().__init__(account.rest, repository, mirror, clock, tracked=tracked, key=key)
        self._graph = account.graph
        self._repository = repository
        self._ask_own = account.login
        self._may: dict[str, tuple[datetime, bool]] = {}
        self._read: dict[int, tuple[tuple[tuple[str, str], ...], frozenset[str]]] = {}

    def close(self) -> None:
        """End kept connections."""
        super().close()
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

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context."""
        own = self.own_login()
        entries = self._sender.whole(self._repository.statuses(revision))
        found = answers.latest_statuses(entries, self._desk(), revision)
        self._believed.read(revision, {one.status.context: one.status for one in found if one.by == own})
        return tuple(one.status for one in found)

    def access(self) -> Access:
        """What our account may do, by its role; what its token may is told of an App's alone, which has it from us."""
        reading, own = self._one(self._repository.itself()), self.own_login()
        collaborators = self._seen(self._repository.collaborators())
        return Access(
            own,
            may_write=guarding.writes(reading, "push"),
            may_administer=guarding.writes(reading, "admin"),
            writers=None if collaborators is None else guarding.writers(collaborators, own),
            excess=() if self._ask_own else None,
        )

    def guard(self, branch: str) -> Guard:
        """How a branch is protected."""
        try:
            found = self._one(self._repository.branch(branch))
        except ForgeRefusal as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            self._one(self._repository.itself())  # the branch is unknown, or all of the repository is out of sight
            return Guard(branch, exists=False)
        return guarding.guard(found, branch, self._seen(self._repository.rules(branch)))

    def own_rules(self, branch: str) -> OwnRules:
        """Which reviews GitHub asks for before a merge."""
        rules = self._seen(self._repository.rules(branch))
        return OwnRules(*guarding.own_rules(self._one(self._repository.branch(branch)), rules))

    def _seen(self, request: Request) -> tuple[Reading, ...] | None:
        """A list; None where it is not for this token's eyes."""
        try:
            return self._sender.whole(request)
        except ForgeRefusal as refusal:
            if refusal.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            return None

    def _myself(self) -> str:
        return self._ask_own() if self._ask_own else self._one(requests.myself()).text("login")

    def _setting(self, revision: Revision, status: CommitStatus) -> Request:
        return self._repository.set_status(revision, status)

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

    def _open_of(self, branch: str) -> Iterator[PullRequest]:
        desk = self._desk()
        entries = self._sender.whole(self._repository.open_pulls_of(branch, self._tracked))
        return (answers.pull_request(one, desk, whole=False) for one in entries)
