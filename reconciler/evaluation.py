"""What the parts of an expression answer: each is made of its parts and is asked with what names stand for.

Knows values as JSON has them and no text of an expression. Rule: every part that looks at something takes a step, and
steps are counted; what cannot be told raises NoAnswer, which && and || pass over where the other side decides, as CEL
has it.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

MOST_STEPS: Final = 20_000  # of one answer
ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NoAnswer(Exception):
    """Why it cannot be told. Names fields, never their values."""


@dataclass(slots=True)
class Look:
    """What names stand for, and how many steps may still be taken."""

    names: dict[str, Any]
    left: int = MOST_STEPS

    def step(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise NoAnswer("it takes too long to tell")


Node = Callable[[Look], Any]


def constant(value: Any) -> Node:
    return lambda _: value


def named(name: str) -> Node:
    def node(look: Look) -> Any:
        look.step()
        if name not in look.names:
            raise NoAnswer(f"{name} is not there")
        return look.names[name]

    return node


def field(holder: Node, name: str) -> Node:
    def node(look: Look) -> Any:
        look.step()
        found = _mapping(holder(look), name)
        if name not in found:
            raise NoAnswer(f"{name} is not there")
        return found[name]

    return node


def has(holder: Node, name: str) -> Node:
    def node(look: Look) -> bool:
        look.step()
        return name in _mapping(holder(look), name)

    return node


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise NoAnswer(f"what should hold {name} has no fields")
    return value


def item(holder: Node, index: Node) -> Node:
    def node(look: Look) -> Any:
        look.step()
        items, at = holder(look), index(look)
        if isinstance(items, dict) and isinstance(at, str) and at in items:
            return items[at]
        if isinstance(items, list) and type(at) is int and 0 <= at < len(items):
            return items[at]
        raise NoAnswer("there is nothing at a place in [ ]")

    return node


def size(of: Node) -> Node:
    def node(look: Look) -> int:
        look.step()
        found = of(look)
        if not isinstance(found, (list, dict, str)):
            raise NoAnswer("size() is of a list, a mapping or a text")
        return len(found)

    return node


def exists(items: Node, name: str, test: Node) -> Node:
    """As in CEL: true where one is, whatever cannot be told of others."""

    def node(look: Look) -> bool:
        found = items(look)
        if not isinstance(found, list):
            raise NoAnswer("exists() is of a list")

        def of_one(one: Any) -> bool:
            look.names[name] = one
            return _answered(test, look)

        return _first_yes((partial(of_one, one) for one in found), look)

    return node


def any_of(nodes: list[Node]) -> Node:
    return lambda look: _first_yes((partial(_answered, node, look) for node in nodes), look)


def all_of(nodes: list[Node]) -> Node:
    return lambda look: not _first_yes((partial(_denied, node, look) for node in nodes), look)


def _answered(node: Node, look: Look) -> bool:
    return yes_or_no(node(look))


def _denied(node: Node, look: Look) -> bool:
    return not _answered(node, look)


def _first_yes(asked: Iterable[Callable[[], bool]], look: Look) -> bool:
    """Whether one says yes; NoAnswer where none does and one of them has no answer."""
    untold: NoAnswer | None = None
    for one in asked:
        look.step()
        try:
            if one():
                return True
        except NoAnswer as error:
            if look.left < 0:
                raise
            untold = untold or error
    if untold is not None:
        raise untold
    return False


def negated(of: Node) -> Node:
    return partial(_denied, of)


def relation(sign: str, left: Node, right: Node) -> Node:
    def node(look: Look) -> bool:
        look.step()
        one, other = left(look), right(look)
        if sign == "in":
            return _within(one, other, look)
        if sign in ORDERS:
            if not _ordered(one, other):
                raise NoAnswer(f"{sign} is of two numbers or two texts")
            return ORDERS[sign](one, other)
        return _equal(one, other) == (sign == "==")

    return node


def _within(one: Any, many: Any, look: Look) -> bool:
    if isinstance(many, dict):
        return isinstance(one, str) and one in many
    if not isinstance(many, list):
        raise NoAnswer("what stands after in is no list and no mapping")
    look.step(len(many))
    return any(_equal(one, other) for other in many)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (list, dict)) or isinstance(other, (list, dict)):
        raise NoAnswer("lists and mappings are not compared")
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _ordered(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    return (isinstance(one, str) and isinstance(other, str)) or (
        isinstance(one, (int, float)) and isinstance(other, (int, float))
    )


def yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NoAnswer("it says something else than yes or no")
    return value
