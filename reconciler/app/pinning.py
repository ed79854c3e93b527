"""Pins the images of what is planned: what was accepted keeps its pins, what is new is asked of the listed registries.

Rules: only a preview asks, and once for each distinct image; what is planned of it later takes the pins that it shows.
An image that a release has already keeps what it has, a pin or none (app/standing.py). What a listed registry does not
answer blocks the plan, unless the preview that stands knows it and the registry is only away. What nobody was asked for
is marked as such, and is asked for as soon as somebody may ask.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, TypeVar

from reconciler.app.desire import Desires
from reconciler.app.journal import Journal
from reconciler.app.standing import Standing
from reconciler.errors import ReconcilerError, Rejected, Unavailable
from reconciler.names import Digest, UnitKind, UnitRef
from reconciler.plan.change import Change, Check, Operation, Plan, PlanSet, UnitPlan
from reconciler.plan.make import Side
from reconciler.plan.part import error, warning
from reconciler.plan.suspension import why_suspended
from reconciler.plan.units import ref_of
from reconciler.ports import Registries
from reconciler.specs.image_pins import by_tag, run_by_tag
from reconciler.specs.image_reference import ImageReference, parse_reference

RUNS_ALREADY = "runs already: taking it over restarts nothing"
UNCHANGED = "unchanged, and accepted without"
UNASKED = "no registry was asked"
SUSPENDED = "suspended: no registry was asked"
SILENT = "its registry did not say"
MOST_ASKED: Final = 200  # distinct images of one preview
Pins = dict[str, str]
Kept = TypeVar("Kept")


def nothing_shown() -> PlanSet | None:
    """No preview stands."""
    return None


@dataclass(frozen=True, slots=True)
class Asking:
    """Where pins of a plan come from, beside what was accepted. `shown`: the plans of the preview that stands.

    `asks`: whether registries may be asked; `anew`: also for what that preview has pins for; `insists`: also for what
    they said nothing of when it was made.
    """

    shown: Callable[[], PlanSet | None] = nothing_shown
    asks: bool = False
    anew: bool = False
    insists: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """A side with its images pinned, as far as they are, and what is to be said of it, by unit."""

    side: Side
    plain: Side
    pins: Mapping[UnitRef, Pins] = field(default_factory=dict)
    loose: Mapping[UnitRef, Pins] = field(default_factory=dict)
    checks: Mapping[UnitRef, Mapping[str, Check]] = field(default_factory=dict)  # by image
    unanswered: Mapping[UnitRef, frozenset[str]] = field(default_factory=dict)

    def concerned(self, ref: UnitRef) -> frozenset[str]:
        """The images of a unit that were pinned, or should have been."""
        return frozenset(self.pins.get(ref, ())) | self.unanswered.get(ref, frozenset())

    def said(self, ref: UnitRef) -> tuple[Check, ...]:
        """What is to be said of a unit's images."""
        return tuple(check for _, check in sorted(self.checks.get(ref, {}).items()))

    def marked(self, plan: Plan) -> Plan:
        """The plan with what no registry answered, and what none was asked, marked in its units; bookkeeping, its
        checks are what is digested."""
        return plan.model_copy(update={"units": tuple(self._marked(unit) for unit in plan.units)})

    def _marked(self, unit: UnitPlan) -> UnitPlan:
        ref = UnitRef.parse(unit.unit)
        silent = tuple(sorted(self.unanswered.get(ref, ())))
        loose = self.loose.get(ref, {})
        unasked = tuple(sorted(image for image, why in loose.items() if why == UNASKED))
        if not silent and not unasked:
            return unit
        silence = tuple(self.checks[ref][image] for image in silent)
        return unit.model_copy(update={"unanswered": silent, "silence": silence, "unasked": unasked})

    def taken_over(self, changes: Iterable[Change]) -> Mapping[UnitRef, frozenset[str]]:
        """The images by tag of those objects that some changes take over, by unit."""
        found: dict[UnitRef, frozenset[str]] = {}
        for change in changes:
            ref = UnitRef.parse(change.unit)
            source = self.plain.desired.sources.get(ref.name) if ref.kind is UnitKind.RELEASE else None
            if change.operation is Operation.ADOPT and source is not None:
                bodies = (body for body in source.objects if str(ref_of(body)) == change.subject)
                found[ref] = found.get(ref, frozenset()).union(*map(run_by_tag, bodies))
        return {ref: images for ref, images in found.items() if images}


