"""Weights of HTTPRoutes in the steps of a canary: what is written when, and what a route is between the writes.

A route is written whole, with our weights in it (specs/routes.py). Each write finds what the one before left (G20): a
dry run can only be asked for what stands now, so what a step leaves is worked out from the answer for the route at
rest. Rule: whatever a plan does, a route that still sends to a canary is put to rest before anything else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.names import ObjectRef
from reconciler.plan.change import Action, ActionKind, Check, Line, Plan, Reference, Told, Touched
from reconciler.plan.mask import mask_object
from reconciler.plan.part import Part, Step, error, warning
from reconciler.plan.releases import fingerprint
from reconciler.plan.units import ref_of
from reconciler.specs.routes import (
    ROUTE,
    TRACK,
    Sent,
    canary_name,
    canary_service,
    is_route,
    places_of,
    routes_of,
    services_of,
    weighted,
    weights_left,
)
from reconciler.state.observed import Failure, ObservedObject, ObservedRelease

FIRST = 500  # before configuration
NARROW = 2500  # after workloads: the pods that the Service then selects are there
REST = 3300  # when the old pods are the new version


@dataclass(frozen=True, slots=True)
class Weights:
    """The routes that a canary shares, and the Services that they send to. All of them were looked at."""

    unit: str
    target: str
    services: tuple[Mapping[str, Any], ...] = field(repr=False)
    routes: tuple[ObservedObject, ...] = field(repr=False)
    key: bytes = field(repr=False)

    @property
    def sent(self) -> Sent:
        """The Services by namespace and name."""
        return places_of(self.services)

    @property
    def beside(self) -> tuple[ObjectRef, ...]:
        """The canary's own Services."""
        return tuple(ref_of(canary_service(one)) for one in self.services)

    def first(self) -> Iterator[Step]:
        """Routes that still send to a canary that was left behind are put to rest before anything is made."""
        for item in self.routes:
            if _left(item):
                yield Step(FIRST, self._write(item, "back", 0, self._print(item, item.live), self._rest(item)))

    def shift(self, phase: int, number: int, before: int, weight: int) -> Iterator[Step]:
        """The writes of one step."""
        for item in self.routes:
            pre, post = self._at(item, before), self._at(item, weight)
            yield Step(phase, self._write(item, str(number), weight, pre, post))

    def rest(self, before: int) -> Iterator[Step]:
        """The writes that give everything back to the old name."""
        for item in self.routes:
            yield Step(REST, self._write(item, "rest", 0, self._at(item, before), self._rest(item)))

    def lines(self, weight: int) -> Iterator[Line]:
        """What a step's writes are told as; 0: everything back."""
        for item in self.routes:
            name = ("name", str(item.ref))
            for service in sorted(str(one["metadata"]["name"]) for one in self.services):
                more = (("weight", weight), ("canary", canary_name(service))) if weight else ()
                yield Line(told=Told.WEIGH if weight else Told.UNWEIGH, values=(name, ("service", service), *more))

    def touched(self) -> Iterator[Touched]:
        """What the weights depend on."""
        for item in self.routes:
            live = mask_object(item.live, self.key, kind=ROUTE)
            subject = f"cluster/{self.target.partition('/')[2]}: {item.ref} (weights)"
            yield Touched(subject=subject, state={"exists": True, "uid": item.uid, "live": live})

    def _rest(self, item: ObservedObject) -> str:
        return self._at(item, 0)

    def _at(self, item: ObservedObject, weight: int) -> str:
        return self._print(item, weighted(item.result, self.sent, weight))

    def _print(self, item: ObservedObject, value: Any) -> str:
        return fingerprint(mask_object(value, self.key, kind=item.ref.kind))

    def _write(self, item: ObservedObject, tail: str, weight: int, pre: str, post: str) -> Action:
        ref, kind = item.ref, ActionKind.APPLY_OBJECT
        return Action(
            id=f"{self.unit}:{kind}:{ref}:{tail}",
            kind=kind,
            unit=self.unit,
            target=self.target,
            object=reference(ref),
            uid=item.uid,
            pre=pre,
            post=post,
            canary=True,
            weight=weight,
        )


