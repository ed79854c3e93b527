"""Answers about a file, as the child gives them and the cache keeps them, to specs and findings.

Knows the child's JSON. Rule: an answer is untrusted, whoever kept it: each spec is validated again by its model, and an
answer that does not hold is as good as none.
"""

import json
from dataclasses import dataclass
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.names import BlobId
from reconciler.specs.document import documents
from reconciler.specs.finding import Finding
from reconciler.specs.kinds import AnySpec, Kind
from reconciler.specs.sharing import Shared
from reconciler.specs.spec import Spec


@dataclass(frozen=True, slots=True)
class Invalid:
    """A document that says it is a spec and is not valid: what can still be known of it."""

    kind: Kind | None
    name: str | None
    environment: str | None  # that it names, for those that belong to one
    place: Place


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file says, placed at no path yet (line and column in places, the path empty)."""

    specs: tuple[Spec[AnySpec], ...] = ()
    invalid: tuple[Invalid, ...] = ()
    findings: tuple[Finding, ...] = ()
    whole: bool = True

    def problems(self, path: str) -> tuple[Problem, ...]:
        """Its findings as problems of the file at a path."""
        return tuple(finding.at(path) for finding in self.findings)


NOTHING = b'{"specs":[],"invalid":[],"findings":[],"whole":true}'  # the answer about a file that mentions no spec


def unread(finding: Finding) -> bytes:
    """The answer about a file that may hold specs and was not read."""
    return json.dumps({"specs": [], "invalid": [], "findings": [finding.as_json()], "whole": False}).encode()


def decode(content: bytes, blob: BlobId, shared: Shared | None = None) -> Answer:
    """What an answer says. Raises ValueError where it is not one that the child of this version gives."""
    shared = shared or Shared()
    value = json.loads(content)
    match value:
        case {"specs": list(specs), "invalid": list(invalid), "findings": list(findings), "whole": bool(whole)}:
            return Answer(
                tuple(_spec(item, blob, shared) for item in specs),
                tuple(_invalid(item) for item in invalid),
                tuple(Finding.from_json(item) for item in findings),
                whole,
            )
        case _:
            raise ValueError("not an answer")


def _spec(item: Any, blob: BlobId, shared: Shared) -> Spec[AnySpec]:
    match item:
        case [str(kind), int(line), int(column), str(text), str(outline)]:
            document = documents()[Kind(kind)].model_validate_json(text, by_alias=True, by_name=False)
            metadata, spec = document.metadata, document.spec
            shared.within(spec)
            place, places = Place("", line, column), shared.text(outline)
            return Spec(Kind(kind), metadata.name, metadata.labels, metadata.annotations, spec, place, blob, places)
        case _:
            raise ValueError("not a spec")


def _invalid(item: Any) -> Invalid:
    match item:
        case {
            "kind": kind,
            "name": name,
            "environment": environment,
            "line": int(line),
            "column": int(column),
        }:
            return Invalid(
                Kind(kind) if kind is not None else None,
                _text(name), _text(environment), Place("", line, column),
            )  # fmt: skip
        case _:
            raise ValueError("not an invalid document")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
