"""What every spec model shares: strictness, the spelling of fields, and the metadata of a document.

Knows no kind. Rule: YAML is camelCase and closed (an unknown field is an error); attributes are snake_case and frozen.
Specs are read with `by_name=False`, so that the attribute's spelling is not a second spelling in YAML.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from reconciler.specs.kinds.fields import Labels, Name, PersonName

RULE = "spec_rule"  # pydantic's error type of our own rules; ctx["field"], where given, is the attribute they point at


class Model(BaseModel):
    """A closed, frozen mapping of a spec."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # nothing in it can change


class Metadata(Model):
    """Who a spec is."""

    name: Name = Field(description="The name, unique among specs of this kind; a DNS-1123 label.")
    labels: Labels = Field(default={}, description="Labels to find the spec by.", validate_default=True)
    annotations: Labels = Field(
        default={}, description="Notes that mean nothing to the reconciler.", validate_default=True
    )


class PersonMetadata(Model):
    """Who a person is: names of people may hold '_' and '.', as their logins do."""

    name: PersonName = Field(description="The person's name in role bindings, owners and the audit timeline.")
    labels: Labels = Field(default={}, description="Labels to find the spec by.", validate_default=True)
    annotations: Labels = Field(
        default={}, description="Notes that mean nothing to the reconciler.", validate_default=True
    )


def rule(message: str, field: str = "", **values: Any) -> PydanticCustomError:
    """A broken rule of a model, to be raised in a validator. `field` is the attribute that the message is about."""
    context: dict[str, Any] = {**values, "field": to_camel(field)}
    return PydanticCustomError(RULE, message, context)


def exactly_one(names: Mapping[str, Any]) -> None:
    """Raise unless exactly one of the attributes has a value."""
    given = [name for name, value in names.items() if value is not None]
    if len(given) != 1:
        wanted = ", ".join(to_camel(name) for name in names)
        raise rule("exactly one of {wanted} is needed", given[1] if len(given) > 1 else "", wanted=wanted)
