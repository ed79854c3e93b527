"""How one apply differs from others, beside what it sends."""

from dataclasses import dataclass

from reconciler.specs.ways import Way


@dataclass(frozen=True, slots=True)
class Manner:
    """`take`: see adopt.py; the rest: see the port. `run`: which run a Job is."""

    take: frozenset[str] = frozenset()
    replicas: int = 0
    stopped: bool = False
    run: str = ""
    ignored: tuple[Way, ...] = ()
