"""One batch of actions -> port calls. The only module that changes targets.

Before it acts on an object it looks: done already is found done (so a batch may be entered twice), what matches
neither its recorded pre-state nor its result stops the plan (`target_changed`, G20). Targets work in parallel, the
actions of one target in order. Every effect on a host has an operation id, every one on a cluster the plan's
generation.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from reconciler.app import helming
from reconciler.app.canaries import Bodies, canary_bodies, canary_pending, with_canaries
from reconciler.app.derived import derived_otherwise
from reconciler.app.first_replicas import first_replicas
from reconciler.app.jobs import JobRunner, run_in, run_seen
from reconciler.app.operations import BatchResult, Order, Step
from reconciler.app.reaching import check_identity
from reconciler.app.step_times import Began, term_of
from reconciler.app.traffic import SCALES, LetIn, Traffic, as_it_ran, scale
from reconciler.app.verifying import Verifier, object_in
from reconciler.errors import LeftBehind, ReconcilerError, Refused, Rejected, Unavailable, Untrusted, Withdrawn
from reconciler.names import Digest, ObjectRef
from reconciler.plan.change import Action, ActionKind, Plan
from reconciler.plan.diff import same
from reconciler.plan.environments import stem
from reconciler.plan.mask import mask_object
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.ports import Bundles, Clock, DesiredObjects, HostApi, KubeApi, StepResult, Targets
from reconciler.specs.desired import Desired
from reconciler.specs.ignoring import ignored
from reconciler.specs.ways import Way
from reconciler.state.bundle import Bundle
from reconciler.state.observed import InstalledBundle, ObservedObject, ObservedRelease
from reconciler.together import all_of

SIDE_BY_SIDE = 8  # writes at once on one cluster; its own priority and fairness is the real limiter
OBJECTS = frozenset({ActionKind.APPLY_OBJECT, ActionKind.DELETE_OBJECT, ActionKind.FORGET_OBJECT})


@dataclass(slots=True)
class Performer:
    """Performs batches of one plan. `desired` holds what is sent; `namespaces` those of removed releases."""

    targets: Targets
    bundles: Bundles
    clock: Clock
    key: bytes
    desired: Desired
    namespaces: Mapping[str, str] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)  # recorded UID of kube-system by cluster
    workers: int = 4
    stopping: Callable[[], bool] = lambda: False
    left: Mapping[str, Desired] = field(default_factory=dict)  # by release: the side whose way back is gone
    artifacts: Mapping[str, Digest] = field(default_factory=dict)  # of the units, as they were derived here
    before: tuple[Desired, ...] = ()  # the sides that the plan leads away from: secrets of theirs may still be read
    began: Began = lambda _: None
    left_behind: Callable[[LeftBehind], None] = lambda _: None
    still: Callable[[], None] = lambda: None  # raises where this is no longer ours to do, after the target was taken

    def apply(self, batch: Sequence[Action], order: Order) -> BatchResult:
        """Do the batch. A failure on one target lets the others finish what they began."""
        other = derived_otherwise(self.desired, self.artifacts, {action.unit for action in batch}, order.plan)
        if other is not None:
            return BatchResult((), other)
        by_target: dict[str, list[Action]] = {}
        for action in batch:
            by_target.setdefault(action.target, []).append(action)
        with ThreadPoolExecutor(max_workers=min(self.workers, max(1, len(by_target)))) as pool:
            jobs = [pool.submit(self._target, target, actions, order) for target, actions in sorted(by_target.items())]
            found = [job.result() for job in jobs]
        steps = tuple(step for part in found for step in part.steps)
        words = tuple(one for part in found for one in part.words)
        failure = next((part.failure for part in found if part.failure is not None), None)
        if failure is None or isinstance(failure, (Unavailable, Withdrawn)):  # who comes back goes on with it
            return BatchResult(steps, failure, words)
        ended, failure = self._ended(batch, order, failure)
        return BatchResult((*steps, *ended), failure, words)

    def _ended(
        self, batch: Sequence[Action], order: Order, failure: ReconcilerError
    ) -> tuple[tuple[Step, ...], ReconcilerError]:
        """The Jobs that a batch began which failed elsewhere: a retry would begin them anew beside themselves. Those
        that stopped traffic waits for are ended where that is given back (runs_over.py)."""
        steps: list[Step] = []
        for action in batch:
            if action.kind is not ActionKind.RUN_JOB or action.stopped:
                continue
            api, run = self.targets.kube(action.target.partition("/")[2]), run_in(order, action)
            try:
                if run_seen(api, run, action) is not None:
                    steps.append(self._jobs().finish(api, action, self._side_of(action), order))
            except Unavailable as away:
                return tuple(steps), away
            except ReconcilerError as unread:
                words = f"{failure.message}; {run} MAY STILL RUN: {unread.message}"
                failure = Rejected(words, key=failure.key, hint=failure.own_hint)
        return tuple(steps), failure

    def _target(self, target: str, actions: list[Action], order: Order) -> BatchResult:
        kind, _, name = target.partition("/")
        steps: list[Step] = []
        words: list[str] = []
        try:
            if kind == "cluster":
                self._cluster(name, actions, order, words)
            else:
                self._host(name, actions, order, steps)
        except ReconcilerError as error:
            if isinstance(error, LeftBehind):
                self.left_behind(error)  # whoever went on since does not know of it
            return BatchResult(tuple(steps), error, tuple(words))
        return BatchResult(tuple(steps), None, tuple(words))

    def _cluster(self, cluster: str, actions: list[Action], order: Order, words: list[str]) -> None:
        api = self.targets.kube(cluster)
        for action in actions:
            if action.kind is ActionKind.CONNECT_CLUSTER:
                _connect(api, cluster, action)
        objects = [action for action in actions if action.kind in OBJECTS]
        entries = [action for action in actions if action.kind in helming.ENTRIES]
        scales = [action for action in actions if action.kind in SCALES]
        runs = [action for action in actions if action.kind is ActionKind.RUN_JOB]
        taken = (*objects, *entries, *scales, *runs)
        if not taken:
            return
        check_identity(api, cluster, self.identities)
        self._check_in_time(cluster, scales)
        for release in sorted({_release(action) for action in taken}):
            api.begin(release, self._namespace(release), order.generation, order.event, order.turn)
        self.still()
        for action in entries:  # alone in its phase: no object of the same release is in this batch
            (wanted,) = self.wanted([_release(action)])
            helming.enter(api, wanted, action, order.generation, self.clock.now())
        for action in scales:
            words += filter(None, [scale(api, action, order, self.desired)])
        for action in runs:
            if action.stopped and run_seen(api, run_in(order, action), action) is None:
                self._traffic().check_away(cluster, _release(action))
            self._jobs().start(api, action, self._side_of(action), order)
        if not objects:
            return
        releases = sorted({_release(action) for action in objects})
        # after the taking: a write carries what was seen here (G25)
        stopped = {_release(action) for action in objects if action.stopped}
        at_rest = self.wanted(releases, stopped)
        canaries = canary_bodies(api, at_rest, objects)
        observed = api.observe(with_canaries(at_rest, canaries))
        todo = [
            partial(self._one, api, action, item, order, canaries)
            for action in objects
            for item in [_item(observed, _release(action), action)]
            if self._pending(action, item, _release(action), order.plan)
        ]
        all_of(todo, SIDE_BY_SIDE)  # one batch: none of them waits for another

    def _check_in_time(self, cluster: str, scales: Sequence[Action]) -> None:
        """Traffic that runs is not stopped any more where the time to do so is over: who comes back finds it done."""
        now = self.clock.now()
        terms = ((one, term_of(one, self.began(one))) for one in scales if one.kind is ActionKind.STOP_TRAFFIC)
        for action in (one for one, term in terms if term is not None and term.over(now)):
            self._traffic().check_stopped(cluster, _release(action), object_in(action))

    def wanted(self, releases: Iterable[str], stopped: Collection[str] = ()) -> list[DesiredObjects]:
        """The full objects of releases; none for a release that is removed. `stopped`: whose traffic is stopped."""
        found = []
        for release in releases:
            source = self.desired.sources.get(release) if release in self.desired.releases else None
            objects = source.objects if source is not None else ()
            spec = self.desired.releases.get(release)
            chart = helming.chart_of(spec.spec, source) if spec is not None else None
            away = release in stopped
            left = self._ignored(release, objects)
            place = self._namespace(release)
            found.append(DesiredObjects(release, place, tuple(objects), chart=chart, stopped=away, ignored=left))
        return found

    def enter_failure(self, plan: Plan, generation: int, words: str) -> None:
        """Helm's own history says of what this plan began there that it failed."""
        for batch in plan.batches:
            begun = [action for action in batch if action.kind is ActionKind.HELM_BEGIN]
            for target in sorted({action.target for action in begun}):
                mine = [action for action in begun if action.target == target]
                api = self.targets.kube(target.partition("/")[2])
                helming.enter_failure(api, mine, generation, self.clock.now(), words)

    def _namespace(self, release: str) -> str:
        spec = self.desired.releases.get(release)
        return (spec.spec.namespace or "") if spec is not None else self.namespaces.get(release, "")

    def _pending(self, action: Action, item: ObservedObject | None, release: str, plan: Plan) -> bool:
        """Whether the action is still to be done; raises Refused(target_changed) where neither side matches (G20)."""
        assert action.object is not None  # noqa: S101  only object actions come here
        what = f"{action.object.kind} {action.object.namespace}/{action.object.name}"
        if action.canary:
            return canary_pending(action, item, plan, self.key)
        if item is None or not item.exists:
            if action.kind is not ActionKind.APPLY_OBJECT:
                if item is not None and item.failure is not None:
                    raise Rejected(f"looking at {what}: {item.failure.message}", key=item.failure.key)
                return False
            if action.pre:
                raise Refused(f"applying {what}: it is gone since the preview", key="target_changed")
            return True
        if action.kind is not ActionKind.APPLY_OBJECT:
            if action.uid != item.uid:
                raise Refused(f"deleting {what}: it is another object than the previewed one", key="target_changed")
            return item.owner == release
        if item.failure is not None:
            raise Rejected(f"looking at {what}: {item.failure.message}", key=item.failure.key)
        if item.owner == release and not item.known_after_apply and same(item.live, item.result):
            return False
        found, *ran = (
            fingerprint(mask_object(one, self.key, kind=item.ref.kind)) for one in (item.live, *as_it_ran(item))
        )
        if found == action.post and item.owner == release:
            return False
        known = found == action.pre or not {action.pre, action.post}.isdisjoint(ran)  # what we stopped, we may apply
        if not known or (action.uid and action.uid != item.uid):
            message = f"applying {what}: it is neither as previewed nor as wanted"
            raise Refused(message, key="target_changed", hint="look at a new preview; somebody else changed it")
        return True

    def _one(self, api: KubeApi, action: Action, item: ObservedObject | None, order: Order, canaries: Bodies) -> None:
        ref, release = object_in(action), _release(action)
        uid = item.uid if item is not None and item.exists else ""
        if action.kind is ActionKind.APPLY_OBJECT:
            body, take = canaries.get((release, ref)) or self._body(release, ref), frozenset(action.takes)
            objects = self.desired.sources[release].objects
            begins = first_replicas(api, order.plan, action, body, objects) if not uid else 0
            api.apply(
                release,
                body,
                generation=order.generation,
                expected_uid=uid,
                take=take,
                replicas=begins,
                stopped=action.stopped,
                ignored=self._ignored(release, [body]).get(ref_of(body), ()),
            )
        else:
            forget = action.kind is ActionKind.FORGET_OBJECT
            api.delete(
                release,
                ref,
                generation=order.generation,
                expected_uid=uid if action.canary else action.uid,
                forget=forget,
            )

    def _ignored(self, release: str, objects: Sequence[Any]) -> Mapping[ObjectRef, tuple[Way, ...]]:
        """What is left to others, also by a version that it goes back from."""
        spec = self.desired.releases.get(release)
        side = self.left.get(release)
        left = side.releases.get(release) if side is not None else None
        return ignored(spec.spec, objects, left.spec if left is not None else None) if spec is not None else {}

    def _body(self, release: str, ref: ObjectRef) -> Any:
        for body in self.desired.sources[release].objects:
            if ref_of(body) == ref:
                return body
        raise Refused(f"applying {ref}: it is not in release {release} any more", key="preview_mismatch")

    def finish(self, batch: Sequence[Action], order: Order) -> BatchResult:
        """Wait for the Jobs that the batch runs. Raises Unavailable where nobody can say how one ended."""
        runs = [action for action in batch if action.kind is ActionKind.RUN_JOB]
        steps = tuple(
            self._jobs().finish(self.targets.kube(one.target.partition("/")[2]), one, self._side_of(one), order)
            for one in runs
        )
        return BatchResult(steps, next((step.failure for step in steps if step.failure is not None), None))

    def let_traffic_in(
        self, releases: Mapping[str, Sequence[str]], begin: Callable[[], Order], *, begun: bool
    ) -> LetIn:
        """See Traffic."""
        return self._traffic().let_in(releases, begin, begun=begun)

    def answers(self, clusters: Iterable[str]) -> bool:
        """See Traffic."""
        return self._traffic().answers(clusters)

    def _traffic(self) -> Traffic:
        return Traffic(self.targets, self.wanted, self.still, self.clock, self.identities, self.stopping)

    def _jobs(self) -> JobRunner:
        sides = (self.desired, *self.left.values(), *self.before)
        return JobRunner(self.clock, self.key, self.stopping, sides, self.began)

    def _side_of(self, action: Action) -> Desired:
        """What a way back runs and asks is said by the version that is left."""
        return self.left.get(_release(action), self.desired) if action.step else self.desired

    def verify(self, batch: Sequence[Action], timeouts: Mapping[str, timedelta]) -> None:
        """Wait until what the batch did is ready; see Verifier."""
        self._verifier().ready(batch, timeouts)

    def ask(self, batch: Sequence[Action]) -> None:
        """Ask what the batch asks; see Verifier."""
        self._verifier().ask(batch)

    def _verifier(self) -> Verifier:
        return Verifier(self.targets, self.clock, self.desired, self.stopping, self.left, self.began)

    def _host(self, host: str, actions: list[Action], order: Order, steps: list[Step]) -> None:
        api = self.targets.host(host)
        for action in actions:
            bundle = self._bundle(action)
            try:
                result = self._step(api, bundle, action, order)
            except ReconcilerError as error:
                steps.append(Step(action, None, error))
                raise
            failure = _verdict(host, action, result)
            steps.append(Step(action, result, failure))
            if failure is not None:
                raise failure

    def _bundle(self, action: Action) -> Bundle:
        bundle = self.bundles.load(action.bundle_version)
        if bundle.digest != action.bundle:
            message = f"installing from bundle {action.bundle_version}: it is not the one that was previewed"
            raise Untrusted(message, key="preview_mismatch")
        return bundle

    def _step(self, api: HostApi, bundle: Bundle, action: Action, order: Order) -> StepResult | None:
        match action.kind:
            case ActionKind.DELIVER_BUNDLE:
                api.deliver(bundle, action.runtime, generation=order.generation)
            case ActionKind.RUN_HOOK:
                return api.run_hook(
                    bundle,
                    action.runtime,
                    action.hook,
                    operation=operation_id(order, action),
                    generation=order.generation,
                    variables=self._variables(action, order),
                )
            case ActionKind.RECORD_INSTALL:
                environment = action.unit.partition("/")[2]
                installed = InstalledBundle(environment, bundle.version, bundle.digest, action.role, order.generation)
                api.record_install(installed, generation=order.generation)
            case ActionKind.FORGET_INSTALL:
                api.record_install(None, generation=order.generation)
            case _:
                raise AssertionError(f"action {action.kind} is not for hosts")
        return None

    def _variables(self, action: Action, order: Order) -> dict[str, str]:
        return {
            "OPS_TASK_ID": order.task,
            "OPS_ENVIRONMENT_ID": order.plan.environment,
            "OPS_RUNTIME_TYPE": action.runtime,
            "OPS_PROJECT_ID": order.plan.project,
            "OPS_TEAM_ID": order.plan.team,
            "OPS_NODE_ROLE": action.role,
        }


