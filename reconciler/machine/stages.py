"""What happens to a unit, and how the event dictionary calls it for each kind of unit.

A table, so that the timeline of a release, an install and an import tell the same story in their own words
(contracts: events.yaml). A stage that a kind has no word for is not an event of its own.
"""

from collections.abc import Mapping
from enum import StrEnum

from reconciler.names import UnitKind
from reconciler.state.event import Domain, EventStatus


class Stage(StrEnum):
    """What happens to a unit on its way."""

    PREVIEWED = "previewed"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    REQUESTED = "requested"
    APPLYING = "applying"
    APPLIED = "applied"
    HEALED = "healed"  # what was applied before was applied again without asking (G22)
    FAILED = "failed"
    ROLLBACK_REQUESTED = "rollback_requested"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    FORGOTTEN = "forgotten"


ACTIONS: Mapping[tuple[UnitKind, Stage], tuple[Domain, str]] = {
    (UnitKind.RELEASE, Stage.PREVIEWED): (Domain.RELEASE, "previewed"),
    (UnitKind.RELEASE, Stage.PENDING_APPROVAL): (Domain.RELEASE, "pending_approval"),
    (UnitKind.RELEASE, Stage.APPROVED): (Domain.RELEASE, "approved"),
    (UnitKind.RELEASE, Stage.REJECTED): (Domain.RELEASE, "rejected"),
    (UnitKind.RELEASE, Stage.REQUESTED): (Domain.RELEASE, "apply_requested"),
    (UnitKind.RELEASE, Stage.APPLYING): (Domain.RELEASE, "applying"),
    (UnitKind.RELEASE, Stage.APPLIED): (Domain.RELEASE, "applied"),
    (UnitKind.RELEASE, Stage.HEALED): (Domain.RELEASE, "drift_healed"),
    (UnitKind.RELEASE, Stage.FAILED): (Domain.RELEASE, "failed"),
    (UnitKind.RELEASE, Stage.ROLLBACK_REQUESTED): (Domain.RELEASE, "rollback_requested"),
    (UnitKind.RELEASE, Stage.ROLLED_BACK): (Domain.RELEASE, "rollback_completed"),
    (UnitKind.RELEASE, Stage.ROLLBACK_FAILED): (Domain.RELEASE, "rollback_failed"),
    (UnitKind.RELEASE, Stage.FORGOTTEN): (Domain.RELEASE, "forgotten"),
    (UnitKind.ENVIRONMENT, Stage.PREVIEWED): (Domain.ENVIRONMENT, "install_previewed"),
    (UnitKind.ENVIRONMENT, Stage.REQUESTED): (Domain.ENVIRONMENT, "install_requested"),
    (UnitKind.ENVIRONMENT, Stage.APPLYING): (Domain.ENVIRONMENT, "install_started"),
    (UnitKind.ENVIRONMENT, Stage.APPLIED): (Domain.ENVIRONMENT, "install_succeeded"),
    (UnitKind.ENVIRONMENT, Stage.FAILED): (Domain.ENVIRONMENT, "install_failed"),
    (UnitKind.ENVIRONMENT, Stage.ROLLBACK_REQUESTED): (Domain.ENVIRONMENT, "install_rollback_started"),
    (UnitKind.ENVIRONMENT, Stage.ROLLED_BACK): (Domain.ENVIRONMENT, "install_rollback_succeeded"),
    (UnitKind.ENVIRONMENT, Stage.ROLLBACK_FAILED): (Domain.ENVIRONMENT, "install_rollback_failed"),
    (UnitKind.CLUSTER, Stage.REQUESTED): (Domain.CLUSTER, "import_kubeconfig_requested"),
    (UnitKind.CLUSTER, Stage.APPLIED): (Domain.CLUSTER, "import_kubeconfig_succeeded"),
    (UnitKind.CLUSTER, Stage.FAILED): (Domain.CLUSTER, "connection_test_failed"),
}
# An import by certificates has words of its own.
BY_CERTIFICATE: Mapping[str, str] = {
    "import_kubeconfig_requested": "import_cert_requested",
    "import_kubeconfig_succeeded": "import_cert_succeeded",
}
STATUSES: Mapping[Stage, EventStatus] = {
    Stage.PENDING_APPROVAL: EventStatus.RUNNING,
    Stage.APPLYING: EventStatus.RUNNING,
    Stage.FAILED: EventStatus.FAILED,
    Stage.REJECTED: EventStatus.WARNING,
    Stage.ROLLBACK_REQUESTED: EventStatus.WARNING,
    Stage.ROLLED_BACK: EventStatus.WARNING,
    Stage.ROLLBACK_FAILED: EventStatus.FAILED,
}
RESOURCE_TYPES: Mapping[UnitKind, str] = {
    UnitKind.RELEASE: "deployment_release",
    UnitKind.ENVIRONMENT: "environment",
    UnitKind.CLUSTER: "cluster",
    UnitKind.POLICY: "policy",
}
