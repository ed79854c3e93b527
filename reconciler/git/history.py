"""What happened between two commits.

Knows ancestry and what a move of a ref means. Knows no policy. The rule: a ref that vanished, went back or lost its
history is told apart from one that moved forward, and an absent commit is never taken for an ancestor (threat T8,
faults F7, F8).
"""

from enum import StrEnum

import pygit2
from pygit2.enums import ObjectType, SortMode

from reconciler.git import commits as bytes_of
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Commit
from reconciler.git.merge import MergedTree, merge_tree
from reconciler.names import Revision

HEX = 40  # digits of a whole id


class Movement(StrEnum):
    """How a ref went from one commit to another."""

    UNCHANGED = "unchanged"
    FORWARD = "forward"  # also a ref that is new
    REWOUND = "rewound"  # back, or sideways from a common ancestor (amend, rebase, force-push)
    UNRELATED = "unrelated"  # nothing in common, or the old commit is not to be had any more
    VANISHED = "vanished"


def movement(repository: BareRepository, old: Revision | None, new: Revision | None) -> Movement:
    """How a ref moved; None stands for a ref that does not exist."""
    if old == new:
        return Movement.UNCHANGED
    if new is None:
        return Movement.VANISHED
    if old is None:
        return Movement.FORWARD
    if not repository.has(old):
        return Movement.UNRELATED
    if is_ancestor(repository, old, new):
        return Movement.FORWARD
    return Movement.REWOUND if merge_base(repository, old, new) else Movement.UNRELATED


def merge_base(repository: BareRepository, one: Revision, other: Revision) -> Revision | None:
    """The best common ancestor; None where there is none."""
    for revision in (one, other):
        repository.commit(revision)
    with repository.reading(f"the common ancestor of {one} and {other}"):
        found = repository.objects.merge_base(pygit2.Oid(hex=one), pygit2.Oid(hex=other))
        return Revision(str(found)) if found else None


def is_ancestor(repository: BareRepository, ancestor: Revision, revision: Revision) -> bool:
    """Whether `revision` is `ancestor` or descends from it."""
    for one in (ancestor, revision):
        repository.commit(one)
    if ancestor == revision:
        return True
    with repository.reading(f"the history of {revision}"):
        return bool(repository.objects.descendant_of(pygit2.Oid(hex=revision), pygit2.Oid(hex=ancestor)))


def is_commit(repository: BareRepository, revision: Revision) -> bool:
    """Whether an object of this id is here and is a commit itself, no tag of one."""
    if not repository.has(revision):
        return False
    with repository.reading(f"object {revision}"):
        return repository.objects.odb.read_header(pygit2.Oid(hex=revision))[0] == ObjectType.COMMIT


def found(repository: BareRepository, text: str) -> Revision | None:
    """The commit whose id begins with these lower-case hexadecimal digits; None where there is none, or several."""
    try:
        whole = Revision(str(repository.objects.expand_id(text)) if len(text) < HEX else text)
    except (KeyError, ValueError):
        return None
    return whole if is_commit(repository, whole) else None


def commit(repository: BareRepository, revision: Revision) -> Commit:
    """One commit, whole."""
    return bytes_of.parse(revision, repository.raw_commit(revision))


def commits(repository: BareRepository, base: Revision | None, head: Revision) -> tuple[Commit, ...]:
    """What `head` brings in beside what `base` has, parents before children; everything where base is None."""
    return _walk(repository, base, head, first_parent=False)


def first_parent(repository: BareRepository, base: Revision | None, head: Revision) -> tuple[Commit, ...]:
    """The commits that a branch itself went through from `base` (excluded) to `head`, oldest first."""
    return _walk(repository, base, head, first_parent=True)


def resolve(repository: BareRepository, name: str) -> Revision | None:
    """The commit that a full ref name stands for, also through annotated tags; None where it does not exist."""
    found = repository.ref(name)
    return Revision(str(repository.commit(found).id)) if found else None


def clean_merge_of_tracked(repository: BareRepository, revision: Revision, tracked: Revision) -> bool:
    """Whether a commit merges the tracked branch and its tree is git's own clean merge of its two parents (G14)."""
    merged = commit(repository, revision)
    if len(merged.parents) != 2 or not any(is_ancestor(repository, parent, tracked) for parent in merged.parents):
        return False
    return merge_tree(repository, *merged.parents) == MergedTree(merged.tree)


def _walk(
    repository: BareRepository, base: Revision | None, head: Revision, *, first_parent: bool
) -> tuple[Commit, ...]:
    for revision in (base, head):
        if revision is not None:
            repository.commit(revision)
    with repository.reading(f"the history from {base} to {head}"):
        walker = repository.objects.walk(pygit2.Oid(hex=head), SortMode.TOPOLOGICAL | SortMode.REVERSE)
        if first_parent:
            walker.simplify_first_parent()
        if base is not None:
            walker.hide(pygit2.Oid(hex=base))
        return tuple(commit(repository, Revision(str(found.id))) for found in walker)
