"""Over which connection a cluster is reached: the one in force for its name, whatever revision a release stands on.

A release may stay as it is for months while its Cluster's endpoint or Credential is changed and the old access
withdrawn. Rule: what is derived for a release comes from the release's own revision; the way to its cluster from what
was accepted last for `cluster/NAME`, in the project that its environment was accepted in last (G4), and never from what
is only proposed, pushed or held. A plan that changes the connection itself looks over the proposed one; a connection
never goes back by a return, only by another accepted change. Whose cluster answers there is checked apart from that, by
the identity that was recorded (G11, "Address").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.app.sides import At
from reconciler.app.targets import Connections
from reconciler.errors import Untrusted
from reconciler.machine.ledger import Ledger
from reconciler.names import UnitKind, UnitRef
from reconciler.ports import HostApi, KubeApi
from reconciler.specs.desired import Desired

Planned = Mapping[UnitRef, Desired]  # clusters and environments that a plan holds itself, and which side names them


@dataclass(frozen=True, slots=True)
class Reach:
    """Says whose spec of a cluster counts now. `at`: a revision's side."""

    ledger: Callable[[], Ledger]
    at: At

    def side(self, cluster: str, sides: Sequence[Desired], planned: Planned | None = None) -> Desired:
        """The desired state whose spec of a cluster is used, with its environment as that is in force.

        `sides` answer for what nobody accepted yet, the first that names it; a check of the plan blocks that.
        """
        found = self._of(UnitRef(UnitKind.CLUSTER, cluster), sides, planned or {})
        if cluster not in found.clusters:
            return found
        name = found.clusters[cluster].spec.environment
        home = self._of(UnitRef(UnitKind.ENVIRONMENT, name), (found,), planned or {}).environments.get(name)
        if home is None or found.environments.get(name) is home:
            return found
        return replace(found, environments={**found.environments, name: home})

    def _of(self, ref: UnitRef, sides: Sequence[Desired], planned: Planned) -> Desired:
        if ref in planned:
            return planned[ref]
        state = self.ledger().units.get(str(ref))
        # of one that leaves, what it was: something of its releases may be there still
        known = (state.accepted, state.successful) if state is not None else ()
        accepted = (self.at(one.revision).desired for one in known if one is not None and not one.removed)
        return next((side for side in (*accepted, *sides) if names(side, ref)), sides[0])


def names(desired: Desired, ref: UnitRef) -> bool:
    """Whether a desired state has a cluster or an environment."""
    return ref.name in (desired.clusters if ref.kind is UnitKind.CLUSTER else desired.environments)


@dataclass(frozen=True, slots=True)
class Reached:
    """ports.Targets of some desired states, the first that names a host; clusters as they are in force."""

    connections: Connections
    reach: Reach
    sides: tuple[Desired, ...]
    planned: Planned = field(default_factory=dict)

    def kube(self, cluster: str) -> KubeApi:
        """By name."""
        return self.connections.kube(self.side(cluster), cluster)

    def side(self, cluster: str) -> Desired:
        """Whose spec of a cluster is used."""
        return self.reach.side(cluster, self.sides, self.planned)

    def host(self, host: str) -> HostApi:
        """By name."""
        return self.connections.host(next((side for side in self.sides if host in side.hosts), self.sides[0]), host)


def check_identity(api: KubeApi, cluster: str, identities: Mapping[str, str]) -> None:
    """Raise Untrusted where another cluster answers under the name than the one that was recorded."""
    known = identities.get(cluster, "")
    if known and api.facts().uid != known:
        message = f"applying to cluster {cluster}: it is another cluster than the accepted one"
        raise Untrusted(message, key="target_changed")
