"""Pins the images of what is planned: what was accepted keeps its pins, what is new is asked of the listed registries.

Rules: only a preview asks, and once for each distinct image; what is planned of it later takes the pins that it shows.
An image that a release has already keeps what it has, a pin or none. What a listed registry does not answer blocks the
plan, unless the preview that stands knows it and the registry is only away.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from reconciler.app.desire import Desires
from reconciler.app.journal import Journal
from reconciler.errors import ReconcilerError, Unavailable
from reconciler.names import Digest, UnitKind, UnitRef
from reconciler.plan.change import Check, Plan, PlanSet, UnitPlan
from reconciler.plan.make import Side
from reconciler.plan.part import error, warning
from reconciler.plan.suspension import why_suspended
from reconciler.ports import Registries
from reconciler.specs.image_pins import by_tag
from reconciler.specs.image_reference import ImageReference, parse_reference

RUNS_ALREADY = "runs already: taking it over restarts nothing"
UNCHANGED = "unchanged, and accepted without"
UNASKED = "no registry was asked"
SUSPENDED = "suspended: no registry was asked"
Pins = dict[str, str]


def nothing_shown() -> PlanSet | None:
    """No preview stands."""
    return None


@dataclass(frozen=True, slots=True)
class Asking:
    """Where pins of a plan come from, beside what was accepted. `shown`: the plans of the preview that stands.

    `asks`: whether registries may be asked; `anew`: also for what that preview has pins for.
    """

    shown: Callable[[], PlanSet | None] = nothing_shown
    asks: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A side with its images pinned, as far as they are, and what is to be said of it, by unit."""

    side: Side
    plain: Side
    pins: Mapping[UnitRef, Pins] = field(default_factory=dict)
    loose: Mapping[UnitRef, Pins] = field(default_factory=dict)
    checks: Mapping[UnitRef, tuple[Check, ...]] = field(default_factory=dict)
    unanswered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def concerns(self, ref: UnitRef) -> bool:
        """Whether an image of a unit was pinned, or should have been."""
        return bool(self.pins.get(ref) or self.unanswered.get(str(ref)))

    def marked(self, plan: Plan) -> Plan:
        """The plan with what no registry answered marked in its units; bookkeeping, its checks are what is digested."""
        if not self.unanswered:
            return plan
        units = (one.model_copy(update={"unanswered": self.unanswered.get(one.unit, ())}) for one in plan.units)
        return plan.model_copy(update={"units": tuple(units)})


@dataclass(frozen=True, slots=True)
class _Settling:
    """What is being settled. `shown`: each unit of the preview that stands, read where it is needed, and once;
    `leaving`: the releases that leave in the same plan, by environment."""

    side: Side
    asking: Asking
    may_ask: Callable[[str], bool]
    shown: Callable[[], Mapping[str, UnitPlan]]
    leaving: Mapping[str, list[UnitRef]]

    def seen(self, ref: UnitRef, content: Digest) -> UnitPlan | None:
        """What the preview that stands says of exactly this content of a unit."""
        found = self.shown().get(str(ref))
        return found if found is not None and (found.base or found.artifact) == content else None


