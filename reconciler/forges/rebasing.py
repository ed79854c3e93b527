"""Which commits of a branch a rebase merge made, where a forge names the last of them alone (G17).

Knows Git and what a rebase keeps of a commit: its author's e-mail and its message.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Commit
from reconciler.names import Revision


@dataclass(frozen=True, slots=True)
class Picked:
    """What a rebase keeps of a commit."""

    email: str
    message: str

    @classmethod
    def of(cls, commit: Commit) -> "Picked":
        """Of a commit that we have."""
        return cls(commit.author.email, commit.message.strip())


def rebased(repository: BareRepository, last: Revision, picked: Sequence[Picked]) -> tuple[Revision, ...]:
    """The commits before `last` that the same rebase made, newest first; none where it was no rebase.

    `picked`: the pull request's own commits, newest first.
    """
    commit = history.commit(repository, last)
    left = list(picked)
    found: list[Revision] = []
    while len(commit.parents) == 1 and Picked.of(commit) in left:
        found.append(commit.id)
        del left[: left.index(Picked.of(commit)) + 1]
        commit = history.commit(repository, commit.parents[0])
    return tuple(found[1:])
