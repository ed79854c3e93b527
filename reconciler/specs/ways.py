"""Ways to a field of an object, through lists by the names of their items: pure functions over JSON.

A list's item is found by its `name` wherever it stands, so that a sidecar which somebody put in front moves nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Json = Any


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """The item of a list that has this name."""

    name: str


Way: TypeAlias = tuple[str | Item, ...]
ABSENT: Final = object()
REPLICAS: Final[Way] = ("spec", "replicas")


def words(way: Way) -> str:
    """As a preview names a field: `spec.template.spec.containers[name=web].image`."""
    text = ""
    for step in way:
        text += f"[name={step.name}]" if isinstance(step, Item) else f".{step}" if text else step
    return text


def at(value: Json, way: Way) -> Json:
    """What stands there; ABSENT where nothing does."""
    for step in way:
        if isinstance(step, Item):
            value = next((one for one in value if _is_named(one, step)), ABSENT) if isinstance(value, list) else ABSENT
        else:
            value = value.get(step, ABSENT) if isinstance(value, Mapping) else ABSENT
        if value is ABSENT:
            return ABSENT
    return value


def left_out(value: Json, ways: Iterable[Way]) -> Json:
    """A copy without what stands at these ways; a mapping or list that becomes empty by that goes as well."""
    for way in ways:
        value = _without(value, way) if at(value, way) is not ABSENT else value
    return value


def all_ways(value: Json, before: Way = ()) -> Iterator[tuple[Way, str]]:
    """Every way into a value whose lists can be told by name, with the JSON pointer that leads the same way."""
    yield from _all(value, before, "")


def _all(value: Json, way: Way, pointer: str) -> Iterator[tuple[Way, str]]:
    if way:
        yield way, pointer
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _all(inner, (*way, str(key)), f"{pointer}/{_escaped(str(key))}")
    elif isinstance(value, list) and are_named(value):
        for number, one in enumerate(value):
            yield from _all(one, (*way, Item(one["name"])), f"{pointer}/{number}")


def are_named(items: list[Json]) -> bool:
    """Whether every item has a name of its own."""
    names = [one.get("name") if isinstance(one, Mapping) else None for one in items]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def tokens(pointer: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _without(value: Json, way: Way) -> Json:
    step, rest = way[0], way[1:]
    if isinstance(step, Item):
        pairs = [(one, _is_named(one, step)) for one in value]
        return [_without(one, rest) if named else one for one, named in pairs if rest or not named]
    inner = _without(value[step], rest) if rest else {}
    if rest and inner not in ({}, []):
        return {**value, step: inner}
    return {key: other for key, other in value.items() if key != step}


def _is_named(one: Json, item: Item) -> bool:
    return isinstance(one, Mapping) and one.get("name") == item.name
