"""Documents as nodes that know their place, and the limits within which they are read.

Knows neither YAML's syntax nor kinds. Rule: a part with a problem is `flawed`, so that nobody draws conclusions from
it.
"""

from dataclasses import dataclass, field
from typing import Any

from reconciler.specs.finding import Finding
from reconciler.specs.scalars import Scalar


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read of one file. `sharing` allows anchors, aliases, merge keys, counted as what they expand to."""

    size: int  # bytes
    events: int
    depth: int  # nested mappings and lists
    nodes: int  # after expansion, in all documents of the file
    text: int  # characters, after expansion
    sharing: bool


SPEC_LIMITS = Limits(size=256 * 1024, events=5_000, depth=32, nodes=5_000, text=256 * 1024, sharing=False)
SOURCE_LIMITS = Limits(size=4 * 1024 * 1024, events=200_000, depth=64, nodes=50_000, text=4 * 1024 * 1024, sharing=True)


@dataclass(slots=True)
class Node:
    """A part of a document. `entries` of a mapping are by key, with the key's own place; `items` of a list in order."""

    line: int
    column: int
    scalar: Scalar = None
    entries: dict[str, tuple["Node", "Node"]] | None = None
    items: list["Node"] | None = None
    flawed: bool = False
    height: int = 1  # levels of nesting, itself included
    nodes: int = 1  # parts, itself included, as often as they are used
    text: int = 0  # characters of keys and values

    def grow(self, part: "Node") -> None:
        """Count a part that is now inside."""
        self.height = max(self.height, part.height + 1)
        self.nodes += part.nodes
        self.text += part.text

    def value(self) -> Any:
        """The plain value: dict, list or scalar."""
        if self.entries is not None:
            return {key: node.value() for key, (_, node) in self.entries.items()}
        if self.items is not None:
            return [node.value() for node in self.items]
        return self.scalar

    def child(self, step: str | int) -> "Node | None":
        """The part one step further in, if there is one."""
        if isinstance(step, str) and self.entries is not None and step in self.entries:
            return self.entries[step][1]
        if isinstance(step, int) and self.items is not None and step < len(self.items):
            return self.items[step]
        return None

    def key(self, name: str) -> "Node | None":
        """The key of an entry, for its place."""
        return self.entries[name][0] if self.entries is not None and name in self.entries else None

    def has_flaw(self) -> bool:
        """Whether it or any part of it is flawed."""
        if self.flawed:
            return True
        if self.entries is not None:
            return any(key.flawed or node.has_flaw() for key, node in self.entries.values())
        return self.items is not None and any(node.has_flaw() for node in self.items)


@dataclass(slots=True)
class Document:
    """One document of a file. `complete` is false where reading stopped inside it."""

    line: int
    root: Node | None = None
    complete: bool = False
    findings: list[Finding] = field(default_factory=list)


def pointer(steps: list[str | int]) -> str:
    """A JSON pointer (RFC 6901) of a way through a document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
