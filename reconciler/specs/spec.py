"""A spec: one document that somebody wrote and that is valid by itself.

Knows what it says and where each part of it is written. Rule: where it is written is never part of what it says; two
specs are equal when kind, metadata and content are (contracts: G7).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from reconciler.errors import Place
from reconciler.names import BlobId
from reconciler.specs.kinds import AnySpec, Kind
from reconciler.specs.nodes import pointer

T_co = TypeVar("T_co", bound=AnySpec, covariant=True)


@dataclass(frozen=True, slots=True)
class Spec(Generic[T_co]):
    """One valid document. `place` is its kind's line; `outline` the places of its parts, read by `place_of`."""

    kind: Kind
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: T_co
    place: Place = field(compare=False)
    blob: BlobId = field(compare=False)
    outline: str = field(default="{}", compare=False, repr=False)  # JSON: pointer -> [line, column]

    @property
    def path(self) -> str:
        """The file it is written in."""
        return self.place.path

    @property
    def ref(self) -> str:
        """`Kind/name`, as people say it."""
        return f"{self.kind}/{self.name}"

    def at(self, path: str) -> "Spec[T_co]":
        """The same in the file at this path."""
        place = Place(path, self.place.line, self.place.column)
        return Spec(
            self.kind, self.name, self.labels, self.annotations, self.spec, place, self.blob, self.outline
        )  # fmt: skip

    def place_of(self, *steps: str | int) -> Place:
        """Where a part of it is written, as `place_of("nodes", 0, "host")`; else the nearest part around it."""
        if not steps:
            return self.place
        places = _places(self.outline)
        way = ["spec", *steps]
        while way:
            match places.get(pointer(way)):
                case [int(line), int(column)]:
                    return Place(self.place.path, line, column)
            way.pop()
        return self.place


def _places(outline: str) -> dict[str, Any]:
    """An outline comes from the child, as untrusted as what it read: places are wrong at worst."""
    try:
        places = json.loads(outline)
    except (ValueError, RecursionError):
        return {}
    return places if isinstance(places, dict) else {}
