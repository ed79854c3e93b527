"""The files of a revision by folder.

Rules: a path names what Git's tree holds, nothing else; a link anywhere on the way or beneath is a problem and is never
followed (contracts: architecture, decision 10).
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from reconciler.specs.finding import Hints
from reconciler.specs.source import TreeEntry, is_strange, printable, says_link


@dataclass(frozen=True, slots=True)
class Found:
    """The files at or under a path, in order of their paths, and what is wrong there: path and words."""

    files: tuple[TreeEntry, ...] = ()
    wrong: tuple[tuple[str, str, str], ...] = ()  # path, message, hint


class Tree:
    """Entries by path."""

    def __init__(self, entries: Iterable[TreeEntry]) -> None:
        self._entries = sorted(entries)
        self._paths = [entry.path for entry in self._entries]
        self._hints = Hints()
        self._unfollowable = {entry.path: entry for entry in self._entries if not entry.followable}

    def under(self, path: str) -> Found:
        """What stands at a path (a file) or beneath it (a folder)."""
        path = path.rstrip("/")
        steps = path.split("/")
        for number in range(1, len(steps) + 1):
            link = self._unfollowable.get("/".join(steps[:number]))
            if link is not None:
                return Found(wrong=((printable(link.path), f"{says_link(link)}, and those are not followed", ""),))
        found = self._beneath(path)
        if not found:
            return Found(wrong=((path, "nothing stands there", self._hints.near(path, self._folders)),))
        wrong = [
            (printable(entry.path), f"{says_link(entry)}, and those are not followed", "put the files themselves here")
            for entry in found
            if not entry.followable
        ]
        wrong += [
            (printable(entry.path), "this path is not one that can be used", "")
            for entry in found
            if is_strange(entry.path)
        ]
        return Found(tuple(entry for entry in found if entry.followable and not is_strange(entry.path)), tuple(wrong))

    def is_file(self, path: str) -> bool:
        """Whether a plain file stands at a path."""
        at = bisect_left(self._paths, path)
        return at < len(self._paths) and self._paths[at] == path and self._entries[at].followable

    def is_folder(self, path: str) -> bool:
        """Whether files stand beneath a path."""
        at = bisect_left(self._paths, f"{path}/")
        return at < len(self._paths) and self._paths[at].startswith(f"{path}/")

    def _beneath(self, path: str) -> list[TreeEntry]:
        found = []
        at = bisect_left(self._paths, path)
        if at < len(self._paths) and self._paths[at] == path:
            found.append(self._entries[at])
        for prefix in (f"{path}/", f'"{path}/'):  # in quotes stands a name that is refused below, never passed over
            at = bisect_left(self._paths, prefix)
            while at < len(self._paths) and self._paths[at].startswith(prefix):
                found.append(self._entries[at])
                at += 1
        return found

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(path.rpartition("/")[0] for path in self._paths) - {""}
