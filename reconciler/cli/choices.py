"""What options may be, spelled here so that `--help` needs no model of the core.

Rule: each equals the core's own list; tests/cli/test_startup.py compares them.
"""

from enum import StrEnum
from typing import Literal

View = Literal["mine", "pending", "all"]
Due = Literal["15m", "1h", "today"]
SortBy = Literal["priority", "expires_at", "sla_due_at", "created_at"]
Risk = Literal["low", "medium", "high", "critical"]
Priority = Literal["p0", "p1", "p2", "p3"]
RuntimeType = Literal["k8s", "compose", "mixed"]
Method = Literal["merge", "squash", "rebase"]
PullState = Literal["open", "merged", "closed", "all"]
CredentialType = Literal["ssh_key", "password", "kubeconfig", "cert_bundle", "token"]


class Output(StrEnum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Status(StrEnum):
    """Where a ticket stands. A class, because typer takes no list of literals."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ScopeType(StrEnum):
    """What a ticket is about."""

    RELEASE = "release"
    INSTALL = "install"
    CLUSTER_IMPORT = "cluster_import"
    CERT_ROTATION = "cert_rotation"
    NETWORK_ENTRY = "network_entry"
    COMPOSE_APPLY = "compose_apply"
    K8S_APPLY = "k8s_apply"
    POLICY = "policy"
