"""Equal parts of many specs as one object, so that ten thousand specs cost what they say and not how often they say it.

Knows models. Rules: only what can never change is shared; two parts are the same where type, content and the fields
that somebody wrote are; what is not plainly so stays as it is.
"""

from datetime import timedelta
from enum import StrEnum
from functools import cache
from sys import intern
from typing import Any, get_args

from reconciler.specs.kinds.model import Model

_PLAIN = frozenset({str, int, bool, type(None), timedelta})  # equal floats may differ, mappings may change


class _Other(Exception):
    """A value that is not plainly the same as one that is equal to it."""


class Shared:
    """Parts that were met; it lives as long as one round of decoding."""

    def __init__(self) -> None:
        self._met: dict[tuple[Any, ...], Model] = {}
        self._ours: set[int] = set()  # the models in `_met`, which keeps them alive
        self._written: dict[frozenset[str], set[str]] = {}

    def text(self, text: str) -> str:
        """The same text, once."""
        return intern(text)

    def within(self, model: Model) -> None:
        """Share the parts of a model that was just made and that nobody else has seen."""
        fields = model.__dict__
        for name in _parts(type(model)):
            value = fields[name]
            if id(value) in self._ours:  # a default, which all have
                continue
            if isinstance(value, Model):
                fields[name] = self._one(value)
            elif isinstance(value, tuple) and value and all(isinstance(item, Model) for item in value):
                fields[name] = tuple(map(self._one, value))
        written = model.__pydantic_fields_set__
        object.__setattr__(model, "__pydantic_fields_set__", self._written.setdefault(frozenset(written), written))

    def _one(self, model: Model) -> Model:
        if id(model) in self._ours:
            return model
        self.within(model)
        try:
            key = (type(model), id(model.__pydantic_fields_set__), *map(_identity, model.__dict__.values()))
        except _Other:
            return model
        found = self._met.setdefault(key, model)
        self._ours.add(id(found))
        return found


@cache
def _parts(model: type[Model]) -> tuple[str, ...]:
    """The fields that may hold models."""
    return tuple(name for name, field in model.model_fields.items() if _holds_models(field.annotation))


def _holds_models(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return True
    return any(map(_holds_models, get_args(annotation)))


def _identity(value: Any) -> Any:
    """Models by which object they are, as they were shared before; others by type and value: 1 is not True."""
    if type(value) in _PLAIN or isinstance(value, StrEnum):
        return type(value), value
    if isinstance(value, Model):
        return id(value)
    if isinstance(value, tuple):
        return tuple(map(_identity, value))
    raise _Other
