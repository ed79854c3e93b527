"""YAML reduced to what a kubeconfig needs: one document of mappings, lists and text.

Reads parser events and builds nothing else: no tags, anchors, aliases, merge keys, directives or second document, no
key twice, and every scalar is text. It stops at the first event that is too deep, so a hostile text never meets a
recursive constructor (100,000 nested brackets end libyaml's composer with a segmentation fault). Messages quote no
value.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml

Node: TypeAlias = "str | list[Node] | dict[str, Node]"

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotPlain(Exception):
    """The text is not plain YAML; the message says why and on which line."""


def read_plain(text: str, *, max_bytes: int, max_depth: int) -> Node:
    """The document's value; a plain null is empty text. Raises NotPlain."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise NotPlain("it is not Unicode text") from None
    if size > max_bytes:
        raise NotPlain(f"it is larger than {max_bytes} bytes")
    try:
        return _document(iter(yaml.parse(text, Loader=LOADER)), max_depth)
    except yaml.MarkedYAMLError as error:
        line = f" on line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise NotPlain(f"it is not YAML{line}") from None
    except yaml.YAMLError:
        raise NotPlain("it is not YAML") from None


def _document(events: Iterator[Any], max_depth: int) -> Node:
    next(events)  # the stream's start
    start = next(events)
    if not isinstance(start, yaml.DocumentStartEvent):
        raise NotPlain("it is empty")
    if start.version or start.tags:
        raise NotPlain("it has a YAML directive")
    value = _node(next(events), events, max_depth)
    next(events)  # the document's end
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise NotPlain("it has more than one document")
    return value


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    _check(event, depth)
    if isinstance(event, yaml.ScalarEvent):
        return "" if event.style is None and event.value in NULLS else str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        return list(_items(events, depth))
    return _pairs(events, depth)


def _items(events: Iterator[Any], depth: int) -> Iterator[Node]:
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        yield _node(event, events, depth - 1)


def _pairs(events: Iterator[Any], depth: int) -> dict[str, Node]:
    found: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line = event.start_mark.line + 1
        key = _node(event, events, depth - 1)
        if not isinstance(key, str) or key == "<<":
            raise NotPlain(f"line {line} has a key that is not plain text")
        if key in found:
            raise NotPlain(f"line {line} repeats a key")
        found[key] = _node(next(events), events, depth - 1)
    return found


def _check(event: Any, depth: int) -> None:
    line = event.start_mark.line + 1
    if depth <= 0:
        raise NotPlain(f"line {line} is nested too deeply")
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise NotPlain(f"line {line} has an anchor or alias")
    if event.tag is not None:
        raise NotPlain(f"line {line} has a tag")
