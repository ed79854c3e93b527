"""Before a rollout goes back: whoever still works forward on it, after standing still, can write nothing more (G25).

The rule it keeps: the parents are taken for the return's turn, and each object that the rollout may still write is
written once as it stands, also where the return begins anew after a crash. So a writer that looked before finds it
moved (409), and one that looks later the parent.
What is not reached is a creation that was on its way. A canary's undoes itself (kube/write.py) where its writer lives.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from reconciler.app.operations import Order
from reconciler.app.perform import SIDE_BY_SIDE
from reconciler.app.reaching import check_identity
from reconciler.app.verifying import object_in
from reconciler.names import ObjectRef
from reconciler.plan.change import Plan
from reconciler.plan.diff import same
from reconciler.plan.units import ref_of
from reconciler.ports import DesiredObjects, KubeApi, Targets
from reconciler.state.observed import Json, ObservedObject
from reconciler.together import all_of


def fence(
    targets: Targets,
    wanted: Sequence[DesiredObjects],
    rollout: Plan,
    order: Order,
    identities: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Fence a rollout's objects of these releases. `wanted`: what they go back to; `order`: the return's;
    `identities`: the recorded ones of clusters, for another cluster is written to by nobody."""
    actions = [action for batch in rollout.batches for action in batch if action.object is not None]
    by_cluster: dict[str, dict[str, set[ObjectRef]]] = {}
    for action in actions:
        cluster, release = action.target.partition("/")[2], action.unit.partition("/")[2]
        by_cluster.setdefault(cluster, {}).setdefault(release, set()).add(object_in(action))
    for cluster, touched in sorted(by_cluster.items()):
        api = targets.kube(cluster)
        check_identity(api, cluster, identities)
        _fence(api, [one for one in wanted if one.release in touched], touched, order)


def _fence(api: KubeApi, wanted: Sequence[DesiredObjects], touched: Mapping[str, set[ObjectRef]], order: Order) -> None:
    if not wanted:
        return
    for one in wanted:
        api.begin(one.release, one.namespace, order.generation, order.event, order.turn)
    observed = api.observe(wanted)
    tasks = []
    for one in wanted:
        bodies: dict[ObjectRef, Json] = {ref_of(body): body for body in one.objects}
        for ref in sorted(touched[one.release] & bodies.keys()):
            item = observed[one.release].objects.get(ref)
            if item is not None and _stands(item, one.release) and item.event != order.event:  # not again after a crash
                apply = partial(api.apply, one.release, bodies[ref], ignored=one.ignored.get(ref, ()))
                tasks.append(partial(apply, generation=order.generation, expected_uid=item.uid))
    all_of(tasks, SIDE_BY_SIDE)


def _stands(item: ObservedObject, release: str) -> bool:
    """Whether it is already what the return wants, so that the return itself would not write it."""
    return item.exists and item.failure is None and item.owner == release and same(item.live, item.result)
