"""The audit branch as anybody with a clone reads it: plain JSON, in order, without the product's own reader.

Knows commits, their new files under `events/`, and the `entry` in each. Also what a fresh fold of all of it gives, by
the product's fold, to be compared with what a running process believes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pygit2

from reconciler.git.bare import BareRepository
from reconciler.names import Revision

AUDIT = "refs/heads/reconciler/audit"


def text_of(commit: pygit2.Commit, path: str) -> str:
    """A file of a commit, as text."""
    found = commit.tree[path]
    assert isinstance(found, pygit2.Blob)
    return found.data.decode()


@dataclass(frozen=True, slots=True)
class Told:
    """One entry. `order` counts audit commits from the first one."""

    order: int
    kind: str
    entry: dict[str, Any]


@dataclass(slots=True)
class Chronicle:
    """Reads what was appended since the last time."""

    origin: BareRepository
    order: dict[str, int] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _last: Revision | None = None

    def tip(self) -> Revision | None:
        """Where the branch stands."""
        return self.origin.ref(AUDIT)

    def read_on(self) -> list[Told]:
        """What is new. A branch that lost its last commit is a problem of its own."""
        tip = self.tip()
        fresh = list(reversed(list(self._back(tip))))
        if self._last is not None and (not fresh and tip != self._last):
            self.problems.append("the audit branch does not descend from what was read before")
        found = []
        for commit in fresh:
            self.order[str(commit.id)] = len(self.order)
            found += list(self._entries(commit))
        self._last = tip
        self.told += found
        return found

    def _back(self, tip: Revision | None) -> Iterator[pygit2.Commit]:
        at = self.origin.commit(tip) if tip is not None and tip != self._last else None
        while at is not None:
            yield at
            parents = at.parent_ids
            if not parents or str(parents[0]) == self._last:
                if not parents and self._last is not None:
                    self.problems.append("the audit branch was started again")
                return
            at = self.origin.commit(Revision(str(parents[0])))

    def _entries(self, commit: pygit2.Commit) -> Iterator[Told]:
        repository = self.origin.objects
        before = repository[commit.parent_ids[0]].peel(pygit2.Tree) if commit.parent_ids else None
        diff = (
            commit.tree.diff_to_tree(before, swap=True) if before is not None else commit.tree.diff_to_tree(swap=True)
        )
        names = sorted(delta.new_file.path for delta in diff.deltas if delta.new_file.path.startswith("events/"))
        for name in names:
            event = json.loads(text_of(commit, name))
            entry = (event.get("detail") or {}).get("entry")
            if entry:
                yield Told(self.order[str(commit.id)], entry["type"], entry)
