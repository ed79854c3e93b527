"""A chart as it is remembered of a release: who it is, and the values that filled it in. Lives in memory only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

REMEMBERED: Final = ("apiVersion", "name", "version", "appVersion", "description", "type")  # of Chart.yaml, all text

UPGRADE: Final = "opspilot.spec/upgrade"  # on a definition of a kind: it is made where it is missing, and never changed
PRUNE: Final = "opspilot.spec/prune"  # on an object: it is let go where others would be deleted
DISABLED: Final = "disabled"
KEPT: Final[Mapping[str, str]] = {PRUNE: DISABLED}  # what a chart says that Helm leaves behind
ONCE: Final[Mapping[str, str]] = {UPGRADE: DISABLED, **KEPT}  # what lies in a chart's crds/
DEFINITION: Final = "CustomResourceDefinition"
END_API, END_KIND = "rendering.opspilot.spec/v1", "EndOfDefinitions"
END: Final = f"\n---\napiVersion: {END_API}\nkind: {END_KIND}\nmetadata: {{name: end}}\n".encode()
"""What a renderer of charts writes between what lies in crds/ and what templates render to."""


def is_made_once(body: Mapping[str, Any]) -> bool:
    """Whether it is a definition of a kind that is installed and never upgraded, as Helm does with crds/."""
    if body.get("kind") != DEFINITION:
        return False
    annotations = body["metadata"].get("annotations")
    return isinstance(annotations, dict) and annotations.get(UPGRADE) == DISABLED


@dataclass(frozen=True, slots=True)
class Chart:
    """`metadata` as in Chart.yaml; `values` are those that the release gave, merged."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return "-".join(self.metadata[key] for key in ("name", "version") if key in self.metadata)