@dataclass(slots=True)
class _Wish:
    """One release's images, while it is found out what they are pinned to."""

    pins: dict[str, str]
    loose: dict[str, str]
    asked: frozenset[str] = frozenset()
    shown: Pins = field(default_factory=dict)  # what the preview that stands says of them
    checks: list[Check] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Pinner:
    """Settles pins. One for the process."""

    desires: Desires
    journal: Journal
    registries: Registries

    def settle(self, side: Side, units: Iterable[UnitRef], asking: Asking, may_ask: Callable[[str], bool]) -> Settled:
        """The side with these units' images pinned. `may_ask`: by environment, whether its author may have it asked."""
        planned = sorted(units)
        settling = _Settling(side, asking, may_ask, cache(lambda: _units(asking.shown())), self._leaving(side, planned))
        wishes = {ref: wish for ref in planned if (wish := self._wish(ref, settling)) is not None}
        wanted = {image for wish in wishes.values() for image in wish.asked}
        references = {image: parse_reference(image) for image in wanted}
        answers = self.registries.digests({one for one in references.values() if one is not None}) if wanted else {}
        for ref, wish in wishes.items():
            for image in sorted(wish.asked):
                self._answered(ref, wish, image, references[image], answers)
        return self._settled(
            Settled(
                side=side,
                plain=side,
                pins={ref: wish.pins for ref, wish in wishes.items()},
                loose={ref: wish.loose for ref, wish in wishes.items()},
                checks={ref: tuple(wish.checks) for ref, wish in wishes.items()},
                unanswered={str(ref): tuple(wish.unanswered) for ref, wish in wishes.items() if wish.unanswered},
            )
        )

    def without(self, settled: Settled, units: Iterable[UnitRef]) -> Settled:
        """The same with none of some units' images pinned: they take over what runs."""
        gone = set(units)
        found = {ref: (*settled.pins.get(ref, ()), *settled.unanswered.get(str(ref), ())) for ref in gone}
        loose = {ref: settled.loose.get(ref, {}) | dict.fromkeys(images, RUNS_ALREADY) for ref, images in found.items()}
        return self._settled(
            replace(
                settled,
                pins={ref: pins for ref, pins in settled.pins.items() if ref not in gone},
                loose={**settled.loose, **loose},
                checks={ref: checks for ref, checks in settled.checks.items() if ref not in gone},
                unanswered={
                    name: images for name, images in settled.unanswered.items() if UnitRef.parse(name) not in gone
                },
            )
        )

    def _settled(self, settled: Settled) -> Settled:
        return replace(settled, side=self.desires.pinned(settled.plain, settled.pins, settled.loose))

    def _leaving(self, side: Side, planned: Iterable[UnitRef]) -> Mapping[str, list[UnitRef]]:
        known = self.journal.ledger.units
        found: dict[str, list[UnitRef]] = {}
        for ref in planned:
            if ref.kind is UnitKind.RELEASE and ref not in side.units and str(ref) in known:
                found.setdefault(known[str(ref)].environment, []).append(ref)
        return found

    def _wish(self, ref: UnitRef, settling: _Settling) -> _Wish | None:
        """What is known of a release's images without asking; None where there is nothing to pin."""
        side, asking = settling.side, settling.asking
        unit = side.units.get(ref) if ref.kind is UnitKind.RELEASE else None
        source = side.desired.sources.get(ref.name)
        images = by_tag(source) if unit is not None and source is not None else frozenset()
        if unit is None or not images or self.journal.ledger.pins.of(str(ref), unit.unpinned) is not None:
            return None
        shown = settling.seen(ref, unit.unpinned)
        seen = {pin.image: pin.digest for pin in shown.pins} if shown is not None else {}
        if shown is not None and not asking.anew and not shown.unanswered:
            return _Wish(seen, {})
        pins, never = self._standing(ref, settling.leaving.get(unit.environment, []))
        wish = _Wish({image: pins[image] for image in images if image in pins}, {}, shown=seen)
        left = images - wish.pins.keys()
        suspended = why_suspended(side.desired, ref) is not None
        if asking.asks and settling.may_ask(unit.environment) and not suspended:
            wish.asked = left - never
        if self.registries.hosts():
            wish.loose |= dict.fromkeys(left - wish.asked, SUSPENDED if suspended else UNASKED)
            wish.loose |= dict.fromkeys(left & never, UNCHANGED)
        return wish

    def _standing(self, ref: UnitRef, leaving: Iterable[UnitRef]) -> tuple[Pins, frozenset[str]]:
        """The pins that a release was accepted with, and its images that were accepted without; of a new one those of
        releases that leave in the same plan: it may be one of them under a new name (G28)."""
        ledger = self.journal.ledger
        pins: dict[str, str] = {}
        never: set[str] = set()
        for one in [ref] if str(ref) in ledger.units else leaving:
            state = ledger.units.get(str(one))
            accepted = state.accepted if state is not None and not state.accepted.suspended else None
            if state is not None and accepted is None:
                accepted = state.successful  # of what is suspended nothing was done, and nothing asked
            if accepted is None or accepted.removed:
                continue
            pins = {pin.image: pin.digest for pin in accepted.pins} | pins
            source = self.desires.at(accepted.revision).desired.sources.get(one.name)
            never |= by_tag(source) if source is not None else frozenset()
        return pins, frozenset(never)

    def _answered(
        self,
        ref: UnitRef,
        wish: _Wish,
        image: str,
        reference: ImageReference | None,
        answers: Mapping[ImageReference, str | ReconcilerError],
    ) -> None:
        """What a registry said of an image, or why none was asked."""
        answer = answers.get(reference) if reference is not None else None
        match answer:
            case str():
                wish.pins[image] = answer
            case Unavailable() if image in wish.shown:
                wish.pins[image] = wish.shown[image]
                words = f"{ref}: {answer.message}; {image} stays what the last preview said"
                wish.checks.append(warning(str(ref), answer.key, words, answer.hint()))
            case ReconcilerError():
                wish.unanswered.append(image)
                wish.loose[image] = "its registry did not say"
                wish.checks.append(error(str(ref), answer.key, f"{ref}: {answer.message}", answer.hint()))
            case None if self.registries.hosts():
                why = f"registry {reference.host} is not listed" if reference is not None else "no image's name"
                wish.loose[image] = why


def _units(plans: PlanSet | None) -> Mapping[str, UnitPlan]:
    return {unit.unit: unit for plan in plans.plans for unit in plan.units} if plans is not None else {}
