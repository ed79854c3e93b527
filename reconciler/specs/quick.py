"""The answer about a file in which nothing needs to be said, from libyaml's events in one pass.

Knows of a document what its text shows: its values as JSON and their places. It builds no nodes, words no finding and
asks no model. Rules: it answers byte for byte as check.py would where every document is a valid spec, and gives None
where anything is unusual, for check.py to say what; whether a spec is valid is for whoever reads the answer, who
validates in any case (answer.py), and asks again where it is not.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring  # as json.dumps(..., ensure_ascii=False) writes
from typing import Any

import yaml

from reconciler.specs.kind import API_VERSION, Kind
from reconciler.specs.nodes import SPEC_LIMITS
from reconciler.specs.parse import text_of
from reconciler.specs.scalars import Unclear, typed

MOST_PARTS = 1_000  # each is four events and two nodes at most, far within SPEC_LIMITS
MOST_DOCUMENTS = 100
_REMEMBERED = 4_096  # short words: keys, and values that many files share
_SHORT = 64  # characters
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*", re.ASCII)
_KINDS = frozenset(Kind)
_PARSER = getattr(getattr(yaml, "cyaml", None), "CParser", yaml.SafeLoader)

Next = Callable[[], Any]


class _Unusual(Exception):
    """Something that check.py has to look at."""


def quick(content: bytes) -> bytes | None:
    """The answer of `check` as JSON, or None."""
    text = text_of(content, SPEC_LIMITS)
    if not isinstance(text, str) or "\\" in text:  # an escape may hold what no value may
        return None
    parser = _PARSER(text)
    try:
        specs = _documents(parser.get_event)
    except (_Unusual, yaml.YAMLError):
        return None
    finally:
        parser.dispose()
    return f'{{"specs":[{",".join(specs)}],"invalid":[],"findings":[],"whole":true}}'.encode("utf-8", "surrogatepass")


def _documents(following: Next) -> list[str]:
    following()  # the stream's start
    specs: list[str] = []
    while isinstance(event := following(), yaml.DocumentStartEvent):
        if event.tags or len(specs) == MOST_DOCUMENTS:
            raise _Unusual
        specs.append(_spec(following))
        following()  # the document's end
    return specs


def _spec(following: Next) -> str:
    """One document as check.py answers: kind, line, column, JSON text, places by pointer."""
    root = following()
    if type(root) is not yaml.MappingStartEvent:
        raise _Unusual
    reading = _Reading(following)
    reading.part(root, "", 0)
    if len(reading.places) > MOST_PARTS or reading.top.get("apiVersion") != API_VERSION:
        raise _Unusual
    kind = reading.top.get("kind")
    if kind not in _KINDS:
        raise _Unusual
    line, column = reading.at
    outline = "{" + ",".join(reading.places) + "}"
    said = encode_basestring("".join(reading.said))
    return f'["{kind}",{line},{column},{said},{encode_basestring(outline)}]'


class _Reading:
    """One document: `said` is its JSON in pieces, `top` the texts at its top, `at` the place of its kind."""

    def __init__(self, following: Next) -> None:
        self.following = following
        self.said: list[str] = []
        self.places: list[str] = []
        self.top: dict[str, str] = {}
        self.at = (0, 0)

    def part(self, event: Any, way: str, depth: int) -> None:
        sort = type(event)
        if sort is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
            raise _Unusual
        mark = event.start_mark
        self.places.append(f'"{way}":[{mark.line + 1},{mark.column + 1}]')
        if sort is yaml.ScalarEvent:
            self.said.append(_value(event.value, plain=event.implicit[0]))
        elif depth >= SPEC_LIMITS.depth:
            raise _Unusual
        elif sort is yaml.MappingStartEvent:
            self._mapping(way, depth + 1)
        else:
            self._sequence(way, depth + 1)

    def _mapping(self, way: str, depth: int) -> None:
        say, following, before = self.said.append, self.following, "{"
        seen = set()
        while type(event := following()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent or event.anchor is not None or event.tag is not None:
                raise _Unusual
            name = event.value
            key, step = _key(name, event.implicit[0])
            if name in seen:
                raise _Unusual
            seen.add(name)
            say(before + key)
            value = following()
            if depth == 1 and type(value) is yaml.ScalarEvent:
                self._note(name, value)
            self.part(value, way + step, depth)
            before = ", "
        say("}" if seen else "{}")

    def _sequence(self, way: str, depth: int) -> None:
        say, following, number = self.said.append, self.following, 0
        while type(event := following()) is not yaml.SequenceEndEvent:
            say(", " if number else "[")
            self.part(event, f"{way}/{number}", depth)
            number += 1
        say("]" if number else "[]")

    def _note(self, name: str, value: Any) -> None:
        self.top[name] = value.value
        if name == "kind":
            self.at = (value.start_mark.line + 1, value.start_mark.column + 1)


@lru_cache(_REMEMBERED)
def _short(text: str, plain: bool) -> str:  # noqa: FBT001  the cache is keyed by both, fastest so
    """A scalar as JSON. Raises _Unusual where readers of YAML disagree about it."""
    value = typed(text) if plain else text
    if isinstance(value, Unclear):
        raise _Unusual
    return json.dumps(value, ensure_ascii=False)


def _value(text: str, *, plain: bool) -> str:
    return (_short if len(text) <= _SHORT else _short.__wrapped__)(text, plain)


@lru_cache(_REMEMBERED)
def _key(name: str, plain: bool) -> tuple[str, str]:  # noqa: FBT001  as above
    """A key as JSON with its colon, and as a step of a pointer. Raises _Unusual where it is not a plain name."""
    if len(name) > _SHORT or not _KEY.fullmatch(name) or (plain and not isinstance(typed(name), str)):
        raise _Unusual
    return f'"{name}": ', "/" + name.replace("~", "~0").replace("/", "~1")
