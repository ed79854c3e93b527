"""Whether a merge that a record claims really happened.

Knows commits, trees and branches; believes no record. The rule: a claim came true when its commit stands on the base
branch itself (by first parents), has exactly the parents and the content that merging, squashing or rebasing this head
onto this parent gives, and nobody decided anything about the pull request in between without seeing it there. A claim
whose commit never reached the branch says nothing: the pull request is still open.

Why the order can be known without a server's clock: whoever reviews, dismisses, retargets or closes records where the
base branch stood, and so do we whenever we comment. So nobody can claim a merge early, wait until the approval is
withdrawn or ran out, and push then.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pygit2

from reconciler.forges.embedded.log import is_ancestor, is_commit
from reconciler.forges.embedded.record import Method
from reconciler.forges.embedded.thread import Claim, Thread
from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Commit, Person
from reconciler.git.merge import MergedTree, merge_tree
from reconciler.git.write import rebase
from reconciler.names import Revision

MOST_PICKS = 250  # commits that a rebase takes over one by one; others are squashed or merged
CLAIM_LIFE = timedelta(minutes=10)  # a branch moves seconds after its record, or its owner is gone
PROVEN = "reconciler-proven"  # in the mirror's folder: digests of claims whose content was compared already


class Reach:
    """Which commits stand on one branch by first parents. Each commit of the branch is walked about once."""

    def __init__(self) -> None:
        self._tip: Revision | None = None
        self._on: set[Revision] = set()
        self._off: set[Revision] = set()

    def found(self, repository: BareRepository, tip: Revision | None, wanted: set[Revision]) -> set[Revision]:
        """Those of the wanted commits that are on the branch, whose tip is given (None: it does not exist)."""
        if tip is None:
            return set()
        if tip != self._tip:
            fresh = self._walk(repository, tip, set(self._off), self._tip) if self._tip else None
            if fresh is None:
                self._on, self._off = set(), set()
            else:
                self._on |= fresh
                self._off -= fresh
            self._tip = tip
        unknown = wanted - self._on - self._off
        if unknown:
            reached = self._walk(repository, tip, unknown, None) or set()
            self._on |= reached
            self._off |= unknown - reached
        return wanted & self._on

    def _walk(
        self, repository: BareRepository, tip: Revision, wanted: set[Revision], until: Revision | None
    ) -> set[Revision] | None:
        """Wanted commits from `tip` down to `until` (excluded); None where `until` is not below."""
        reached: set[Revision] = set()
        with repository.reading(f"the history of {tip}"):
            walker = repository.objects.walk(pygit2.Oid(hex=tip))
            walker.simplify_first_parent()
            for commit in walker:
                name = Revision(str(commit.id))
                if name == until:
                    return reached
                if name in wanted:
                    reached.add(name)
                    if until is None and reached == wanted:
                        return reached
        return reached if until is None else None


class Landing:
    """Answers about claims, kept while the branches grow. `compared` counts claims whose content was made again."""

    def __init__(self) -> None:
        self.compared = 0
        self._branches: dict[str, Reach] = {}
        self._proven: set[str] | None = None
        self._seen: dict[tuple[Revision, Revision], bool] = {}

    def landed(
        self, repository: BareRepository, tips: Mapping[str, Revision], threads: Iterable[Thread]
    ) -> dict[int, Claim]:
        """The claim that came true of each of these pull requests that has one, by number."""
        claims: dict[str, list[tuple[Thread, Claim]]] = {}
        for thread in threads:
            for claim in thread.claims:
                claims.setdefault(claim.base, []).append((thread, claim))
        found: dict[int, Claim] = {}
        for base, listed in claims.items():
            wanted = {claim.merge_commit for _, claim in listed}
            reach = self._branches.setdefault(base, Reach())
            on = reach.found(repository, tips.get(f"refs/heads/{base}"), wanted)
            for thread, claim in listed:
                if claim.merge_commit in on and self._stands(repository, thread, claim):
                    first = found.get(thread.number, claim)
                    found[thread.number] = min(first, claim, key=lambda one: one.position)
        return found

    def brought(self, repository: BareRepository, claim: Claim) -> tuple[Revision, ...]:
        """Every commit that a claim that came true brought to its base branch."""
        return tuple(commit.id for commit in history.commits(repository, claim.parent, claim.merge_commit))

    def _stands(self, repository: BareRepository, thread: Thread, claim: Claim) -> bool:
        return self._content(repository, claim) and not self._undone(repository, thread, claim)

    def _undone(self, repository: BareRepository, thread: Thread, claim: Claim) -> bool:
        for sighting in thread.sightings:
            if sighting.position <= claim.position:
                continue
            if self._sees(repository, sighting.tip, claim.merge_commit):
                if sighting.ours:
                    return False  # we saw it there; nothing later changes that
            elif sighting.decisive or (sighting.ours and sighting.at > claim.at + CLAIM_LIFE):
                return True
        return False

    def _sees(self, repository: BareRepository, tip: Revision, commit: Revision) -> bool:
        if (tip, commit) not in self._seen:
            known = is_commit(repository, tip) if tip else True
            answer = is_ancestor(repository, commit, tip)
            if not known:
                return answer  # it may still come
            self._seen[tip, commit] = answer
        return self._seen[tip, commit]

    def _content(self, repository: BareRepository, claim: Claim) -> bool:
        name = hashlib.sha256(
            " ".join((claim.method, claim.parent, claim.head, claim.merge_commit)).encode()
        ).hexdigest()
        if self._proven is None:
            self._proven = _remembered(repository)
        if name in self._proven:
            return True
        if not all(is_commit(repository, one) for one in (claim.parent, claim.head, claim.merge_commit)):
            return False
        self.compared += 1
        if not _comes_from(repository, claim):
            return False
        self._proven.add(name)
        _remember(repository, name)
        return True


def _comes_from(repository: BareRepository, claim: Claim) -> bool:
    """Whether the merge commit is what the method makes of head and parent."""
    made = history.commit(repository, claim.merge_commit)
    if claim.method is Method.REBASE:
        return _rebased(repository, claim, made)
    expected = (claim.parent, claim.head) if claim.method is Method.MERGE else (claim.parent,)
    return made.parents == expected and merge_tree(repository, claim.parent, claim.head) == MergedTree(made.tree)


def _rebased(repository: BareRepository, claim: Claim, made: Commit) -> bool:
    if claim.parent == made.id or not is_ancestor(repository, claim.parent, made.id):
        return False
    if len(history.commits(repository, claim.parent, claim.head)) > MOST_PICKS:
        return False
    again = rebase(repository, claim.parent, claim.head, committer=Person("", "", made.committer.at))
    if not isinstance(again, str):
        return False
    return _steps(repository, claim.parent, made.id) == _steps(repository, claim.parent, Revision(again))


def _steps(repository: BareRepository, base: Revision, tip: Revision) -> list[tuple[int, str]]:
    """How many parents each commit has and its tree, so that a range equals another only step by step."""
    return [(len(commit.parents), commit.tree) for commit in history.commits(repository, base, tip)]


def _remembered(repository: BareRepository) -> set[str]:
    with contextlib.suppress(OSError):
        return {
            line for line in (repository.path / PROVEN).read_text("ascii", "replace").splitlines() if len(line) == 64
        }
    return set()


def _remember(repository: BareRepository, name: str) -> None:
    """A cache: lines of fixed length, appended at once; one that is lost is compared again."""
    with contextlib.suppress(OSError), (repository.path / PROVEN).open("a", encoding="ascii") as file:
        file.write(f"{name}\n")
