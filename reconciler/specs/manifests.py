"""Files of manifests to plain objects, with the places of what will be filled in or may be wrong.

Knows YAML with anchors (within limits) and nothing of Kubernetes kinds. Runs in the child and answers with JSON.
"""

import json
from typing import Any

from reconciler.specs.finding import MOST
from reconciler.specs.kind import GROUP
from reconciler.specs.nodes import SOURCE_LIMITS, Node, pointer
from reconciler.specs.parse import parse

KUSTOMIZATIONS = frozenset({"Kustomization", "Component"})  # where each field and each item of it is placed
PLACED = frozenset({"apiVersion", "kind", "metadata", "name", "namespace", "image"})  # fields whose places are kept


def manifests(content: bytes) -> dict[str, Any]:
    """Each document as (line, column, JSON text, places by pointer); specs and empty documents are left out."""
    parsed = parse(content, SOURCE_LIMITS)
    findings = list(parsed.findings)
    found = []
    for document in parsed.documents:
        root = document.root
        if document.complete and root is not None and (_is_empty(root) or _is_spec(root)):
            continue
        findings += document.findings
        if document.complete and root is not None:
            text = json.dumps(root.value(), ensure_ascii=False, separators=(",", ":"))
            found.append((root.line, root.column, text, _places(root)))
    findings.sort()
    return {
        "documents": found,
        "findings": [finding.as_json() for finding in findings[:MOST]],
        "whole": parsed.readable,
    }


def _is_empty(root: Node) -> bool:
    return root.entries is None and root.items is None and root.scalar is None and not root.flawed


def _is_spec(root: Node) -> bool:
    node = root.child("apiVersion")
    return node is not None and isinstance(node.scalar, str) and node.scalar.startswith(GROUP)


def _is_kustomization(root: Node) -> bool:
    kind = root.child("kind")
    return kind is None or kind.scalar in KUSTOMIZATIONS


def _places(root: Node) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    near = 2 if _is_kustomization(root) else 0

    def walk(node: Node, way: list[str | int]) -> None:
        if (
            (isinstance(node.scalar, str) and "${" in node.scalar)
            or (way and way[-1] in PLACED)
            or 0 < len(way) <= near
        ):
            places[pointer(way)] = [node.line, node.column]
        for key, (_, value) in (node.entries or {}).items():
            walk(value, [*way, key])
        for number, item in enumerate(node.items or []):
            walk(item, [*way, number])

    walk(root, [])
    return places
