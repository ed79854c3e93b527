"""Pydantic's errors as findings that a person can act on.

Knows pydantic's error types and where nodes are. Knows no kind by name. Rules: the place is that of the field (of the
key for an unknown field, of the enclosing mapping for a missing one); what somebody wrote is quoted only where it is
one of a few words, never where it may be a secret; a part that already has a finding gets no second one.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reconciler.specs.finding import Finding, near_miss
from reconciler.specs.kinds.fields import WORDS
from reconciler.specs.kinds.model import RULE
from reconciler.specs.nodes import Node

Details = Mapping[str, Any]
KEY_OF_MAP = "[key]"  # what pydantic adds to the way when a mapping's key is wrong


def findings_of(error: ValidationError, root: Node, model: type[BaseModel]) -> list[Finding]:
    """The findings of a document, from what its model refused."""
    found = [_finding(dict(details), root, model) for details in error.errors(include_url=False, include_input=True)]
    return [finding for finding in found if finding is not None]


def spelled(way: Sequence[str | int]) -> str:
    """`spec.nodes[0].host`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)
    return text.removeprefix(".") or "the document"


def _finding(details: dict[str, Any], root: Node, model: type[BaseModel]) -> Finding | None:
    way = list(details["loc"])
    if details["type"] == "extra_forbidden":
        return _unknown(way, root, model)
    wrong_key = bool(way) and way[-1] == KEY_OF_MAP
    if wrong_key:
        way.pop()
    if details["type"] == RULE and details["ctx"].get("field"):
        way.append(details["ctx"]["field"])
    node, at = _nearest(way, root)
    if node.has_flaw() and (at == len(way) or details["type"] == "missing"):
        return None
    key = _key_node(way, root) if wrong_key else None
    place = key or node
    what = spelled(way[:-1] if wrong_key else way)
    word, hint = _say(details, "a key" if wrong_key else "it")
    return Finding(place.line, place.column, f"{what}: {word}", hint)


def _unknown(way: list[str | int], root: Node, model: type[BaseModel]) -> Finding | None:
    key = _key_node(way, root)
    name = str(way[-1])
    place = key or root
    hint = near_miss(name, _fields_at(model, way[:-1]))
    return Finding(place.line, place.column, f'{spelled(way[:-1])}: there is no field "{name[:80]}"', hint)


def _nearest(way: Sequence[str | int], root: Node) -> tuple[Node, int]:
    """The node at the way's end or the nearest one around it, and how many steps lead to it."""
    node = root
    for number, step in enumerate(way):
        following = node.child(step)
        if following is None:
            return node, number
        node = following
    return node, len(way)


def _key_node(way: Sequence[str | int], root: Node) -> Node | None:
    node, at = _nearest(way[:-1], root)
    return node.key(str(way[-1])) if at == len(way) - 1 else None


def _fields_at(model: type[BaseModel], way: Sequence[str | int]) -> list[str]:
    """The names that a mapping at this way may have."""
    current: type[BaseModel] | None = model
    for step in way:
        if isinstance(step, int):
            continue
        current = (
            next((_model_in(f.annotation) for f in current.model_fields.values() if f.alias == step), None)
            if current
            else None
        )
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model within `Model | None`, `tuple[Model, ...]` or `Annotated[...]` of these."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _say(details: Details, what: str) -> tuple[str, str]:
    context = details.get("ctx") or {}
    words = _WORDS.get(details["type"])
    if words is not None:
        return words(details, context)
    message = str(details["msg"])
    return message[:1].lower() + message[1:] if what == "it" else f"{what}: {message.lower()}", ""


def _text_needed(details: Details, _context: Details) -> tuple[str, str]:
    given = details["input"]
    if isinstance(given, (bool, int, float)):
        return f"text is needed, and this is {_noun(given)}", "put it in quotes"
    return f"text is needed, and this is {_noun(given)}", ""


def _noun(given: Any) -> str:
    match given:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _needed(what: str) -> Callable[[Details, Details], tuple[str, str]]:
    def words(details: Details, _context: Details) -> tuple[str, str]:
        given = details["input"]
        hint = (
            "leave out the quotes"
            if isinstance(given, str) and what in ("a whole number", "a number", "true or false")
            else ""
        )
        return f"{what} is needed, and this is {_noun(given)}", hint

    return words


def _one_of(details: Details, context: Details) -> tuple[str, str]:
    allowed = str(context["expected"]).replace("'", "")
    given = details["input"]
    hint = near_miss(given, allowed.replace(" or ", ", ").split(", ")) if isinstance(given, str) else ""
    return f"one of {allowed} is needed", hint


def _pattern(_details: Details, context: Details) -> tuple[str, str]:
    words = WORDS.get(str(context["pattern"]))
    return (f"this must be {words}" if words else "it is not spelled as it must be"), ""


_WORDS: Mapping[str, Callable[[Details, Details], tuple[str, str]]] = MappingProxyType(
    {
        "missing": lambda _details, _context: ("it is required", ""),
        "string_type": _text_needed,
        "int_type": _needed("a whole number"),
        "int_from_float": _needed("a whole number"),
        "float_type": _needed("a number"),
        "bool_type": _needed("true or false"),
        "tuple_type": _needed("a list"),
        "list_type": _needed("a list"),
        "dict_type": _needed("a mapping"),
        "model_type": _needed("a mapping"),
        "enum": _one_of,
        "literal_error": _one_of,
        "string_pattern_mismatch": _pattern,
        "string_too_short": lambda _details, _context: ("it is empty", ""),
        "string_too_long": lambda _details, context: (f"it is longer than {context['max_length']} characters", ""),
        "too_short": lambda _details, context: (f"at least {context['min_length']} is needed", ""),
        "greater_than": lambda _details, context: (f"it must be more than {context['gt']}", ""),
        "greater_than_equal": lambda _details, context: (f"it must be at least {context['ge']}", ""),
        "less_than_equal": lambda _details, context: (f"it must be at most {context['le']}", ""),
    }
)
