"""A value of each entry, made from its fields' types."""

from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

from reconciler.machine.entry import ENTRY, Accepted, Entry, PlanBrief
from reconciler.names import Digest, Revision
from reconciler.plan.change import Risk

AT = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
ACCEPTED = Accepted(unit="release/web", artifact=Digest("a" * 64), revision=Revision("1" * 40), removed=True)
BRIEF = PlanBrief(
    environment="dev",
    project="p",
    team="t",
    tier="dev",
    digest=Digest("b" * 64),
    artifact=Digest("c" * 64),
    risk=Risk.HIGH,
    priority="p1",
    units=("release/web",),
)
VALUES: dict[Any, Any] = {str: "x", int: 7, bool: True, datetime: AT, Accepted: ACCEPTED, PlanBrief: BRIEF}


def sample_of(kind: type) -> Entry:
    """An entry of a type, no field left at its default."""
    fields: dict[str, Any] = {name: _value(field.annotation) for name, field in kind.model_fields.items()}  # type: ignore[attr-defined]
    return ENTRY.validate_python(fields)


def _value(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return (_value(get_args(annotation)[0]),)
    if get_args(annotation):  # X | None
        return _value(get_args(annotation)[0])
    known = getattr(annotation, "__supertype__", annotation)
    return VALUES[known]
