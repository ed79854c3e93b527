"""Dependencies -> batches: what can be done together, in which order. A cycle is an error that names its members."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from reconciler.errors import Refused


def batches_of(dependencies: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Nodes by dependency level: outer in order, inner sorted and free of order.

    `dependencies` maps each node to what must be done before it; a dependency that is not a node is not waited for.
    Raises Refused(validation_error) naming the cycle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for node, needed in dependencies.items():
        sorter.add(node, *(other for other in needed if other in dependencies))
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " -> ".join(node for node in error.args[1])
        raise Refused(f"ordering the plan: dependency cycle {cycle}", key="validation_error") from error
    levels: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = tuple(sorted(sorter.get_ready()))
        levels.append(ready)
        sorter.done(*ready)
    return tuple(levels)
