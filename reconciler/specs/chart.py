"""A chart as it is remembered of a release: who it is, and the values that filled it in. Lives in memory only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

REMEMBERED: Final = ("apiVersion", "name", "version", "appVersion", "description", "type")  # of Chart.yaml, all text


@dataclass(frozen=True, slots=True)
class Chart:
    """`metadata` as in Chart.yaml; `values` are those that the release gave, merged."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return "-".join(self.metadata[key] for key in ("name", "version") if key in self.metadata)
