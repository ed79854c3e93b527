"""Revert pull requests: a branch whose tree is the tracked one with one landing taken out again (contracts: G18, G21).

Returning to the accepted state needs no approval of its own, but it is a pull request like any other: nothing is
pushed to the tracked branch by us.
"""

from dataclasses import dataclass

from reconciler.errors import ReconcilerError, Refused
from reconciler.git import history, signatures
from reconciler.git.commits import Person, serialise
from reconciler.git.keys import SigningKey
from reconciler.git.merge import MergeConflict, transplant
from reconciler.git.mirror import Mirror
from reconciler.names import SHORT, Revision
from reconciler.ports import Clock, ForgeWriter

EMAIL = "reconciler@invalid"
TITLE = "Revert "


@dataclass(frozen=True, slots=True)
class Reverts:
    """Opens revert pull requests as the reconciler."""

    mirror: Mirror
    writer: ForgeWriter
    clock: Clock
    key: SigningKey

    def ours(self, head: Revision) -> bool:
        """Whether a head is a revert that we wrote: our signature says so, whoever pushed or opened it."""
        found = history.commit(self.mirror.repository, head)
        try:
            return found.message.startswith(TITLE) and signatures.verify_commit(found).key == self.key.public.line
        except ReconcilerError:
            return False

    def propose(self, *, before: Revision, landed: Revision, tip: Revision, reason: str) -> int:
        """The number of a pull request that takes the step `before`..`landed` out. Raises Refused on a conflict."""
        repository = self.mirror.repository
        person = Person("reconciler", EMAIL, self.clock.now())
        now, after, earlier = (history.commit(repository, revision).tree for revision in (tip, landed, before))
        undone = transplant(repository, now, after, earlier, person)
        if isinstance(undone, MergeConflict):
            raise Refused(
                f"reverting {landed[:SHORT]}: later commits touch the same places: {', '.join(undone.paths[:5])}",
                key="resource_conflict",
                hint="write the revert by hand, as a pull request",
            )
        title = f"{TITLE}{landed[:SHORT]}"
        parts = (undone.tree, (tip,), person, person, f"{title}\n\n{reason}\n")
        commit = repository.write_commit(serialise(*parts, self.key.sign(serialise(*parts), "git")))
        return self.writer.propose(f"reconciler/revert-{landed[:SHORT]}", commit, title, reason)
