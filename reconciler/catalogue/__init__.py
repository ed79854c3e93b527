"""The error and event catalogues as data.

Knows the two YAML files beside it, which are contracts: numbers, keys and names in them never change. Knows nothing of
who raises an error or writes an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One catalogue line. `hint` by language ("en", "zh"); empty where the catalogue gives none."""

    code: int
    key: str
    hint: Mapping[str, str]
    note: str


@cache
def errors() -> Mapping[str, ErrorEntry]:
    """Every catalogued error by key."""
    entries = _read("errors.yaml")["errors"]
    return MappingProxyType(
        {
            entry["key"]: ErrorEntry(
                entry["code"], entry["key"], MappingProxyType(entry.get("hint", {})), entry.get("note", "")
            )
            for entry in entries
        }
    )


@cache
def event_actions() -> Mapping[str, frozenset[str]]:
    """The allowed actions of each event domain."""
    return MappingProxyType({domain: frozenset(names) for domain, names in _read("events.yaml")["actions"].items()})


def _read(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506, TID251  our own package data
    return loaded