@dataclass(frozen=True, slots=True)
class _Settling:
    """What is being settled. `shown`: each unit of the preview that stands, read where it is needed, and once."""

    side: Side
    asking: Asking
    may_ask: Callable[[str], bool]
    shown: Callable[[], Mapping[str, UnitPlan]]
    standing: Standing

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
    checks: dict[str, Check] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Pinner:
    """Settles pins. One for the process."""

    desires: Desires
    journal: Journal
    registries: Registries

    def settle(self, side: Side, units: Iterable[UnitRef], asking: Asking, may_ask: Callable[[str], bool]) -> Settled:
        """The side with these units' images pinned. `may_ask`: by environment, whether its author may have it asked."""
        planned = sorted(units)
        standing = Standing(self.journal.ledger.units, self.desires.at, side, planned)
        settling = _Settling(side, asking, may_ask, cache(lambda: _units(asking.shown())), standing)
        wishes = {ref: wish for ref in planned if (wish := self._wish(ref, settling)) is not None}
        references = {image: parse_reference(image) for wish in wishes.values() for image in wish.asked}
        answers = self._answers({one for one in references.values() if one is not None})
        for ref, wish in wishes.items():
            for image in sorted(wish.asked):
                self._answered(ref, wish, image, references[image], answers)
        return self._settled(
            Settled(
                side=side,
                plain=side,
                pins={ref: wish.pins for ref, wish in wishes.items()},
                loose={ref: wish.loose for ref, wish in wishes.items()},
                checks={ref: wish.checks for ref, wish in wishes.items()},
                unanswered={ref: frozenset(wish.unanswered) for ref, wish in wishes.items()},
            )
        )

    def without(self, settled: Settled, images: Mapping[UnitRef, frozenset[str]]) -> Settled:
        """The same with some images not pinned, nor anything said of them: they stay as they run."""

        loose = {ref: settled.loose.get(ref, {}) | dict.fromkeys(gone, RUNS_ALREADY) for ref, gone in images.items()}
        return self._settled(
            replace(
                settled,
                pins=_but(settled.pins, images),
                loose={**settled.loose, **loose},
                checks=_but(settled.checks, images),
                unanswered={ref: one - images.get(ref, frozenset()) for ref, one in settled.unanswered.items()},
            )
        )

    def _settled(self, settled: Settled) -> Settled:
        return replace(settled, side=self.desires.pinned(settled.plain, settled.pins, settled.loose))

    def _answers(self, wanted: set[ImageReference]) -> Mapping[ImageReference, str | ReconcilerError]:
        """What the registries say, of no more images than one preview may ask for."""
        asked = sorted(wanted)
        words = f"{len(asked)} images would be asked for at once, and {MOST_ASKED} are the most"
        many = Rejected(words, key="validation_error", hint="split the change, or write digests")
        found = self.registries.digests(asked[:MOST_ASKED]) if asked else {}
        return {**found, **dict.fromkeys(asked[MOST_ASKED:], many)}

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
        suspended = why_suspended(side.desired, ref) is not None
        asks = asking.asks and settling.may_ask(unit.environment) and not suspended
        if shown is not None and not asking.anew:
            return self._as_shown(shown, images, asks=asks, insists=asking.insists)
        stands = settling.standing.of(ref, images)
        wish = _Wish({image: digest for image, digest in stands.items() if digest}, {}, shown=seen)
        left = images - stands.keys()
        wish.asked = left if asks else frozenset()
        if self.registries.hosts():
            wish.loose |= dict.fromkeys(left - wish.asked, SUSPENDED if suspended else UNASKED)
            wish.loose |= {image: UNCHANGED for image, digest in stands.items() if not digest}
        return wish

    @staticmethod
    def _as_shown(shown: UnitPlan, images: frozenset[str], *, asks: bool, insists: bool) -> _Wish:
        """What the preview that stands says of this content; only what it has no answer for is asked."""
        seen = {pin.image: pin.digest for pin in shown.pins}
        unasked, silent = images & set(shown.unasked), images & set(shown.unanswered)
        asked = (unasked if asks else frozenset()) | (silent if asks and insists else frozenset())
        why = dict.fromkeys(unasked - asked, UNASKED) | dict.fromkeys(silent - asked, SILENT)
        known = dict(zip(shown.unanswered, shown.silence, strict=False))
        lost = error(shown.unit, "internal_error", f"{shown.unit}: a listed registry did not say what its images are")
        return _Wish(
            seen,
            why,
            asked,
            shown=seen,
            checks={image: known.get(image, lost) for image in silent - asked},
            unanswered=set(silent - asked),
        )

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
                wish.checks[image] = warning(str(ref), answer.key, words, answer.hint())
            case ReconcilerError():
                wish.unanswered.add(image)
                wish.loose[image] = SILENT
                wish.checks[image] = error(str(ref), answer.key, f"{ref}: {answer.message}", answer.hint())
            case None if self.registries.hosts():
                why = f"registry {reference.host} is not listed" if reference is not None else "no image's name"
                wish.loose[image] = why


def _units(plans: PlanSet | None) -> Mapping[str, UnitPlan]:
    return {unit.unit: unit for plan in plans.plans for unit in plan.units} if plans is not None else {}


def _but(
    known: Mapping[UnitRef, Mapping[str, Kept]], images: Mapping[UnitRef, frozenset[str]]
) -> dict[UnitRef, dict[str, Kept]]:
    return {
        ref: {image: kept for image, kept in found.items() if image not in images.get(ref, ())}
        for ref, found in known.items()
    }
