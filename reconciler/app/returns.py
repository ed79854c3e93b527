"""Which units go back together, and after whom.

Rule: what a release depends on goes back before it, as in every plan; where that is what broke, a release that went
first would not be ready, and what broke would never go back. What each version needs is said by the version that is
gone back to. Units that were accepted at one commit go back in one plan as far as that holds, and the rest in the order
of names: the same whoever goes on after a crash.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from reconciler.machine.entry import Accepted
from reconciler.names import Revision, UnitKind, UnitRef
from reconciler.plan.ask import Side

Needs = Mapping[str, frozenset[str]]  # by unit: the units that it depends on


def in_turns(to: Iterable[Accepted], at: Callable[[Revision], Side]) -> Iterator[tuple[Accepted, ...]]:
    """What goes back together, each part after those that it depends on; each of one revision."""
    left = sorted(to, key=lambda one: one.unit)
    needs = {one.unit: _needed(one, at(one.revision)) for one in left}
    while left:
        parts = (_together(one.revision, left, needs) for one in left)
        # versions that never stood together may need each other in a circle: then one of them has to be the first
        part = next((found for found in parts if found), {left[0].unit})
        yield tuple(one for one in left if one.unit in part)
        left = [one for one in left if one.unit not in part]


def _together(revision: Revision, left: Collection[Accepted], needs: Needs) -> set[str]:
    """The units of a revision that need nothing more of what is left, but each other."""
    found = {one.unit for one in left if one.revision == revision}
    others = {one.unit for one in left} - found
    while waits := {unit for unit in found if needs[unit] & others}:
        found -= waits
        others |= waits
    return found


def _needed(one: Accepted, side: Side) -> frozenset[str]:
    ref = UnitRef.parse(one.unit)
    release = side.desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
    names = release.spec.depends_on if release is not None else ()
    return frozenset(str(UnitRef(UnitKind.RELEASE, name)) for name in names)