def operation_id(order: Order, action: Action) -> str:
    """The id under which a host runs this action once: from generation, attempt and action, added after hashing."""
    tail = hashlib.sha256(action.id.encode()).hexdigest()[:16]
    return f"{order.plan.environment}-{order.generation}-{order.attempt}-{tail}"


def _connect(api: KubeApi, cluster: str, action: Action) -> None:
    facts = api.facts()
    if facts.uid != action.post:
        message = f"connecting to cluster {cluster}: it is not the previewed one ({action.post} -> {facts.uid})"
        raise Untrusted(message, key="target_changed")


def _item(observed: Mapping[str, ObservedRelease], release: str, action: Action) -> ObservedObject | None:
    reference = action.object
    if reference is None or release not in observed:
        raise Rejected(f"looking at release {release}: it was not looked at", key="release_apply_failed")
    ref = ObjectRef(reference.group, reference.version, reference.kind, reference.namespace, reference.name)
    return observed[release].objects.get(ref)


def _verdict(host: str, action: Action, result: StepResult | None) -> ReconcilerError | None:
    if result is None or result.exit_code == 0:
        return None
    how = f"exit code {result.exit_code}" if result.exit_code is not None else "it is not known how it ended"
    excerpt = " ".join(result.stderr.split())[-300:]
    key = "preflight_failed" if stem(action.hook) == "preflight" else "script_hook_exec_failed"
    return Rejected(f"running {action.hook} on host {host}: {how}{': ' if excerpt else ''}{excerpt}", key=key)


def _release(action: Action) -> str:
    return action.unit.partition("/")[2]
