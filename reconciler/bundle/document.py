"""The strict YAML of the bundle's index: text -> nodes with places, and a reader that collects every problem.

Knows the shapes of values and nothing of bundles. The YAML itself is read by specs/parse.py: no anchors, tags,
duplicate keys, deep nesting or invisible characters.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from reconciler.errors import Place, Problem
from reconciler.specs.nodes import Limits, Node
from reconciler.specs.parse import parse as parse_yaml

MAX_BYTES: Final = 1 << 20
LIMITS: Final = Limits(size=MAX_BYTES, events=60_000, depth=16, nodes=60_000, text=MAX_BYTES, sharing=False)
T = TypeVar("T")


def parse(path: str, content: bytes) -> tuple[Node | None, list[Problem]]:
    """The root mapping of the one document, and what is wrong with the text; no root where anything is."""
    parsed = parse_yaml(content, LIMITS)
    findings = [*parsed.findings, *(finding for document in parsed.documents for finding in document.findings)]
    problems = [
        Problem(Place(path, one.line, one.column), "validation_error", one.message, one.hint) for one in findings
    ]
    root = parsed.documents[0].root if len(parsed.documents) == 1 else None
    if not problems and (root is None or root.entries is None):
        problems.append(Problem(Place(path), "validation_error", "the file is not one document that is a mapping"))
    return (None, problems) if problems else (root, [])


class Fields:
    """One mapping being read: each field once, by its type; `close` reports what nobody asked for."""

    def __init__(self, path: str, node: Node, problems: list[Problem], where: str = "") -> None:
        self._path, self._node, self._problems, self._where = path, node, problems, where
        self._values = {name: value for name, (_, value) in (node.entries or {}).items()}
        self._asked: set[str] = set()
        if node.entries is None:
            self.complain(f"{where or 'the document'} is not a mapping")

    def place(self, name: str = "") -> Place:
        """Where a field stands; without a name, or where it is absent, the mapping."""
        return self._place(self._values.get(name, self._node))

    def complain(self, message: str, *, field: str = "", key: str = "validation_error") -> None:
        """Note a problem at a field, or at the mapping."""
        self._problems.append(Problem(self.place(field), key, message))

    def text(self, name: str, pattern: str = r"[^\x00-\x1f\x7f]*", default: str | None = None) -> str:
        """A text whose whole matches; a missing one is a problem unless there is a default."""
        node = self._value(name, missing_is_a_problem=default is None)
        if node is None:
            return default or ""
        if isinstance(node.scalar, str) and re.fullmatch(pattern, node.scalar):
            return node.scalar
        self._not_expected(name, node, "quote it where it looks like a number")
        return ""

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """A text that is one of these words."""
        return self.text(name, "|".join(map(re.escape, choices)), default=default)

    def whole(self, name: str, *, low: int, high: int) -> int:
        """A whole number within bounds."""
        node = self._value(name, missing_is_a_problem=True)
        if node is None:
            return low
        if type(node.scalar) is int and low <= node.scalar <= high:
            return node.scalar
        self._not_expected(name, node, f"a whole number from {low} to {high}")
        return low

    def flag(self, name: str) -> bool:
        """true or false."""
        node = self._value(name, missing_is_a_problem=True)
        if node is not None and not isinstance(node.scalar, bool):
            self._not_expected(name, node, "true or false")
        return node is not None and node.scalar is True

    def texts(self, name: str, pattern: str = r"[^\x00-\x1f\x7f]*") -> tuple[str, ...]:
        """A list of texts; absent counts as empty."""
        found = []
        for item in self._items(name):
            if isinstance(item.scalar, str) and re.fullmatch(pattern, item.scalar):
                found.append(item.scalar)
            else:
                self._not_expected(name, item)
        return tuple(found)

    def records(self, name: str, read: "Callable[[Fields], T]") -> tuple[T, ...]:
        """A list of mappings, each read and closed; absent counts as empty."""
        return tuple(self._read(name, item, read) for item in self._items(name))

    def record(self, name: str, read: "Callable[[Fields], T]") -> T | None:
        """One mapping, read and closed; None where absent."""
        self._asked.add(name)
        node = self._values.get(name)
        return None if node is None else self._read(name, node, read)

    def close(self) -> None:
        """Report the fields that nobody asked for."""
        for name in sorted(self._values.keys() - self._asked):
            self.complain(f"{self._name(name)}: unknown field", field=name)

    def _read(self, name: str, node: Node, read: "Callable[[Fields], T]") -> T:
        fields = Fields(self._path, node, self._problems, self._name(name))
        value = read(fields)
        fields.close()
        return value

    def _items(self, name: str) -> Iterator[Node]:
        self._asked.add(name)
        node = self._values.get(name)
        if node is not None and node.items is None:
            self.complain(f"{self._name(name)}: not a list", field=name)
        yield from (node.items if node else None) or ()

    def _value(self, name: str, *, missing_is_a_problem: bool) -> Node | None:
        self._asked.add(name)
        node = self._values.get(name)
        if node is None and missing_is_a_problem and self._node.entries is not None:
            self.complain(f"{self._name(name)}: missing")
        return node

    def _not_expected(self, name: str, node: Node, hint: str = "") -> None:
        what = "a mapping or list" if node.entries is not None or node.items is not None else repr(node.scalar)[:80]
        message = f"{self._name(name)}: {what} is not what is expected here"
        self._problems.append(Problem(self._place(node), "validation_error", message, hint))

    def _place(self, node: Node) -> Place:
        return Place(self._path, node.line, node.column)

    def _name(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
