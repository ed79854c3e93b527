"""Identities: compared and printed one way everywhere.

A Revision is a commit id, a Digest is over content, a BlobId names a blob's bytes. A UnitRef names what is planned as
one; an ObjectRef names a Kubernetes object.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Self

Revision = NewType("Revision", str)  # 40 hex digits of a commit
Digest = NewType("Digest", str)  # 64 hex digits of a sha256 over canonical JSON
NO_DIGEST = Digest("")
BlobId = NewType("BlobId", str)  # 40 hex digits of a blob
EventId = NewType("EventId", str)  # sortable by time, unique

SHORT = 12  # digits of a digest that a person quotes (G13)
POLICY = "policy"  # the pseudo-environment of policy plans; no Environment may have this name


class UnitKind(StrEnum):
    """What is planned as one (contracts: gate.md, Words)."""

    RELEASE = "release"
    CLUSTER = "cluster"
    ENVIRONMENT = "environment"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, order=True)
class UnitRef:
    """One unit: `release/svc-a`, `cluster/prod`, `environment/env-k8s-prod`, `policy/policy`."""

    kind: UnitKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` printed. Raises ValueError."""
        kind, _, name = text.partition("/")
        return cls(UnitKind(kind), name)


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """A Kubernetes object. `group` is empty for core; `namespace` is empty for cluster-scoped objects."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        group = f".{self.group}" if self.group else ""
        return f"{self.kind}{group} {where}{self.name}"


def ticket_name(number: int) -> str:
    """The approval ticket of a pull request (contracts: governance.md)."""
    return f"dep-appr-{number}"