def weights_of(
    unit: str, target: str, objects: Iterable[Any], stable: Any, observed: ObservedRelease, key: bytes
) -> Weights | Check:
    """The weights of a canary, or why they cannot be written."""
    known = list(objects)
    routes = []
    for body in routes_of(known, stable):
        item = observed.objects.get(ref_of(body))
        if item is None or item.failure is not None or not item.exists or item.owner != observed.release:
            message = f"{ref_of(body)} is not there, or not this release's, so a canary has no weights to write"
            return error(unit, "release_state_invalid", message, HINT)
        if item.live != item.result and not _left(item):
            message = f"{item.ref} changes together with the pods, and a canary writes its weights meanwhile"
            return error(unit, "release_state_invalid", message, HINT)
        routes.append(item)
    return Weights(unit, target, services_of(known, stable), tuple(routes), key)


HINT = "change the route in a pull request of its own, before the new version or after it"


def in_order(part: Part, objects: Iterable[Any], observed: ObservedRelease | Failure) -> Part:
    """A route that sends to a canary is put to rest first; a Service selects `stable` when there are such pods."""
    if isinstance(observed, Failure):
        return part
    routes = {reference(ref_of(body)): ref_of(body) for body in objects if is_route(body)}
    left = {one for one, ref in routes.items() if ref in observed.objects and _left(observed.objects[ref])}
    narrowed = {change.subject for change in part.changes if _narrows(change.subject, part)}

    def phase(step: Step) -> int:
        found = step.action.object
        if step.action.kind is not ActionKind.APPLY_OBJECT or found is None:
            return step.phase
        return FIRST if found in left else NARROW if str(_ref(found)) in narrowed else step.phase

    return replace(part, steps=tuple(replace(step, phase=phase(step)) for step in part.steps))


def first_time(unit: str, part: Part) -> Check | None:
    """Said where old and new pods cannot be told apart yet: this version has no canary."""
    names = sorted(change.subject for change in part.changes if _narrows(change.subject, part))
    if not names:
        return None
    message = f"{', '.join(names)}: old and new pods cannot be told apart yet, so this version rolls without a canary"
    return warning(unit, "", message, "the next version has one")


def canary_words(plan: Plan, unit: str, batch: int) -> list[str]:
    """What of a canary stands when its rollout stops at a batch, and which share of the traffic it has."""
    all_of_it = [one for actions in plan.batches for one in actions if one.unit == unit and one.canary]
    done = [one for actions in plan.batches[: batch + 1] for one in actions if one.unit == unit and one.canary]
    if not done or any(one.kind is not ActionKind.APPLY_OBJECT for one in done):
        return []  # it was not made, or is taken away again
    if not any(_is_write(one) for one in all_of_it):
        return [f"the canary of {unit} still answers its share beside what ran before"]
    writes: dict[str, list[Action]] = {}
    for one in done:
        if one.object is not None and _is_write(one):
            writes.setdefault(f"{one.object.kind} {one.object.name}", []).append(one)
    words = [f"the canary of {unit} stands"] if not writes else []
    for name, written in writes.items():
        unsure = written[-1] in plan.batches[batch]
        most = max(one.weight for one in written[-2:]) if unsure else written[-1].weight
        words.append(f"{name} {'may send up to' if unsure else 'sends'} {most} % to the canary of {unit}")
    return words


def _is_write(action: Action) -> bool:
    return action.object is not None and action.object.kind == ROUTE


def reference(ref: ObjectRef) -> Reference:
    """An identity as actions carry it."""
    return Reference(group=ref.group, version=ref.version, kind=ref.kind, namespace=ref.namespace, name=ref.name)


def _narrows(subject: str, part: Part) -> bool:
    """Whether a Service that exists begins to select the old pods alone."""
    if not subject.startswith("Service "):
        return False
    fields = [one for change in part.changes if change.subject == subject for one in change.fields]
    return any(TRACK in one.path and one.path.startswith("spec.selector") and one.before is None for one in fields)


def _left(item: ObservedObject) -> bool:
    return item.exists and weights_left(item.live, item.result, item.ref.namespace) > 0


def _ref(found: Reference) -> ObjectRef:
    return ObjectRef(found.group, found.version, found.kind, found.namespace, found.name)
