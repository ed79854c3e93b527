"""Two JSON values -> field changes. Knows no kind, no cluster and no secret: what comes in is already masked.

List items that all carry a distinct `name` are matched by it, others by position, so that inserting a container in
front does not read as a change of every container.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.plan.change import FieldChange


def diff(before: Any, after: Any, path: str = "") -> tuple[FieldChange, ...]:
    """Every leaf that differs, in document order of `before`, then what only `after` has."""
    return tuple(_walk(before, after, path))


def _walk(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _walk(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _is_list(before) and _is_list(after):
        yield from _walk_lists(before, after, path)
    elif not same(before, after):
        yield FieldChange(path=path, before=before, after=after)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are equal, 1 and True are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _walk_lists(before: Sequence[Any], after: Sequence[Any], path: str) -> Iterator[FieldChange]:
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None:
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _walk(old.get(name), new.get(name), f"{path}[name={name}]")
        return
    for index in range(max(len(before), len(after))):
        yield from _walk(
            before[index] if index < len(before) else None,
            after[index] if index < len(after) else None,
            f"{path}[{index}]",
        )


def _by_name(items: Sequence[Any]) -> dict[str, Any] | None:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        return None
    return {str(name): item for name, item in zip(names, items, strict=True)}


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
