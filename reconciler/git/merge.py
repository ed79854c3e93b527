"""What merging gives, without a work tree.

Knows `git merge-tree --write-tree`, git's own merge. Knows no ref. The rule: the tree that a preview is made on is
the tree that the later merge, squash or rebase has while the base stands still (G6; measured: L10), so all three come
from the same merge.
"""

from dataclasses import dataclass

from reconciler.errors import Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person, serialise
from reconciler.git.outcry import quoted
from reconciler.git.paths import as_text
from reconciler.names import Revision

MOST_KEPT = 1_000  # merges that are remembered


@dataclass(frozen=True, slots=True)
class MergedTree:
    """The tree that a clean merge gives."""

    tree: str


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """The paths, as text, that cannot be merged. Empty where two histories have nothing in common."""

    paths: tuple[str, ...]


Merged = MergedTree | MergeConflict


def merge_tree(repository: BareRepository, tip: Revision, head: Revision) -> Merged:
    """What merging `head` into `tip` gives. Nothing is kept but unnamed objects.

    Two commits always merge to the same, so git is asked once; open pull requests are looked at in every round.
    """
    known = repository.merges.get((tip, head))
    if isinstance(known, MergeConflict) or (isinstance(known, MergedTree) and repository.has(Revision(known.tree))):
        return known
    made = _merged(repository, tip, head)
    if len(repository.merges) >= MOST_KEPT:
        repository.merges.clear()
    repository.merges[tip, head] = made
    return made


def _merged(repository: BareRepository, tip: Revision, head: Revision) -> Merged:
    answer = repository.git(
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        "-z",
        "--end-of-options",
        tip,
        head,
        allowed=range(256),
    )
    first, *others = answer.out.split(b"\0")
    tree = first.decode(errors="replace")
    if answer.code == 0 and len(tree) == 40:
        return MergedTree(tree)
    if answer.code == 1 and len(tree) == 40:
        return MergeConflict(tuple(sorted({as_text(path) for path in others if path})))
    if "unrelated histories" in answer.err:
        return MergeConflict(())
    for revision in (tip, head):
        repository.commit(revision)  # says so where one of them is not here
    repository.mark()
    raise Unavailable(f"merging {head} into {tip}: git merge-tree: exit {answer.code}: {quoted(answer.err)}")


def transplant(
    repository: BareRepository, tree: str, before: str, after: str, person: Person
) -> MergedTree | MergeConflict:
    """What the step from tree `before` to tree `after` makes of `tree`: one pick of a rebase.

    git 2.38 cannot be told a merge base, so three unnamed commits give it one.
    """
    root = _unnamed(repository, before, (), person)
    ours, theirs = (_unnamed(repository, side, (root,), person) for side in (tree, after))
    return merge_tree(repository, ours, theirs)


def _unnamed(repository: BareRepository, tree: str, parents: tuple[Revision, ...], person: Person) -> Revision:
    return repository.write_commit(serialise(tree, parents, person, person, tree))
