"""What a release's images stand for already: its own pins, and those of an object that comes from another release.

Rules: what runs keeps what it has, a digest or none. What went back to the version before runs that one's images. An
object that another release gives up in the same plan brings what it ran with (G28); where two objects would bring
different digests for one image nobody guesses: a registry is asked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.machine.entry import Accepted
from reconciler.machine.states import UnitState
from reconciler.names import ObjectRef, Revision, UnitKind, UnitRef
from reconciler.plan.make import Side
from reconciler.plan.units import ref_of
from reconciler.specs.image_pins import by_tag, run, run_by_tag

Digests = dict[str, str]  # by image; empty for one that was accepted without
Place = tuple[str | None, str, str, str, str]  # cluster, group, kind, namespace, name


@dataclass(slots=True)
class Standing:
    """What stands before one plan. `planned`: the units of it, between which objects may move."""

    units: Mapping[str, UnitState]
    at: Callable[[Revision], Side]
    side: Side
    planned: Sequence[UnitRef]
    _places: dict[Place, list[tuple[UnitRef, Accepted, frozenset[str]]]] | None = field(default=None)

    def of(self, ref: UnitRef, images: frozenset[str]) -> Digests:
        """Those of a release's images that stand already."""
        found: Digests = {}
        for accepted in self._runs(ref):
            pins = {pin.image: pin.digest for pin in accepted.pins}
            source = self.at(accepted.revision).desired.sources.get(ref.name)
            without = dict.fromkeys(by_tag(source), "") if source is not None else {}
            found = without | pins | found
        found = {image: digest for image, digest in found.items() if image in images}
        left = images - found.keys()
        return found | self._brought(ref, left) if left else found

    def _runs(self, ref: UnitRef) -> Iterable[Accepted]:
        """What a release may run, what counts first standing first. Of what is suspended nothing was done."""
        state = self.units.get(str(ref))
        if state is None:
            return ()
        found = [state.accepted, state.successful]
        if state.outcome == "rolled_back":
            found.reverse()
        return tuple(one for one in found if one is not None and not one.suspended and not one.removed)

    def _brought(self, ref: UnitRef, images: frozenset[str]) -> Digests:
        """What objects bring along from the releases that they come from."""
        source, release = self.side.desired.sources[ref.name], self.side.desired.releases[ref.name]
        known = self._known()
        found: dict[str, set[str]] = {}
        for body in source.objects:
            wanted = run_by_tag(body) & images
            before = known.get(_place(release.spec.cluster, ref_of(body)), ()) if wanted else ()
            for other, accepted, ran in before:
                if other != ref:
                    pins = {pin.image: pin.digest for pin in accepted.pins}
                    for image in wanted:
                        digest = pins.get(image, "")
                        if (f"{image}@{digest}" if digest else image) in ran:
                            found.setdefault(image, set()).add(digest)
        return {image: digests.pop() for image, digests in found.items() if len(digests) == 1}

    def _known(self) -> Mapping[Place, Sequence[tuple[UnitRef, Accepted, frozenset[str]]]]:
        """By object: what the releases of this plan ran in it."""
        if self._places is None:
            self._places = {}
            for ref in self.planned:
                for accepted in list(self._runs(ref))[:1] if ref.kind is UnitKind.RELEASE else ():
                    desired = self.at(accepted.revision).desired
                    source, release = desired.sources.get(ref.name), desired.releases.get(ref.name)
                    for body in source.objects if source is not None and release is not None else ():
                        assert release is not None  # noqa: S101  no source of a release that is not
                        place = _place(release.spec.cluster, ref_of(body))
                        self._places.setdefault(place, []).append((ref, accepted, run(body)))
        return self._places


def _place(cluster: str | None, ref: ObjectRef) -> Place:
    return cluster, ref.group, ref.kind, ref.namespace, ref.name
