"""What a forge has to offer so that the contract suite can be run on it: people who push, open, review and merge.

A forge is plugged in by an entry in FORGES: a name and a function from a temporary folder to a ForgeUnderTest. What a
forge's people cannot do is left out of `features`, and then the rule that needs it is skipped by name.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from reconciler.names import Revision
from reconciler.ports import Forge, ForgeWriter

ANA, BEN, CLEO = "ana", "ben", "cleo"  # people of every forge under test, with the right to push


Started = Callable[[str], Any]  # a server's fixture, by name


class Feature(StrEnum):
    """What not every forge has."""

    FORKS = "forks"
    WORDLESS = "approvals and rejections without words"
    LOST_ANSWERS = "lost answers"  # the world can cut an answer after the forge did what was asked


class How(StrEnum):
    """How a pull request is merged."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


class Says(StrEnum):
    """What a review says."""

    APPROVE = "approve"
    REJECT = "reject"
    COMMENT = "comment"


class ForgeUnderTest(Protocol):
    """One forge with one repository whose tracked branch `main` has a commit with the file `a.yaml`.

    `forge` and `writer` are what the gate sees; everything else is what people do with plain Git and the forge's pages.
    """

    features: frozenset[Feature]
    many: int  # more than one page of anything
    own_login: str  # what the forge calls us

    @property
    def forge(self) -> Forge: ...
    @property
    def writer(self) -> ForgeWriter: ...

    def push(self, who: str, branch: str, files: Mapping[str, str], *, on: Revision | None = None) -> Revision:
        """Commit files on a branch (or on the commit `on`, then by force) and push it; a new branch starts at main."""

    def delete_branch(self, who: str, branch: str) -> None: ...
    def tip(self, branch: str) -> Revision: ...

    def brought(self, before: Revision, after: Revision) -> tuple[Revision, ...]:
        """The commits that a branch has at `after` and had not at `before`, by Git alone."""

    def local_commit(self, files: Mapping[str, str]) -> Revision:
        """A commit on top of main that nobody pushed, where `writer.propose` finds it."""

    def open(self, who: str, branch: str, *, base: str = "main", title: str = "a title", body: str = "") -> int: ...
    def open_from_fork(self, who: str, files: Mapping[str, str]) -> int: ...
    def comment(self, who: str, number: int, body: str) -> str: ...
    def edit_comment(self, who: str, number: int, comment: str, body: str) -> None: ...
    def review(self, who: str, number: int, says: Says, body: str = "") -> str: ...
    def dismiss(self, who: str, number: int, review: str) -> None: ...
    def assign(self, who: str, number: int, assignees: tuple[str, ...]) -> None: ...
    def retarget(self, who: str, number: int, base: str) -> None: ...
    def close(self, who: str, number: int) -> None: ...
    def reopen(self, who: str, number: int) -> None: ...
    def merge(self, who: str, number: int, how: How) -> None: ...

    def lost_answer(self) -> AbstractContextManager[None]:
        """The first write inside is done by the forge, and its answer never arrives."""

    def writes(self) -> int:
        """How many writes the forge has seen so far."""


def _embedded(folder: Path, _: Started) -> ForgeUnderTest:
    from tests.contracts.forge_embedded import EmbeddedUnderTest

    return EmbeddedUnderTest(folder)


def _gitea(folder: Path, started: Started) -> ForgeUnderTest:
    from tests.contracts.forge_gitea import GiteaUnderTest

    return GiteaUnderTest(folder, started("real_gitea"))


def _gitlab(folder: Path, started: Started) -> ForgeUnderTest:
    from tests.contracts.forge_gitlab import GitLabUnderTest

    return GitLabUnderTest(folder, started("fake_gitlab"))


def _github(folder: Path, started: Started) -> ForgeUnderTest:
    from tests.contracts.forge_github import GitHubUnderTest

    return GitHubUnderTest(folder, started("fake_github"))


FORGES: dict[str, Callable[[Path, Started], ForgeUnderTest]] = {
    "embedded": _embedded,
    "gitea": _gitea,
    "gitlab": _gitlab,
    "github": _github,
}
REAL = frozenset({"gitea"})  # need a server


def opened(world: ForgeUnderTest, branch: str = "feature", **files: str) -> int:
    """A pull request by ana with one commit on a branch of its own."""
    world.push(ANA, branch, files or {f"{branch}.yaml": "new: 1\n"})
    return world.open(ANA, branch)
