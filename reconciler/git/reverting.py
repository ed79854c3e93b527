"""A commit that takes one step of the tracked branch out again (contracts: G18, G21).

Knows commits and keys, no forge and no ref: whoever proposes it pushes it. It is written on the tip, so it merges.
"""

from dataclasses import dataclass

from reconciler.errors import Refused
from reconciler.git import history
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person, serialise
from reconciler.git.keys import SigningKey
from reconciler.git.merge import MergeConflict, transplant
from reconciler.names import SHORT, Revision


@dataclass(frozen=True, slots=True)
class Step:
    """From `before` to `landed`; `tip` is what the branch says now."""

    before: Revision
    landed: Revision
    tip: Revision


def revert(repository: BareRepository, step: Step, message: str, person: Person, key: SigningKey) -> Revision:
    """The signed commit. Raises Refused where later commits touched the same places."""
    now, after, earlier = (
        history.commit(repository, revision).tree for revision in (step.tip, step.landed, step.before)
    )
    undone = transplant(repository, now, after, earlier, person)
    if isinstance(undone, MergeConflict):
        raise Refused(
            f"reverting {step.landed[:SHORT]}: later commits touch the same places: {', '.join(undone.paths[:5])}",
            key="resource_conflict",
            hint="write the revert by hand, as a pull request",
        )
    parts = (undone.tree, (step.tip,), person, person, message)
    return repository.write_commit(serialise(*parts, key.sign(serialise(*parts), "git")))
