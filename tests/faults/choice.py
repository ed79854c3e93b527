"""Which requests of a way back by steps meet which answer, where not every one can meet every one.

Answers that mean the same to us (kube/answers.py makes one error of them) take turns, so each request that changes
something meets one answer of every meaning, once and lasting, and each read meets two; the scenes shift against each
other. `pytest --faults every` is every answer at every request.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from reconciler.sandbox.cluster_http import Asked
from tests.faults.far_cluster import is_write
from tests.faults.refusing import OF_CHANGES, OF_WRITES, Fault, changes, meets

MEANINGS: Sequence[Sequence[Fault]] = (  # of a change
    (Fault.EXPIRED,),  # our credential is not taken
    (Fault.MOVED,),  # somebody else wrote
    (Fault.UNANSWERED,),  # nobody knows
    (Fault.FORBIDDEN, Fault.QUOTA, Fault.INVALID, Fault.DENIED),  # no
    (Fault.AWAY, Fault.BUSY, Fault.TERMINATING, Fault.NO_ANSWER, Fault.UNHEARD),  # not now
)
OF_READS: Sequence[Fault] = (  # no, a credential, not now: in turn
    *(Fault.FORBIDDEN, Fault.EXPIRED, Fault.AWAY, Fault.FORBIDDEN),
    *(Fault.BUSY, Fault.EXPIRED, Fault.NO_ANSWER, Fault.UNHEARD),
)


class Among(NamedTuple):
    """Some of the requests that meet a fault: those that `counts` says, of which every one that is `due` by number."""

    counts: Callable[[Asked], bool]
    due: Callable[[int], bool]


def everything(fault: Fault) -> Iterator[Among]:
    """Each request that can be answered so."""
    yield Among(meets(fault), lambda _: True)


def in_turn(fault: Fault, shift: int) -> Iterator[Among]:
    """The share of a fault. `shift` tells the turns of scenes apart, and of what happens once from what lasts."""
    (group,) = (one for one in MEANINGS if fault in one)
    which = is_write if fault in OF_WRITES else changes
    yield Among(which, lambda number: group[(number + shift) % len(group)] is fault)
    if fault in OF_READS and fault not in OF_CHANGES:
        yield Among(_reads, lambda number: OF_READS[(number + shift * 3) % len(OF_READS)] is fault)


def _reads(asked: Asked) -> bool:
    return not changes(asked)
