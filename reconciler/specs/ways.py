"""Ways to a field of an object, through mappings alone: pure functions over JSON."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

Json = Any

Way: TypeAlias = tuple[str, ...]
ABSENT: Final = object()
REPLICAS: Final[Way] = ("spec", "replicas")
NUMBERS: Final[frozenset[Way]] = frozenset({REPLICAS, ("spec", "suspend")})  # how many pods a workload is to have


def words(way: Way) -> str:
    """As a preview names a field: `spec.replicas`."""
    return ".".join(way)


def at(value: Json, way: Way) -> Json:
    """What stands there; ABSENT where nothing does."""
    for step in way:
        value = value.get(step, ABSENT) if isinstance(value, Mapping) else ABSENT
        if value is ABSENT:
            return ABSENT
    return value


def left_out(value: Json, ways: Iterable[Way]) -> Json:
    """A copy without what stands at these ways; a mapping that becomes empty by that goes as well."""
    for way in ways:
        value = _without(value, way) if at(value, way) is not ABSENT else value
    return value


def put_in(value: Json, way: Way, field: Json) -> Json:
    """A copy with a field at a way."""
    inner = put_in(value.get(way[0], {}), way[1:], field) if way[1:] else field
    return {**value, way[0]: inner}


def all_ways(value: Json, before: Way = ()) -> Iterator[tuple[Way, str]]:
    """Every way to a field that is no mapping, with the JSON pointer that leads the same way."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from all_ways(inner, (*before, str(key)))
    elif before:
        yield before, "".join(f"/{_escaped(step)}" for step in before)


def tokens(pointer: str) -> Way:
    """The steps of a JSON pointer (RFC 6901)."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _without(value: Json, way: Way) -> Json:
    step, rest = way[0], way[1:]
    inner = _without(value[step], rest) if rest else {}
    if rest and inner != {}:
        return {**value, step: inner}
    return {key: other for key, other in value.items() if key != step}
