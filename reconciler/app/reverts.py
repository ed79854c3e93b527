"""Revert pull requests: a branch whose tree is the tracked one with one landing taken out again (contracts: G18, G21).

Returning to the accepted state needs no approval of its own, but it is a pull request like any other: nothing is
pushed to the tracked branch by us. Why it is proposed stands in the pull request as code, for it is a person's word;
the commit does not say it, because forges close issues and call people for what a commit says.
"""

from dataclasses import dataclass

from reconciler.errors import ReconcilerError
from reconciler.git import history, signatures
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.reverting import Step, revert
from reconciler.names import SHORT, Revision
from reconciler.ports import Clock, ForgeWriter
from reconciler.report.neutral import code

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
        person = Person("reconciler", EMAIL, self.clock.now())
        title = f"{TITLE}{landed[:SHORT]}"
        step = Step(before, landed, tip)
        commit = revert(self.mirror.repository, step, f"{title}\n", person, self.key)
        return self.writer.propose(f"reconciler/revert-{landed[:SHORT]}", commit, title, code(reason))
