"""Faults of one process of the reconciler: what it cannot reach, and where it dies.

A process dies at the n-th effect from now, before or after the effect happened; from then on every thread of it dies
at its next effect, as a killed process does. `Crash` is no Exception, so nothing in the product catches it.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.errors import Unavailable

AWAY = "it is away"  # how everything that is cut off here ends its words


class Crash(BaseException):
    """The process is gone."""


class Line(StrEnum):
    """What a process may be cut off from."""

    GIT = "git"
    FORGE = "forge"
    CLUSTER = "cluster"


@dataclass(slots=True)
class Lifeline:
    """One process. `countdown` is how many effects it still gets; None: it lives on."""

    cut: set[Line] = field(default_factory=set)
    countdown: int | None = None
    after: bool = False  # the last effect happens, and its answer is never heard
    dead: bool = False
    visitor: Callable[[], None] | None = None  # somebody who acts while this process stands still before an effect
    visit_in: int = 0

    def reach(self, line: Line) -> None:
        """Raises Unavailable where the line is cut, Crash where the process is dead."""
        if self.dead:
            raise Crash
        if line in self.cut:
            raise Unavailable(f"reaching {line}: {AWAY}")

    @contextlib.contextmanager
    def effect(self, _what: str) -> Iterator[None]:
        """Around everything that changes the world."""
        if self.dead:
            raise Crash
        self.visit_in -= 1
        if self.visitor is not None and self.visit_in <= 0:
            visitor, self.visitor = self.visitor, None
            visitor()
        last = False
        if self.countdown is not None:
            self.countdown -= 1
            last = self.countdown <= 0
        if last:
            self.dead = True
            if not self.after:
                raise Crash
        yield
        if last:
            raise Crash
