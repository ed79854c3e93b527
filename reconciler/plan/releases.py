"""Desired release x observed objects -> changes and actions on one cluster.

Compares what a server-side dry run says an object would become with what it is: both were observed, nothing is asked
here. Only fields that we send or own take part. Values are shown only of objects that the release owns already (G4);
an object of somebody else blocks the plan, one of nobody's is adopted by a new release (G27); an object that leaves one
release and enters another is handed over (G28).
An object is the same one in every version of its kind's API.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.canonical import digest_of
from reconciler.names import ObjectRef
from reconciler.plan import adoption
from reconciler.plan.change import (
    Action,
    ActionKind,
    Change,
    Check,
    FieldChange,
    Operation,
    Reference,
    Severity,
    Touched,
)
from reconciler.plan.diff import diff, same
from reconciler.plan.mask import Masked, mask_object
from reconciler.plan.part import Part, Step, error, failed, warning
from reconciler.plan.risk import DATA_KINDS
from reconciler.plan.units import place_of
from reconciler.specs.chart import DISABLED, PRUNE, is_made_once
from reconciler.specs.claims import When, claims_go, claims_go_between
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

# Order of kinds within a release; what is not named comes with the configuration. Deletions come last and go the other
# way: traffic, workloads, configuration, and namespaces at the end.
PHASES: Mapping[str, int] = {
    "Namespace": 0,
    "CustomResourceDefinition": 0,
    "Deployment": 2,
    "StatefulSet": 2,
    "DaemonSet": 2,
    "Job": 2,
    "CronJob": 2,
    "Ingress": 3,
    "HTTPRoute": 3,
    "HorizontalPodAutoscaler": 3,
}
CONFIGURATION = 1
FIRST_DELETION = 4
LAST_PHASE = max(PHASES.values())
REPLACE, ALLOWED = "opspilot.spec/replace", "allowed"  # on an object: what cannot be changed is deleted and made again
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True, slots=True)
class ReleaseAsk:
    """One release to plan. `desired` holds full objects by identity and is empty when the release is removed."""

    unit: str
    release: str
    cluster: str
    desired: Mapping[ObjectRef, Any] = field(repr=False)
    observed: ObservedRelease | Failure
    adopts: bool = False  # a new release: what runs already and is nobody's becomes its own (G27)
    keeps_runs: bool = False  # runs of its Jobs are no objects that it does not want any more: plan/jobs.py
    forget: bool = False  # onRemoval: forget, of a removed release
    healing: bool = False  # the drift of what it owns is put right: fields of ours that others took are taken back
    # objects that other releases of this plan want on the same cluster, and those releases
    leaves_to: Mapping[ObjectRef, str] = field(default_factory=dict)
    ran: frozenset[ObjectRef] = frozenset()  # Jobs that ended well, and are not missing where they are gone
    made_once: Callable[[ObjectRef], bool] = lambda _: False  # definitions that lay in crds/ of the accepted version
    comes_from: frozenset[str] = frozenset()  # releases of this plan on the same cluster: they may let objects go


def plan_release(ask: ReleaseAsk, key: bytes) -> Part:
    """The release's part. `key`: the permanent HMAC key that stands in for secret values."""
    if isinstance(ask.observed, Failure):
        return Part(checks=(failed(ask.unit, ask.observed),))
    planner = _Planner(ask, ask.observed, key)
    found = [*planner.wanted(), *planner.unwanted()]
    mine = [item for item in ask.observed.objects.values() if item.exists and item.owner == ask.release]
    owned = sum(1 for item in mine if not (item.run and ask.keeps_runs))
    return Part(
        changes=tuple(item.change for item in found if item.change is not None),
        steps=tuple(step for item in found for step in (item.first, item.step) if step is not None),
        checks=tuple(check for item in found for check in item.checks),
        touched=tuple(item.touched for item in found if item.touched is not None),
        owned=owned,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    change: Change | None = None
    step: Step | None = None
    touched: Touched | None = None
    checks: tuple[Check, ...] = ()
    first: Step | None = None  # done before `step`


@dataclass(frozen=True, slots=True)
class _Planner:
    ask: ReleaseAsk
    observed: ObservedRelease
    key: bytes

    def wanted(self) -> Iterator[_Found]:
        for ref in sorted(self.ask.desired):
            item = self.observed.objects.get(ref)
            if item is None:
                failure = Failure("cluster_connect_failed", f"looking at {ref}: it was not looked at")
                yield _Found(checks=(failed(self.ask.unit, failure, unseen=str(ref)),))
            elif item.exists and is_made_once(self.ask.desired[ref]):
                yield _Found(checks=tuple(self._stands(ref, item)))
            elif not item.exists and item.failure is None and ref in self.ask.ran:
                continue
            elif item.failure is not None:
                yield self._failed(ref, item, item.failure)
            else:
                found = self._one(ref, item)
                yield replace(found, checks=(*found.checks, *self._unsent(ref, item)))

    def _stands(self, ref: ObjectRef, item: ObservedObject) -> Iterator[Check]:
        """What is said of a definition that is made once and is there: nothing where it is as it would be made."""
        hint = "see what the new version of the chart asks for, and upgrade it by hand"
        if item.owner != self.ask.release:
            message = f"{ref} exists and is left as it is: what lies in crds/ is only installed where it is missing"
            yield Check(severity=Severity.INFO, key="", message=message, unit=self.ask.unit, hint=hint)
        elif item.failure is not None or not same(self._masked(ref, item.live), self._masked(ref, item.result)):
            message = f"{ref} is another one in the chart, and is left as it is: what lies in crds/ is never upgraded"
            yield warning(self.ask.unit, "", message, hint)

    def _unsent(self, ref: ObjectRef, item: ObservedObject) -> Iterator[Check]:
        """A number of pods that the source says and nobody sends (G9): said, because the autoscaler may be gone."""
        spec = self.ask.desired[ref].get("spec")
        if item.autoscaled and item.owner == self.ask.release and isinstance(spec, dict) and "replicas" in spec:
            message = f"{ref}: spec.replicas {spec['replicas']} is not sent, an autoscaler set the number that runs"
            hint = "take it out of the source; where no autoscaler is left, `kubectl scale` makes it ours to set again"
            yield warning(self.ask.unit, "", message, hint)

    def _failed(self, ref: ObjectRef, item: ObservedObject, failure: Failure) -> _Found:
        if not item.replaceable or item.owner != self.ask.release or _holds_data(ref, item.live):
            return _Found(checks=(failed(self.ask.unit, failure, unseen=str(ref)),))
        if not any(_says(body, REPLACE, ALLOWED) for body in (self.ask.desired[ref], item.live)):
            hint = f"annotate it with {REPLACE}: {ALLOWED} to have it deleted and created again, or rename it"
            hint += "; either runs it, as naming it in hooks does" if ref.kind == "Job" else ""
            return _Found(checks=(failed(self.ask.unit, failure, hint, unseen=str(ref)),))
        return self._replace(ref, item)

    def _replace(self, ref: ObjectRef, item: ObservedObject) -> _Found:
        """Deleted in the batch before the one that creates it again; what was sent is the result (G9)."""
        phase = PHASES.get(ref.kind, CONFIGURATION)
        live = self._masked(ref, item.live)
        absent = ObservedObject(ref, exists=False, known_after_apply=True)
        made = self._apply(phase, ref, absent, Operation.REPLACE, live, self._masked(ref, self.ask.desired[ref]))
        assert made.change is not None  # noqa: S101  an apply has one
        return replace(
            made,
            change=made.change.model_copy(update={"restarts": ref.kind in WORKLOADS}),
            first=Step(phase - 1, self._action(ActionKind.DELETE_OBJECT, ref, item, pre=live, post=None)),
            touched=self._touched(ref, item, live),
        )

    def _one(self, ref: ObjectRef, item: ObservedObject) -> _Found:
        phase = PHASES.get(ref.kind, CONFIGURATION)
        live, result = self._masked(ref, item.live), self._masked(ref, item.result)
        if item.result is None:  # a dry run cannot answer: the sent fields are the result (G9)
            result = self._masked(ref, self.ask.desired[ref])
        if not item.exists:
            return self._apply(phase, ref, item, Operation.CREATE, None, result)
        if item.owner == self.ask.release:
            if item.known_after_apply or not same(live, result):
                return self._apply(phase, ref, item, Operation.UPDATE, live, result)
            return _Found()
        if item.owner in self.ask.comes_from and self._wanted_by(ref) != item.owner:
            return self._apply(phase, ref, item, Operation.HAND_OVER, live, result)
        if not item.owner and self.ask.adopts and ref.kind not in adoption.REFUSED:
            return self._adopt(phase, ref, item, live, result)
        return _Found(checks=(adoption.refused(self.ask.unit, self.ask.cluster, ref, item, new=self.ask.adopts),))

    def _adopt(self, phase: int, ref: ObjectRef, item: ObservedObject, live: Masked | None, result: Masked) -> _Found:
        """Values of an object that is not ours yet are not shown, only which fields change and who held them (G4)."""
        takes = adoption.managers(item)
        conflicts = tuple(one for one in item.conflicts if one.partition(": ")[0] not in takes)
        found = self._apply(phase, ref, replace(item, conflicts=conflicts), Operation.ADOPT, live, result)
        assert found.change is not None and found.step is not None and found.touched is not None  # noqa: S101, PT018
        fields = adoption.fields(found.change.fields, item)
        action = found.step.action.model_copy(update={"takes": takes})
        state = {"exists": True, "uid": item.uid, "live": action.pre, "from": adoption.held(item)}
        return replace(
            found,
            change=found.change.model_copy(
                update={"fields": fields, "restarts": ref.kind in WORKLOADS and _touches_pods(fields)}
            ),
            step=replace(found.step, action=action),
            touched=found.touched.model_copy(update={"state": state}),
        )

    def unwanted(self) -> Iterator[_Found]:
        wanted = {place_of(ref) for ref in self.ask.desired}
        for ref, item in sorted(self.observed.objects.items(), key=lambda pair: pair[0]):
            if place_of(ref) in wanted or not item.exists or item.owner != self.ask.release:
                continue
            if item.run and self.ask.keeps_runs:
                continue
            if self._wanted_by(ref):
                continue  # the other release takes it over in the same plan
            yield self._leave(ref, item)

    def _wanted_by(self, ref: ObjectRef) -> str:
        return next((name for other, name in self.ask.leaves_to.items() if place_of(other) == place_of(ref)), "")

    def _apply(
        self,
        phase: int,
        ref: ObjectRef,
        item: ObservedObject,
        operation: Operation,
        live: Masked | None,
        result: Masked,
    ) -> _Found:
        fields = diff(live or {}, result)
        action = self._action(ActionKind.APPLY_OBJECT, ref, item, pre=live, post=result)
        touched = self._touched(ref, item, live)
        if self.ask.healing and operation is Operation.UPDATE and item.conflicts:
            action = action.model_copy(update={"takes": adoption.in_conflict(item)})
            touched = touched.model_copy(update={"state": {**touched.state, "from": sorted(item.conflicts)}})
            item = replace(item, conflicts=())
        checks = tuple(
            error(
                self.ask.unit,
                "resource_conflict",
                f"applying {ref}: {conflict} would be overwritten",
                "take the field out of the source, or have the other manager give it up",
            )
            for conflict in item.conflicts
        )
        shrinks = item.exists and claims_go_between(item.live, self.ask.desired[ref])
        if shrinks:
            words = f"scaling {ref} deletes the claims of the pods that go, with their data; no return covers that"
            checks = (*checks, warning(self.ask.unit, "", words))
        return _Found(
            Change(
                unit=self.ask.unit,
                operation=operation,
                subject=str(ref),
                where=f"cluster {self.ask.cluster}",
                reversible=not shrinks,
                fields=fields,
                known_after_apply=item.known_after_apply,
                restarts=operation is Operation.UPDATE and ref.kind in WORKLOADS and _touches_pods(fields),
            ),
            Step(phase, action),
            touched,
            checks,
        )

    def _leave(self, ref: ObjectRef, item: ObservedObject) -> _Found:
        live = self._masked(ref, item.live)
        marked, once = _says(item.live, PRUNE, DISABLED), self.ask.made_once(ref)
        kept = marked or once
        operation = Operation.FORGET if self.ask.forget or kept else Operation.DELETE
        kind = ActionKind.DELETE_OBJECT if operation is Operation.DELETE else ActionKind.FORGET_OBJECT
        loses_data = operation is Operation.DELETE and _holds_data(ref, item.live)
        change = Change(
            unit=self.ask.unit,
            operation=operation,
            subject=str(ref),
            where=f"cluster {self.ask.cluster}",
            reversible=not loses_data,
        )
        checks: tuple[Check, ...] = ()
        if loses_data:
            checks = (warning(self.ask.unit, "", f"deleting {ref} deletes the data in it; no return covers that"),)
        elif kept and not self.ask.forget:
            why = f"its annotation says {PRUNE}: {DISABLED}" if marked else "it lay in crds/ of the chart"
            message = f"{ref} leaves the release and goes on running: {why}"
            checks = (warning(self.ask.unit, "", message, "delete it by hand when nobody needs it any more"),)
        action = self._action(kind, ref, item, pre=live, post=None)
        phase = FIRST_DELETION + LAST_PHASE - PHASES.get(ref.kind, CONFIGURATION)
        # The values that go with it are in the action's `pre`; they are not shown.
        return _Found(change, Step(phase, action), self._touched(ref, item, Masked(None)), checks)

    def _action(
        self, kind: ActionKind, ref: ObjectRef, item: ObservedObject, *, pre: Masked | None, post: Masked | None
    ) -> Action:
        return Action(
            id=f"{self.ask.unit}:{kind}:{ref}",
            kind=kind,
            unit=self.ask.unit,
            target=f"cluster/{self.ask.cluster}",
            object=Reference(
                group=ref.group, version=ref.version, kind=ref.kind, namespace=ref.namespace, name=ref.name
            ),
            uid=item.uid,
            pre=fingerprint(pre) if item.exists else "",
            post=fingerprint(post) if post is not None else "",
        )

    def _touched(self, ref: ObjectRef, item: ObservedObject, live: Masked | None) -> Touched:
        state = {"exists": item.exists, "uid": item.uid, "live": live}
        return Touched(subject=f"cluster/{self.ask.cluster}: {ref}", state=state)

    def _masked(self, ref: ObjectRef, value: Any) -> Masked:
        return mask_object(value, self.key, kind=ref.kind)


def fingerprint(masked: Masked | None) -> str:
    """The digest of an object's masked fields: what an action finds before it acts, and leaves after it (G20)."""
    return digest_of("object", masked)


def lost_by_return(
    unit: str, part: Part, wanted: Mapping[ObjectRef, Any], before: Mapping[ObjectRef, Any] | None
) -> Iterator[Check]:
    """What a return from this to `before` (None: there is none) would delete with its data, which no grant covers."""
    if before is None or part.ungranted is not None:
        return
    would = f"{unit}: a return from this would be refused: it would delete"
    for ref in sorted(wanted):
        if ref in before:
            if claims_go_between(wanted[ref], before[ref]):
                hint = "let its persistentVolumeClaimRetentionPolicy say whenScaled: Retain"
                yield warning(unit, "", f"{would} claims of {ref}, which gets more pods, with the data in them", hint)
        elif _holds_data(ref, wanted[ref]) and not _says(wanted[ref], PRUNE, DISABLED):
            hint = f"add it in a change of its own before, or annotate it with {PRUNE}: {DISABLED}, so that it is left"
            yield warning(unit, "", f"{would} {ref} with the data in it", hint)


def _holds_data(ref: ObjectRef, body: Any) -> bool:
    """Whether deleting it deletes data: what is in it, or in the claims that its own policy lets go with it."""
    return ref.kind in DATA_KINDS or claims_go(body, When.DELETED)


def _says(body: Any, annotation: str, word: str) -> bool:
    """Whether it is annotated so. Of a live object only what we applied is here, and not what others annotate."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and annotations.get(annotation) == word


def _touches_pods(fields: tuple[FieldChange, ...]) -> bool:
    return any(change.path.startswith("spec.template") for change in fields)
