"""Yes or no about a Kubernetes object: a small part of CEL, each word of which means what it means there.

`parse` reads, `Expression.answer` asks; neither knows a kind or a cluster. Rules: an expression of a pull request costs
little to read and to ask, whatever it says and whatever it is asked of (`MOST_CHARACTERS`, `DEEPEST`, `MOST_STEPS`);
it sees an object's metadata, spec and status and nothing else of it; what cannot be told (a field that is missing, a
text compared with a number) is no answer and never a yes. `all`, `filter` and `matches` are left out on purpose: of a
list that is still empty everything is true, and patterns may take for ever.
CEL: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from reconciler import evaluation
from reconciler.evaluation import ORDERS, Look, Node, yes_or_no

MOST_CHARACTERS: Final = 1000
DEEPEST: Final = 20  # one in the other: brackets, and what is looked through
ROOTS: Final = ("metadata", "spec", "status")
KNOWN: Final = "it knows ==, !=, <, <=, >, >=, in, &&, ||, !, has(FIELD), size(LIST) and LIST.exists(x, EXPRESSION)"

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d{1,15}(?:\.\d{1,15})?)(?![\w.])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>'(?:[^'\\\n]|\\['\"\\])*'|\"(?:[^\"\\\n]|\\['\"\\])*\")"
    r"|(?P<sign>&&|\|\||[=!<>]=|[<>!.,()\[\]]))",
    re.ASCII,
)
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}


class NotAnExpression(ValueError):
    """What is wrong with a text, and after how many characters."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A text that was understood."""

    text: str
    _node: Node = field(repr=False, compare=False)

    def answer(self, body: Mapping[str, Any]) -> bool:
        """Whether it is true of an object. Raises NoAnswer."""
        found = self._node(Look({root: body[root] for root in ROOTS if root in body}))
        return yes_or_no(found)


@lru_cache(maxsize=512)
def parse(text: str) -> Expression:
    """Read an expression. Raises NotAnExpression."""
    if len(text) > MOST_CHARACTERS:
        raise NotAnExpression(f"it is longer than {MOST_CHARACTERS} characters")
    return Expression(text, _Parser(text).whole())


class _Parser:
    """Reads from left to right, once; every way deeper is counted."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0
        self._depth = 0
        self._bound: list[str] = []
        self._kind = self._token = ""
        self._next()

    def whole(self) -> Node:
        node = self._either()
        if self._kind:
            raise self._wrong(f"{self._token!r} was not expected")
        return node

    def _wrong(self, words: str) -> NotAnExpression:
        return NotAnExpression(f"{words}, at character {self._at + 1}; {KNOWN}")

    def _next(self) -> None:
        self._at += len(self._token)
        rest = self._text[self._at :]
        self._at += len(rest) - len(rest.lstrip())
        self._kind = self._token = ""
        if self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                raise self._wrong(f"{self._text[self._at : self._at + 10]!r} cannot be read")
            self._kind, self._token = str(found.lastgroup), found[0]

    def _takes(self, *tokens: str) -> str:
        """The token, taken, where it is one of these; else an empty text."""
        taken = self._token if self._kind != "text" and self._token in tokens else ""
        if taken:
            self._next()
        return taken

    def _needs(self, token: str) -> None:
        if not self._takes(token):
            raise self._wrong(f"{token!r} is missing")

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is nested deeper than {DEEPEST}")
        node = read()
        self._depth -= 1
        return node

    def _either(self) -> Node:
        nodes = [self._both()]
        while self._takes("||"):
            nodes.append(self._both())
        return evaluation.any_of(nodes) if len(nodes) > 1 else nodes[0]

    def _both(self) -> Node:
        nodes = [self._relation()]
        while self._takes("&&"):
            nodes.append(self._relation())
        return evaluation.all_of(nodes) if len(nodes) > 1 else nodes[0]

    def _relation(self) -> Node:
        left = self._unary()
        sign = self._takes("==", "!=", "in", *ORDERS)
        return evaluation.relation(sign, left, self._unary()) if sign else left

    def _unary(self) -> Node:
        if self._takes("!"):
            return evaluation.negated(self._deeper(self._unary))
        return self._path()[0]

    def _path(self) -> tuple[Node, Node | None, str]:
        """A value; where it ends in a field, also what holds that and its name."""
        node: Node = self._primary()
        holder, last, parts = None, "", 0
        while sign := self._takes(".", "["):
            parts += 1
            if parts > DEEPEST:
                raise self._wrong(f"it leads deeper than {DEEPEST}")
            if sign == ".":
                name = self._name()
                if name == "exists" and self._token == "(":
                    node, holder = self._exists(node), None
                    continue
                if self._token == "(":
                    raise self._wrong(f"there is no {name}()")
                node, holder, last = evaluation.field(node, name), node, name
            else:
                index = self._deeper(self._either)
                self._needs("]")
                node, holder = evaluation.item(node, index), None
        return node, holder, last

    def _name(self) -> str:
        if self._kind != "name":
            raise self._wrong("a name is missing")
        name = self._token
        self._next()
        return name

    def _exists(self, items: Node) -> Node:
        self._needs("(")
        name = self._name()
        if name in (*ROOTS, *_WORDS, *self._bound, "in", "has", "size"):
            raise self._wrong(f"{name!r} is taken")
        self._needs(",")
        self._bound.append(name)
        test = self._deeper(self._either)
        self._bound.pop()
        self._needs(")")
        return evaluation.exists(items, name, test)

    def _primary(self) -> Node:
        kind, token, at = self._kind, self._token, self._at
        if self._takes("("):
            node = self._deeper(self._either)
            self._needs(")")
            return node
        if self._takes("["):
            return self._list()
        if kind not in ("number", "text", "name"):
            raise self._wrong(f"{token!r} was not expected" if token else "something is missing")
        self._next()
        if kind == "text":
            return evaluation.constant(re.sub(r"\\(.)", r"\1", token[1:-1]))
        if kind == "number":
            return evaluation.constant(float(token) if "." in token else int(token))
        if token in _WORDS:
            return evaluation.constant(_WORDS[token])
        if token in ("has", "size"):
            return self._call(token)
        if token not in (*ROOTS, *self._bound):
            self._at = at
            raise self._wrong(f"{token!r} is not known: a field begins with {', '.join(ROOTS)}")
        return evaluation.named(token)

    def _list(self) -> Node:
        nodes: list[Node] = []
        while not self._takes("]"):
            if nodes:
                self._needs(",")
            nodes.append(self._deeper(self._either))
        return lambda look: [node(look) for node in nodes]

    def _call(self, word: str) -> Node:
        self._needs("(")
        if word == "size":
            node = evaluation.size(self._deeper(self._either))
        else:
            _, holder, last = self._path()
            if holder is None:
                raise self._wrong("has() asks for a field, such as has(status.phase)")
            node = evaluation.has(holder, last)
        self._needs(")")
        return node
