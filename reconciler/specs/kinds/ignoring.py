"""Fields of a release's objects that are left to others, as they are written in its spec."""

from typing import Literal

from pydantic import Field

from reconciler.specs.kinds.fields import JsonPointer, Name, ObjectKind, ResourceName
from reconciler.specs.kinds.model import Model

MOST_RULES = 50
MOST_POINTERS = 50


class IgnoredFields(Model):
    """Fields of one object of the source that others may set: neither compared nor sent once the object is there."""

    group: ResourceName | Literal[""] | None = Field(
        default=None,
        description='API group of the object ("" is the core group), where the source has two of one kind and name.',
    )
    kind: ObjectKind = Field(description="Kind of the object.")
    name: ResourceName = Field(description="Name of the object.")
    namespace: Name | None = Field(
        default=None, description="Namespace of the object, where the source has several of this kind and name."
    )
    json_pointers: tuple[JsonPointer, ...] = Field(
        description="Single fields of it, as JSON pointers into the source; docs/drift.md says which can be left.",
        min_length=1,
        max_length=MOST_POINTERS,
    )
