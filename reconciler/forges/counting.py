"""A forge whose questions are counted: the same answers, and one call for each question before it is asked.

Knows the port's words and no forge. The rule: it adds no request, keeps nothing and changes no answer.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from reconciler.names import Revision
from reconciler.ports import ApiForge
from reconciler.state.forge import Comment, CommitStatus, PullRequest, Review


class Counts(Protocol):
    """Who counts."""

    def asked(self, kind: str) -> None:
        """A question of this kind, by the port's word for it, is about to be asked."""

    def open_ones(self, number: int) -> None:
        """So many pull requests are open."""


class CountedForge:
    """The forge behind it, to whoever asks."""

    def __init__(self, forge: ApiForge, counts: Counts) -> None:
        self._forge = forge
        self._counts = counts

    def open_pull_requests(self) -> tuple[PullRequest, ...]:
        self._counts.asked("open_pull_requests")
        found = self._forge.open_pull_requests()
        self._counts.open_ones(len(found))
        return found

    def pull_request(self, number: int) -> PullRequest:
        self._counts.asked("pull_request")
        return self._forge.pull_request(number)

    def merged_pull_requests(self, commits: Sequence[Revision]) -> Mapping[Revision, int]:
        self._counts.asked("merged_pull_requests")
        return self._forge.merged_pull_requests(commits)

    def reviews(self, number: int) -> tuple[Review, ...]:
        self._counts.asked("reviews")
        return self._forge.reviews(number)

    def comments(self, number: int) -> tuple[Comment, ...]:
        self._counts.asked("comments")
        return self._forge.comments(number)

    def write_comment(self, number: int, marker: str, body: str) -> str:
        self._counts.asked("write_comment")
        return self._forge.write_comment(number, marker, body)

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        self._counts.asked("set_status")
        self._forge.set_status(revision, status)

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        self._counts.asked("statuses")
        return self._forge.statuses(revision)

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        self._counts.asked("propose")
        return self._forge.propose(branch, head, title, body)

    def close(self) -> None:
        """End kept connections."""
        self._forge.close()
