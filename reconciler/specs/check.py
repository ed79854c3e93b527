"""Documents to specs by themselves: kind, metadata, fields. What they refer to is resolve.py's part.

Knows the models. Answers with JSON values only, because it runs in the child; who reads the answer validates again.
Rule: a document that does not say that it is a spec is not our business; one that does is a spec or has a finding.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from reconciler.specs.document import documents
from reconciler.specs.finding import MOST, Finding, near_miss
from reconciler.specs.kind import API_VERSION, GROUP, Kind
from reconciler.specs.kinds.fields import PERSON
from reconciler.specs.nodes import SPEC_LIMITS, Document, Node, pointer
from reconciler.specs.parse import parse
from reconciler.specs.wording import findings_of

NAME = re.compile(PERSON)  # a label is one, too


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file says: its valid specs as (kind, line, column, JSON text, outline), and what is wrong.

    `invalid` tells what can still be known of each document that is not valid: kind, name and what it refers to.
    `whole` is false where a part of the file could not be read at all.
    """

    specs: list[tuple[str, int, int, str, str]]
    invalid: list[dict[str, Any]]
    findings: list[Finding]
    whole: bool

    def as_json(self) -> dict[str, Any]:
        """What answers.py reads."""
        return {
            "specs": self.specs,
            "invalid": self.invalid,
            "findings": [finding.as_json() for finding in sorted(self.findings)[:MOST]],
            "whole": self.whole,
        }


def check(content: bytes) -> Checked:
    """The specs of a file that mentions them."""
    parsed = parse(content, SPEC_LIMITS)
    checked = Checked([], [], list(parsed.findings), parsed.readable)
    for document in parsed.documents:
        if not document.complete:
            checked.findings.extend(document.findings)
        elif document.root is not None and (group := _group(document.root)) is not None:
            _check_document(document, document.root, group, checked)
    return checked


def _group(root: Node) -> str | None:
    node = root.child("apiVersion")
    value = node.scalar if node is not None else None
    return value if isinstance(value, str) and value.startswith(GROUP) else None


def _check_document(document: Document, root: Node, group: str, checked: Checked) -> None:
    found = list(document.findings)
    kind = _kind(root, group, found)
    if kind is not None:
        model = documents()[kind]
        text = json.dumps(root.value(), ensure_ascii=False)
        try:
            model.model_validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            found += findings_of(error, root, model)
            if not found:
                found.append(Finding(root.line, root.column, "the document is not valid"))
    if found:
        checked.findings.extend(found)
        checked.invalid.append(_what_is_known(root, kind))
    elif kind is not None:
        place = root.child("kind") or root
        checked.specs.append(
            (str(kind), place.line, place.column, text, json.dumps(outline(root), separators=(",", ":")))
        )


def _kind(root: Node, group: str, found: list[Finding]) -> Kind | None:
    if group != API_VERSION:
        version = root.child("apiVersion") or root
        found.append(
            Finding(version.line, version.column, f"this reconciler reads {API_VERSION} only", f"write {API_VERSION}")
        )
        return None
    place = root.child("kind")
    if place is None:
        found.append(Finding(root.line, root.column, "kind: it is required", "one of " + ", ".join(Kind)))
        return None
    if place.flawed:
        return None
    if place.scalar not in set(Kind):
        hint = near_miss(str(place.scalar or ""), Kind) or "one of " + ", ".join(Kind)
        found.append(Finding(place.line, place.column, "kind: there is no such kind of spec", hint))
        return None
    return Kind(str(place.scalar))


def _what_is_known(root: Node, kind: Kind | None) -> dict[str, Any]:
    name, environment = _name(root, "metadata", "name"), _name(root, "spec", "environment")
    return {"kind": kind, "name": name, "environment": environment, "line": root.line, "column": root.column}


def _name(root: Node, *way: str) -> str | None:
    node: Node | None = root
    for step in way:
        if node is not None:
            node = node.child(step)
    text = node.scalar if node is not None and not node.flawed else None
    return text if isinstance(text, str) and NAME.fullmatch(text) else None


def outline(root: Node) -> dict[str, list[int]]:
    """The place of every part of a document, by JSON pointer."""
    places: dict[str, list[int]] = {}

    def walk(node: Node, way: list[str | int]) -> None:
        places[pointer(way)] = [node.line, node.column]
        for key, (_, value) in (node.entries or {}).items():
            walk(value, [*way, key])
        for number, item in enumerate(node.items or []):
            walk(item, [*way, number])

    walk(root, [])
    return places
