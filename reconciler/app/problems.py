"""Tells a pull request what is wrong with its specs: every problem with its place, as one comment."""

from dataclasses import dataclass, field

from reconciler.names import ticket_name
from reconciler.ports import ForgeWriter
from reconciler.report.neutral import fence
from reconciler.specs.desired import Desired
from reconciler.state.forge import PullRequest

MOST = 50  # problems in one comment; `reconciler validate` lists all
LONGEST = 1_000  # characters of one: all of them fit what a forge takes, or nobody would be told at all


@dataclass(slots=True)
class Problems:
    """Writes the comment, and edits it when the problems are solved. The status is the truth; this is for reading."""

    writer: ForgeWriter
    _told: set[int] = field(default_factory=set)

    def tell(self, pull: PullRequest, desired: Desired) -> None:
        """One comment; none where there never was a problem."""
        marker = f"<!-- reconciler:problems {ticket_name(pull.number)} -->"
        if desired.problems:
            lines = [f" {problem}" for problem in desired.problems[:MOST]]
            more = len(desired.problems) - len(lines)
            tail = f"\n{more} more: `reconciler validate` lists them all.\n" if more else "\n"
            head = f"{marker}\n### Problems in the specs: {len(desired.problems)}\n\n"
            words = "What they describe is not planned until they are solved.\n\n"
            self.writer.write_comment(
                pull.number, marker, head + words + fence(lines, language="text", cap=LONGEST) + tail
            )
            self._told.add(pull.number)
        elif pull.number in self._told:
            self.writer.write_comment(pull.number, marker, f"{marker}\nThe specs are valid now.\n")
            self._told.discard(pull.number)
