"""Pins: environments whose releases are read at a commit of their own, and how such a commit's releases come in (G19).

Rule: a pinned environment has the releases of its pin and no others; everything else is the tip's. A pin that cannot be
read, or whose releases would take another environment's names, gives no release at all and breaks its environment:
nothing is planned there, so nothing is taken for removed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.specs.complaint import Complaint
from reconciler.specs.finding import CONFLICT, VALIDATION
from reconciler.specs.kinds import AnySpec, Environment, Release
from reconciler.specs.source import TreeEntry
from reconciler.specs.spec import Spec

HINT = "name a commit of the tracked branch at which the environment's releases are right"


@dataclass(frozen=True, slots=True)
class Pin:
    """What an environment's `revision` leads to: its releases and the files there, or what is wrong with it."""

    releases: tuple[Spec[Release], ...] = ()
    entries: tuple[TreeEntry, ...] = ()
    wrong: str = ""


Pins = Mapping[str, Pin]  # by environment


def pinned(specs: Iterable[Spec[AnySpec]]) -> dict[str, Spec[Environment]]:
    """The environments that hold a `revision`, by name."""
    found: dict[str, Spec[Environment]] = {}
    for spec in specs:
        if isinstance(spec.spec, Environment) and spec.spec.revision is not None:
            found.setdefault(spec.name, spec)  # type: ignore[arg-type]
    return found


def composed(
    specs: Iterable[Spec[AnySpec]], pins: Pins
) -> tuple[tuple[Spec[AnySpec], ...], dict[str, Pin], tuple[Complaint, ...]]:
    """The specs with each pin's releases in place of the tip's, the pins that hold, and what is wrong with others."""
    given = tuple(specs)
    if not pins:
        return given, {}, ()
    kept = [spec for spec in given if not (isinstance(spec.spec, Release) and spec.spec.environment in pins)]
    taken = {spec.name: spec.spec.environment for spec in kept if isinstance(spec.spec, Release)}
    good: dict[str, Pin] = {}
    complaints = []
    for name, spec in sorted(pinned(given).items()):
        pin = pins[name]
        wrong = list(_wrong(spec, pin, taken))
        complaints += wrong
        if not wrong:
            good[name] = pin
            kept += pin.releases
            taken |= {release.name: name for release in pin.releases}
    return tuple(kept), good, tuple(complaints)


def _wrong(spec: Spec[Environment], pin: Pin, taken: Mapping[str, str]) -> Iterator[Complaint]:
    if pin.wrong:
        yield Complaint(spec, ("revision",), pin.wrong, HINT, VALIDATION)
    for release in pin.releases:
        if release.name in taken:
            message = f"the release {release.name} stands there, and environment {taken[release.name]} has that name"
            yield Complaint(spec, ("revision",), message, HINT, CONFLICT)
