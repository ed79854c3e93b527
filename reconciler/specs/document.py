"""A whole document as a model: apiVersion, kind, metadata, spec. One model per kind, made from the table of kinds."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, create_model

from reconciler.specs.kinds import API_VERSION, KINDS, METADATA, AnySpec, Kind, Metadata, Model, PersonMetadata


class Document(Model):
    """One document of a file; a subclass per kind narrows the types of its fields."""

    api_version: Literal["opspilot.spec/v1"] = Field(description=f"Always {API_VERSION}.")
    kind: Any
    metadata: Any
    spec: Any


@cache
def documents() -> Mapping[Kind, type[Document]]:
    """The model of a whole document, by kind."""
    return MappingProxyType({kind: _document_of(kind, METADATA[kind], KINDS[kind]) for kind in Kind})


def _document_of(kind: Kind, metadata: type[Metadata | PersonMetadata], spec: type[AnySpec]) -> type[Document]:
    fields: dict[str, Any] = {
        "kind": (Literal[str(kind)], Field(description="What the document describes.")),
        "metadata": (metadata, Field(description="Who it is.")),
        "spec": (spec, Field(description="What is wanted.")),
    }
    return create_model(f"{kind}Document", __base__=Document, __doc__=spec.__doc__, **fields)
