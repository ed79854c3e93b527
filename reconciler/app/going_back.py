"""Whether a release's plan goes back by steps of its own.

Rule: it does where it leads to the very artifact that ran before the accepted one (G21), and nowhere else.
"""

from collections.abc import Iterator, Mapping

from reconciler.machine.ledger import SUCCESSES
from reconciler.machine.states import UnitState
from reconciler.names import UnitRef
from reconciler.plan.ask import Side
from reconciler.plan.way_back import Leaving, leaving, only_numbers
from reconciler.specs.desired import Desired

UNFINISHED = frozenset({"failed", "rollback_failed"})  # something of it was done, and it did not end well


def going_back(
    states: Mapping[UnitRef, UnitState], proposed: Side, accepted: Mapping[UnitRef, Side]
) -> Iterator[tuple[UnitRef, Leaving]]:
    """Releases that lead back to what ran before, with the steps of the version that they leave.

    One that was rolled back runs its old artifact again already, and of one that is suspended nothing was done.
    """
    for ref, state in states.items():
        target = state.previous if state.outcome in SUCCESSES else state.successful
        unit = proposed.units.get(ref)
        if unit is None or target is None or state.outcome == "rolled_back" or state.accepted.suspended:
            continue
        if unit.artifact == target.artifact != state.accepted.artifact and not target.removed:
            found = leaves(accepted[ref].desired, proposed.desired, ref.name)
            if found is not None:
                yield ref, found


def leaves(left: Desired, to: Desired, name: str, done: frozenset[int] = frozenset()) -> Leaving | None:
    """The steps of a release's way from one side back to another; None where it goes as every release does.

    A version that differs in numbers of pods alone, or in no object, has nothing to walk back.
    """
    release, source, target = left.releases.get(name), left.sources.get(name), to.sources.get(name)
    if release is None or source is None or (target is not None and only_numbers(source.objects, target.objects)):
        return None
    return leaving(release.spec, source.jobs, done)
