"""YAML events to nodes.

Knows libyaml's events, the only part of that parser in use: no resolver, no constructor. Rules: every problem that can
be found is found; nothing is built beyond the limits; recursion is bounded by the depth limit; what is shared counts as
often as it is used.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from reconciler.specs.finding import MOST, Finding
from reconciler.specs.nodes import Document, Limits, Node
from reconciler.specs.scalars import Unclear, typed

MERGE = "<<"


class _Stop(Exception):
    """A limit is reached; what follows is not read."""


def compose(text: str, limits: Limits) -> list[Document]:
    """The documents of a text, each with what is wrong in it. Where reading had to stop, the last one is incomplete."""
    return _Composer(text, limits).documents()


class _Composer:
    def __init__(self, text: str, limits: Limits) -> None:
        self.limits = limits
        self.events = self._counted(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        self.found: list[Document] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchored node is still open
        self.nodes = 0
        self.text = 0

    def documents(self) -> list[Document]:
        try:
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._document(event)
        except _Stop:
            pass  # noted where it was raised
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            why = " ".join(part for part in (error.context, error.problem) if part)
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            self._add(Finding(*place, f"this is not YAML: {why}"))
        except yaml.YAMLError as error:
            self._add(Finding(0, 0, f"this is not YAML: {getattr(error, 'reason', 'unreadable')}"))
        return self.found

    def _document(self, event: Any) -> None:
        document = Document(event.start_mark.line + 1)
        self.found.append(document)
        self.anchors.clear()
        if event.tags:
            self._note(event, "%TAG is not allowed")
        document.root = self._node(next(self.events), 0)
        document.complete = True

    def _counted(self, events: Iterator[Any]) -> Iterator[Any]:
        for number, event in enumerate(events, 1):
            if number > self.limits.events:
                self._stop(event, f"the file has more than {self.limits.events:,} parts", "split it into several files")
            yield event

    def _add(self, finding: Finding) -> None:
        if not self.found or self.found[-1].complete:
            self.found.append(Document(finding.line))  # reading stopped before this document
        if len(self.found[-1].findings) < MOST:
            self.found[-1].findings.append(finding)

    def _note(self, event: Any, message: str, hint: str = "") -> None:
        self._add(Finding(event.start_mark.line + 1, event.start_mark.column + 1, message, hint))

    def _stop(self, event: Any, message: str, hint: str = "") -> NoReturn:
        self._note(event, message, hint)
        raise _Stop

    def _count(self, event: Any, nodes: int, text: int) -> None:
        self.nodes += nodes
        self.text += text
        if self.nodes > self.limits.nodes or self.text > self.limits.text:
            what = f"{self.limits.nodes:,} parts or {self.limits.text:,} characters"
            self._stop(event, f"the file is larger than {what} with its aliases written out")

    def _node(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, node, depth)
        self._count(event, 1, 0)
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = None
            if not self.limits.sharing:
                self._note(event, "anchors are not allowed", "write the value where it is used")
        if event.tag is not None:
            self._note(event, "tags are not allowed", "leave the tag out; quote the value where it is text")
            node.flawed = True
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, node)
        elif depth >= self.limits.depth:
            self._stop(event, f"more than {self.limits.depth} mappings and lists stand inside each other")
        elif isinstance(event, yaml.MappingStartEvent):
            self._mapping(node, depth + 1)
        else:
            self._sequence(node, depth + 1)
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def _scalar(self, event: Any, node: Node) -> None:
        node.text = len(event.value)
        self._count(event, 0, node.text)
        if not event.implicit[0]:
            node.scalar = event.value
            return
        value = typed(event.value)
        if isinstance(value, Unclear):
            node.scalar, node.flawed = event.value, True
            hint = "put it in quotes if it is text; else write it in another way"
            shown = f'"{event.value}"' if event.value.isalpha() else "this value"  # digits may be a secret
            self._note(event, f"{shown} is unclear: {value.why}", hint)
        else:
            node.scalar = value

    def _sequence(self, node: Node, depth: int) -> None:
        node.items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            item = self._node(event, depth)
            node.items.append(item)
            node.grow(item)

    def _mapping(self, node: Node, depth: int) -> None:
        node.entries = {}
        merged: list[Node] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth)
            value = self._node(next(self.events), depth)
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == MERGE:
                merged += self._merged(event, value)
            elif not isinstance(key.scalar, str) or key.entries is not None or key.items is not None:
                if not key.flawed:
                    self._note(event, "a key must be text", "put it in quotes")
                node.flawed = True
            elif key.scalar in node.entries:
                first = node.entries[key.scalar][0].line
                self._note(event, f'"{key.scalar[:80]}" stands twice in this mapping, first in line {first}')
                node.flawed = True
            else:
                node.entries[key.scalar] = (key, value)
                node.grow(key)
                node.grow(value)
        for source in merged:
            for name, (key, value) in (source.entries or {}).items():
                if name not in node.entries:
                    node.entries[name] = (key, value)
                    node.grow(key)
                    node.grow(value)

    def _merged(self, event: Any, value: Node) -> list[Node]:
        """The mappings that a merge key names, in order of precedence (https://yaml.org/type/merge.html)."""
        if not self.limits.sharing:
            self._note(event, "merge keys are not allowed", "write the fields where they are used")
            return []
        sources = [value] if value.entries is not None else value.items or []
        if not sources or any(source.entries is None for source in sources):
            self._note(event, "a merge key needs a mapping or a list of mappings")
            return []
        return sources

    def _alias(self, event: Any, node: Node, depth: int) -> Node:
        target = self.anchors.get(event.anchor)
        if self.limits.sharing and target is not None:
            if depth + target.height > self.limits.depth:
                self._stop(event, f"more than {self.limits.depth} mappings and lists stand inside each other")
            self._count(event, target.nodes, target.text)
            return target
        node.flawed = True
        if not self.limits.sharing:
            self._note(event, "aliases are not allowed", "write the value where it is used")
        elif event.anchor in self.anchors:
            self._note(event, f'the alias "{event.anchor[:80]}" stands inside what it refers to')
        else:
            self._note(event, f'the alias "{event.anchor[:80]}" refers to nothing above it')
        return node
