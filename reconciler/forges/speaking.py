"""What we say on a forge, whichever it is: one comment, statuses, proposals.

Knows the order of reading and writing, and no forge's paths or fields: those are each forge's own. Rules: what a write
would say is read first, so that saying it again writes nothing; our comment is found by its marker among our own; a
write whose answer was lost leaves what stands unknown, and it is read again; our branches are moved by compare-and-swap
and never dropped.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar, Generic, Protocol, TypeVar

from reconciler.errors import ReconcilerError
from reconciler.forges.asking import Reading, Request
from reconciler.forges.believing import Believed
from reconciler.forges.keeping import Kept
from reconciler.forges.proposing import place
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.state.forge import Comment, CommitStatus, PullRequest, Review

S = TypeVar("S")


class Asks(Protocol):
    """The builders of what is said about one repository."""

    def say(self, number: int, body: str, /) -> Request: ...
    def say_instead(self, number: int, comment: str, body: str, /) -> Request: ...
    def open_pull(self, branch: str, base: str, title: str, text: str, /) -> Request: ...


class Speaking(ABC, Generic[S]):
    """One repository, as the account whose token it is. `S` is what is known of a status that stands.

    `tracked` is the branch that pull requests are merged into, `key` the public line of the key that we sign with.
    """

    NUMBER: ClassVar[str] = "number"  # the field of an answer that numbers a pull request
    OPENED_ALREADY: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT

    def __init__(self, sender: Sender, asks: Asks, mirror: Mirror, clock: Clock, *, tracked: str, key: str) -> None:
        self._sender = sender
        self._says = asks
        self._mirror = mirror
        self._clock = clock
        self._tracked = tracked
        self._key = key
        self._own = ""
        self._kept = Kept(clock)
        self._believed: Believed[S] = Believed(clock)

    def close(self) -> None:
        """End kept connections."""
        self._sender.close()

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All of them, in order of submission."""
        return self._kept.get(number, "reviews", lambda: self._reviews(number))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them that everybody sees, ours too, in order of creation."""
        return self._kept.get(number, "comments", lambda: self._comments(number))

    def own_login(self) -> str:
        """Whose token it is."""
        if not self._own:
            self._own = self._myself()
        return self._own

    def write_comment(self, number: int, marker: str, body: str) -> str:
        """Create or edit in place our one comment with this marker; its id."""
        text = self._harmless(body if marker in body else f"{body}\n<!-- {marker} -->\n")
        own = self.own_login()
        for comment in self._comments(number):
            if comment.author != own or marker not in comment.body:
                continue
            if comment.body.strip() != text.strip():
                self._sender.send(self._says.say_instead(number, comment.id, text))
            return comment.id
        return str(self._one(self._says.say(number, text)).number("id"))

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        """Push `head`, which is in the mirror, as a branch and open a pull request against the tracked branch."""
        known = self._proposed(branch)
        place(self._mirror, branch, head, key=self._key, proposed=known is not None)
        if known is not None:
            return known.number
        try:
            request = self._says.open_pull(branch, self._tracked, title, self._harmless(body))
            return self._one(request).number(self.NUMBER)
        except ForgeRefusal as refusal:
            if refusal.status == self.OPENED_ALREADY and (made := self._proposed(branch)) is not None:
                return made.number
            raise

    @abstractmethod
    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        """The latest of each context, by context; what is ours of them is believed from now on."""

    def _standing(self, revision: Revision) -> dict[str, S]:
        """What is believed to stand on a commit, read where that is too long ago."""
        if (found := self._believed.standing(revision)) is None:
            self.statuses(revision)
            found = self._believed.standing(revision)
        return found if found is not None else {}

    def _proposed(self, branch: str) -> PullRequest | None:
        own = self.own_login()
        return next(
            (
                one
                for one in self._open_of(branch)
                if one.head_ref == branch and one.base == self._tracked and one.author == own and not one.from_fork
            ),
            None,
        )

    def _one(self, request: Request) -> Reading:
        answer = self._sender.send(request)
        return Reading.of(answer.what, answer.content)

    def _harmless(self, text: str) -> str:
        """A text of which the forge does nothing but show it."""
        return text

    @abstractmethod
    def _myself(self) -> str: ...
    @abstractmethod
    def _reviews(self, number: int) -> tuple[Review, ...]: ...
    @abstractmethod
    def _comments(self, number: int) -> tuple[Comment, ...]: ...
    @abstractmethod
    def _open_of(self, branch: str) -> Iterable[PullRequest]:
        """The open pull requests among which one of this branch would be."""


class Setting(Speaking[CommitStatus]):
    """Where a status is set by one request, and the newest of a context stands."""

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        """Say something about a commit, unless exactly that is said already."""
        standing = self._standing(revision)
        if standing.get(status.context) == status:
            return
        try:
            self._sender.send(self._setting(revision, status))
        except ReconcilerError:
            self._believed.forget(revision)
            raise
        standing[status.context] = status

    @abstractmethod
    def _setting(self, revision: Revision, status: CommitStatus) -> Request: ...
