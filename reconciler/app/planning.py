"""Plans of what lies between two revisions: which units, which targets to look at, and the look itself.

Knows when it may look (G4): only where the author has `apply`, and only at accepted addresses; otherwise the plan is
static. The policy in force decides, never the revision under review (G2).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.app import addresses, wants
from reconciler.app.credentials import normal_address
from reconciler.app.desire import Desires
from reconciler.app.going_back import UNFINISHED, going_back, going_to_older, ran, what_runs
from reconciler.app.journal import Journal
from reconciler.app.observe import Wanted, observe
from reconciler.app.pinning import Asking, Pinner, Settled
from reconciler.app.reaching import Planned, Reach, Reached, names
from reconciler.app.settings import Settings
from reconciler.app.targets import Connections
from reconciler.approval.policy import Policies, Policy
from reconciler.errors import ReconcilerError
from reconciler.machine.entry import Accepted
from reconciler.machine.states import UnitState
from reconciler.names import POLICY, Revision, UnitKind, UnitRef
from reconciler.plan import adoption
from reconciler.plan.change import Change, Check, Plan, PlanSet
from reconciler.plan.guards import PruneLimits
from reconciler.plan.make import PlanAsk, Side, make_plan, plan_set
from reconciler.plan.part import error
from reconciler.plan.sharing import by_environment
from reconciler.plan.units import Place, touched
from reconciler.plan.way_back import Leaving
from reconciler.ports import Clock, DesiredObjects, Targets
from reconciler.specs.desired import Desired
from reconciler.state.bundle import Bundle
from reconciler.state.observed import Failure, Observed

MayLook = Callable[[str], bool]  # by environment: whether the author may have its targets looked at
NONE: frozenset[str] = frozenset()
NOBODY = Asking()  # no registry is asked
Wanting = Callable[[UnitRef], bool]  # whether a unit of a step is still to be planned


def everything(_unit: UnitRef) -> bool:
    """Every unit of a step is wanted."""
    return True


@dataclass(frozen=True, slots=True)
class Return:
    """What a return is by: the steps of releases that have some, and by unit all that it may take away."""

    leaving: Mapping[UnitRef, Leaving]
    made: Mapping[UnitRef, frozenset[Place]]


@dataclass(slots=True)
class Planner:
    """Makes plans. One for the process."""

    desires: Desires
    journal: Journal
    connections: Connections
    settings: Settings
    clock: Clock
    key: bytes
    pinner: Pinner

    @property
    def reach(self) -> Reach:
        """Over which connections clusters are reached."""
        return Reach(lambda: self.journal.ledger, self.desires.at)

    def policy(self) -> Policy:
        """The policy in force: the accepted one; before any, only root signers may do anything."""
        return self.policies().in_force

    def policies(self) -> Policies:
        """Every accepted policy with the time from which it held (G2, G14)."""
        forge = self.settings.forge_kind
        root = Policy.of(None, {}, {}, {}, root_signers=self.settings.root_signers, forge=forge)
        accepted = []
        for since, revision in self.journal.ledger.policies:
            desired = self.desires.at(revision).desired
            policy = Policy.of(
                desired.settings,
                desired.roles,
                desired.users,
                desired.bindings,
                root_signers=self.settings.root_signers,
                forge=forge,
            )
            accepted.append((since, policy))
        return Policies(root, tuple(accepted))

    def units_between(
        self, before: Revision | None, after: Revision, wanted: Wanting = everything
    ) -> Mapping[str, tuple[UnitRef, ...]]:
        """Units that a step touches and that need a plan, by environment (G7). `before` None: everything."""
        new = self.desires.at(after)
        old = self.desires.at(before) if before is not None else Side(new.desired)
        ledger = self.journal.ledger
        needed = [
            ref
            for ref in touched(old.units, new.units)
            if ledger.needs_plan(str(ref), new.units[ref].artifact if ref in new.units else None) and wanted(ref)
        ]
        owners = [(ref, unit.environment) for side in (old, new) for ref, unit in side.units.items()]
        return by_environment(needed, owners)

    def between(
        self,
        before: Revision | None,
        after: Revision,
        may_look: MayLook,
        *,
        only: Collection[str] | None = None,
        wanted: Wanting = everything,
        asking: Asking = NOBODY,
    ) -> PlanSet:
        """The plans of a step from one revision to another; of some environments alone where `only` names them.

        `asking`: where the pins of images come from.
        """
        grouped = self.units_between(before, after, wanted)
        side = self.desires.at(after)
        checks: tuple[Check, ...] = ()
        if POLICY in grouped and len(grouped) > 1:
            message = "a change of policy (Settings, Role, RoleBinding, User) travels alone"
            checks = (
                error("", "policy_not_in_force", message, "move the other changes to a pull request of their own"),
            )
        planned = {name: units for name, units in grouped.items() if only is None or name in only}
        settled = self.pinner.settle(
            side,
            [ref for units in planned.values() for ref in units],
            asking,
            lambda name: may_look(name) and side.desired.may_plan(name),
        )
        return plan_set(
            tuple(
                self._pinned(environment, units, settled, looks=may_look(environment), checks=checks)
                for environment, units in planned.items()
            )
        )

    def _pinned(
        self, environment: str, units: tuple[UnitRef, ...], settled: Settled, *, looks: bool, checks: tuple[Check, ...]
    ) -> Plan:
        """One environment's plan with its images pinned, but for those of objects that are taken over as they run.

        An object whose pods start anew whatever its image is called is pinned as any other (G27).
        """

        def made(by: Settled) -> Plan:
            said = tuple(dict.fromkeys(check for ref in units for check in by.said(ref)))
            return by.marked(self.plan(environment, units, by.side, looks=looks, checks=(*checks, *said)))

        plan = made(settled)
        renamed = settled.taken_over(change for change in plan.changes if _image_changes(change))
        silent = settled.taken_over(plan.changes)
        loose = {
            ref: found
            for ref in renamed.keys() | silent.keys()
            if (
                found := renamed.get(ref, NONE) & settled.concerned(ref)
                | silent.get(ref, NONE) & settled.unanswered.get(ref, NONE)
            )
        }
        if not loose:
            return plan
        tried = self.pinner.without(settled, loose)
        plan = made(tried)
        stay = tried.taken_over(c for c in plan.changes if not c.restarts and not _image_changes(c))
        kept = {ref: images & stay.get(ref, NONE) for ref, images in loose.items()}
        return plan if kept == loose else made(self.pinner.without(settled, kept))

    def plan(
        self,
        environment: str,
        units: tuple[UnitRef, ...],
        proposed: Side,
        *,
        looks: bool,
        checks: tuple[Check, ...] = (),
        healing: bool = False,
        back: Return | None = None,
    ) -> Plan:
        """One environment's plan towards a side. `back`: it is a return."""
        ledger = self.journal.ledger
        states = {ref: ledger.units[str(ref)] for ref in units if str(ref) in ledger.units}
        accepted = {ref: self.desires.at(state.accepted.revision) for ref, state in states.items()}
        found: list[Check] = [*checks, *self._never_accepted(units, proposed)]
        bundles = self._bundles(proposed, accepted)
        going = back.leaving if back is not None else None
        older = frozenset[UnitRef]()
        if going is None:
            older = frozenset(going_to_older(states, proposed, self.desires.at, self._runs))
            going = dict(going_back(states, proposed, accepted, self.desires.at, self._runs, self._moved))
        observed: Observed | None = None
        if environment != POLICY and looks:
            try:
                if not self.new_targets(self._reach(units, proposed, accepted)):
                    observed = self._look(
                        environment, units, proposed, accepted, bundles, going, returning=back is not None
                    )
            except ReconcilerError as failure:
                found.append(error("", failure.key, failure.message, failure.hint()))
        prune = self.policy().settings.prune
        return make_plan(
            PlanAsk(
                environment=environment,
                units=units,
                proposed=proposed,
                accepted=accepted,
                accepted_at={ref: state.accepted.revision for ref, state in states.items()},
                observed=observed,
                bundles=bundles,
                known_uids=ledger.clusters,
                limits=PruneLimits(prune.max_percent, prune.max_objects),
                key=self.key,
                checks=tuple(found),
                fresh=frozenset(ref for ref in units if ref not in states or _never_stood(states[ref])),
                neighbours=self.neighbours(),
                returning=back is not None,
                made=back.made if back is not None else {},
                healing=healing,
                leaving=going,
                older=older,
                unfinished=frozenset(ref for ref, state in states.items() if state.outcome in UNFINISHED),
                otherwise={
                    ref: self.desires.at(state.successful.revision) if state.successful is not None else None
                    for ref, state in states.items()
                    if state.successful != state.accepted
                },
            )
        )

    def _moved(self, ref: UnitRef, state: UnitState) -> bool:
        """Whether more than its objects may have changed by what was accepted last of a release."""
        rollout = self.journal.ledger.rollouts.get((state.environment, state.generation))
        if rollout is None or state.outcome != "failed":
            return True
        return str(ref) in rollout.owing or ran(rollout, self._plan_at(rollout.passed.path), str(ref))

    def _runs(self, ref: UnitRef, state: UnitState) -> Accepted | None:
        """What stands of a release, where what was accepted last is not it."""
        return what_runs(ref, state, self.journal.ledger.rollouts, self._plan_at)

    def _plan_at(self, path: str) -> Plan:
        return Plan.model_validate_json(self.journal.file(path))

    def _never_accepted(self, units: tuple[UnitRef, ...], proposed: Side) -> Iterator[Check]:
        """A new release stands on an environment and a cluster that were accepted, or are by this very plan (G7)."""
        accepted = self.journal.ledger.accepted()
        for ref in units:
            release = proposed.desired.releases.get(ref.name) if ref.kind is UnitKind.RELEASE else None
            if release is None:
                continue
            needed = [UnitRef(UnitKind.ENVIRONMENT, release.spec.environment)]
            needed += [UnitRef(UnitKind.CLUSTER, release.spec.cluster)] if release.spec.cluster is not None else []
            for one in needed:
                if one not in units and str(one) not in accepted and one in proposed.units:
                    message = f"{ref} stands on {one}, which nobody approved yet: its own change is still held"
                    yield error(str(ref), "environment_status_invalid", message, f"approve the change of {one} first")

    def neighbours(self) -> tuple[Desired, ...]:
        """Every accepted side: what is planned by nobody now counts for the risk of what shares its target (G3)."""
        units = self.journal.ledger.accepted().values()
        revisions = {state.accepted.revision for state in units if not state.accepted.removed}
        return tuple(self.desires.at(revision).desired for revision in sorted(revisions))

    def _bundles(self, proposed: Side, accepted: Mapping[UnitRef, Side]) -> Mapping[str, Bundle | Failure]:
        """The bundles of both sides: what leaves is taken down by the bundle that it was installed from."""
        found: dict[str, Bundle | Failure] = {}
        for side in (*accepted.values(), proposed):
            found |= self.desires.found_bundles(side.desired)
        return found

    def unaccepted(self, units: tuple[UnitRef, ...], proposed: Side) -> frozenset[str]:
        """Addresses that a look at these units would reach and that nobody accepted yet."""
        return self.new_targets(self._reach(units, proposed, {}))

    def new_targets(self, wanted: frozenset[str]) -> frozenset[str]:
        """Those of some addresses that a look may not reach yet (G4)."""
        ledger = self.journal.ledger
        found = set(ledger.sighted)
        for unit, state in ledger.accepted().items():
            if not state.accepted.removed:
                desired = self.desires.at(state.accepted.revision).desired
                ref = UnitRef.parse(unit)
                found |= addresses.reached(desired, [ref])
                found |= self._reached([ref], desired, {}) if ref.kind is UnitKind.CLUSTER else frozenset()
        return addresses.new_targets(wanted, found, set(map(normal_address, self.settings.accepted_addresses)))

    def _reach(self, units: tuple[UnitRef, ...], proposed: Side, accepted: Mapping[UnitRef, Side]) -> frozenset[str]:
        planned = _planned(units, proposed, accepted)
        found = self._reached(units, proposed.desired, planned)
        for ref, side in accepted.items():
            found |= self._reached([ref], side.desired, planned)
        return found

    def _reached(self, units: Iterable[UnitRef], own: Desired, planned: Planned) -> frozenset[str]:
        return addresses.reached(own, units, lambda cluster: self.reach.side(cluster, (own,), planned))

    def _look(
        self,
        environment: str,
        units: tuple[UnitRef, ...],
        proposed: Side,
        accepted: Mapping[UnitRef, Side],
        bundles: Mapping[str, Bundle | Failure],
        leaving: Mapping[UnitRef, Leaving],
        *,
        returning: bool,
    ) -> Observed:
        """Look at what the units live on, on both sides: what leaves a target is found by its accepted spec.

        No host is contacted for the sake of a bundle that does not check, nor for the one that it would replace.
        """
        distrusted = _distrusted(proposed.desired, environment, bundles)
        clusters: dict[str, tuple[Targets, tuple[DesiredObjects, ...]]] = {}
        hosts: dict[str, Targets] = {}
        planned = _planned(units, proposed, accepted)
        for ref in units:
            for side in (proposed, accepted.get(ref)):
                if side is None:
                    continue
                targets = Reached(self.connections, self.reach, (side.desired,), planned)
                names, machines = addresses.clusters_and_hosts(side.desired, [ref])
                for name in names:
                    clusters.setdefault(name, (targets, ()))
                if not distrusted and not _distrusted(side.desired, environment, bundles):
                    hosts |= {name: hosts.get(name, targets) for name in machines}
            if ref.kind is UnitKind.RELEASE:
                self._want_release(ref, proposed, accepted.get(ref), leaving.get(ref), clusters, returning=returning)
        return observe(environment, Wanted(clusters, hosts), self.clock.now(), self.settings.workers)

    @staticmethod
    def _want_release(
        ref: UnitRef,
        proposed: Side,
        accepted: Side | None,
        left: Leaving | None,
        clusters: dict[str, tuple[Targets, tuple[DesiredObjects, ...]]],
        *,
        returning: bool,
    ) -> None:
        new = proposed.desired.releases.get(ref.name)
        old = accepted.desired.releases.get(ref.name) if accepted is not None else None
        spec = (new or old).spec if (new or old) is not None else None  # type: ignore[union-attr]
        if spec is None or spec.cluster not in clusters:
            return
        came_from = old.spec if old is not None and (returning or left is not None) else None
        wanted = wants.of_release(ref.name, spec, new, proposed.desired.sources.get(ref.name), left, came_from)
        targets, before = clusters[spec.cluster]
        clusters[spec.cluster] = (targets, (*before, wanted))


def _planned(units: Iterable[UnitRef], proposed: Side, accepted: Mapping[UnitRef, Side]) -> Planned:
    """The connections that a plan is about, and their environments: as they are proposed, or were where they leave."""
    held = [ref for ref in units if ref.kind in {UnitKind.CLUSTER, UnitKind.ENVIRONMENT}]
    return {ref: (proposed if names(proposed.desired, ref) else accepted.get(ref, proposed)).desired for ref in held}


def _image_changes(change: Change) -> bool:
    """Whether an object gets another image, or the same under another name."""
    return any(one.path.endswith(".image") and not one.path.startswith(adoption.MANAGER) for one in change.fields)


def _never_stood(state: UnitState) -> bool:
    """Whether nothing of a unit ended well yet, or it was let go of since."""
    return state.successful is None or state.successful.removed


def _distrusted(desired: Desired, environment: str, bundles: Mapping[str, Bundle | Failure]) -> bool:
    """Whether an environment names a bundle that could not be verified."""
    spec = desired.environments.get(environment)
    bundle = spec.spec.bundle if spec is not None else None
    return bundle is not None and isinstance(bundles.get(bundle.version), Failure)
