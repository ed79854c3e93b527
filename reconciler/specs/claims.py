"""Which workloads take their claims along, and the data in them: what their own policy has Kubernetes delete."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

POLICY = "persistentVolumeClaimRetentionPolicy"  # of a StatefulSet


class When(StrEnum):
    """When Kubernetes deletes the claims that a StatefulSet made."""

    SCALED = "whenScaled"  # those of the pods that go
    DELETED = "whenDeleted"  # all of them


def claims_go(body: Mapping[str, Any] | None, when: When) -> bool:
    """Whether the claims of this workload go then."""
    spec = (body or {}).get("spec")
    policy = spec.get(POLICY) if isinstance(spec, Mapping) else None
    return isinstance(policy, Mapping) and policy.get(when) == "Delete"


def claims_go_between(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Whether a change of a workload is one to fewer pods whose claims go with them."""
    old, new = ((body.get("spec") or {}).get("replicas", 1) for body in (before or {}, after))
    return type(old) is int and type(new) is int and new < old and claims_go(after, When.SCALED)
