"""Stopping traffic for a while: taking a release's pods away, and never leaving it so.

Rules (G23): nothing rests where traffic is stopped. A hold waits until it is restored, and whatever fails in between
gives the pods back to what stands, as many as each had, before the failure is told. How many is read from the
workload itself, which the write that stopped it told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.app.jobs import release_of
from reconciler.app.operations import Order
from reconciler.app.reaching import check_identity
from reconciler.app.verifying import object_in
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.way_back import pods_of
from reconciler.ports import DesiredObjects, KubeApi, Targets

SCALES = frozenset({ActionKind.STOP_TRAFFIC, ActionKind.RESTORE_TRAFFIC})


def scale(api: KubeApi, action: Action, order: Order) -> None:
    """Take a workload's pods away, or give them back. Asked again, it finds it done."""
    ref, release = object_in(action), release_of(action)
    if action.kind is ActionKind.STOP_TRAFFIC:
        api.stop(release, ref, generation=order.generation, expected_uid=action.uid)
    else:
        api.restore(release, ref, generation=order.generation, expected_uid=action.uid, replicas=pods_of(action))


def is_away(plan: Plan, batch: int) -> bool:
    """Whether traffic is stopped before a batch of a plan, and comes back with this or a later one."""
    stopped = {one.unit for one in _of(plan.batches[:batch], ActionKind.STOP_TRAFFIC)}
    return any(one.unit in stopped for one in _of(plan.batches[batch:], ActionKind.RESTORE_TRAFFIC))


def stopped_by(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Clusters, and the releases there whose traffic a plan stops on its way."""
    found: dict[str, tuple[str, ...]] = {}
    for action in _of(plan.batches, ActionKind.STOP_TRAFFIC):
        cluster = action.target.partition("/")[2]
        found[cluster] = tuple(dict.fromkeys((*found.get(cluster, ()), release_of(action))))
    return found


@dataclass(frozen=True, slots=True)
class Traffic:
    """Gives pods back. `still` raises where this is no longer ours to do, after the target was taken."""

    targets: Targets
    wanted: Callable[[Iterable[str]], Sequence[DesiredObjects]]
    still: Callable[[], None]
    identities: Mapping[str, str] = field(default_factory=dict)  # recorded UID of kube-system by cluster

    def let_in(self, releases: Mapping[str, Sequence[str]], order: Order) -> tuple[str, ...]:
        """Give back what was stopped of these releases, by cluster; what got its pods back, in words."""
        told = []
        for cluster, names in sorted(releases.items()):
            api = self.targets.kube(cluster)
            check_identity(api, cluster, self.identities)
            asked = [replace(one, stopped=True) for one in self.wanted(names)]
            found = api.observe(asked)
            away = [
                (one.release, item)
                for one in asked
                for item in found[one.release].objects.values()
                if item.exists and item.owner == one.release and item.stopped is not None
            ]
            for release in sorted({release for release, _ in away}):
                namespace = next(one.namespace for one in asked if one.release == release)
                api.begin(release, namespace, order.generation, order.event, order.turn)
            if away:
                self.still()
            for release, item in away:
                api.restore(release, item.ref, generation=order.generation, expected_uid=item.uid, replicas=None)
                told.append(f"{item.ref} is given back its {item.stopped} pods")
        return tuple(told)


def _of(batches: Iterable[Iterable[Action]], kind: ActionKind) -> list[Action]:
    return [one for batch in batches for one in batch if one.kind is kind]
