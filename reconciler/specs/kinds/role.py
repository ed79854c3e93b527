"""Role: a named set of permissions. operator, approver and admin are built in."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from reconciler.specs.kinds.fields import Text
from reconciler.specs.kinds.model import Model


class Permission(StrEnum):
    """What a role may allow (contracts: governance.md, Roles)."""

    RELEASE_READ = "deploy:release:read"
    RELEASE_APPLY = "deploy:release:apply"
    RELEASE_APPROVE = "deploy:release:approve"
    K8S_APPLY = "deploy:k8s:apply"
    COMPOSE_APPLY = "deploy:compose:apply"
    SERVICE_APPROVE = "service:approve"
    EMERGENCY = "deploy:emergency"


BUILT_IN_ROLES: Mapping[str, frozenset[Permission]] = MappingProxyType(
    {
        "operator": frozenset(
            {Permission.RELEASE_READ, Permission.RELEASE_APPLY, Permission.K8S_APPLY, Permission.COMPOSE_APPLY}
        ),
        "approver": frozenset({Permission.RELEASE_READ, Permission.RELEASE_APPROVE, Permission.SERVICE_APPROVE}),
        "admin": frozenset(Permission),
    }
)


class Role(Model):
    """A named set of permissions."""

    description: Text = Field(default="", description="Who this role is for.")
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)] = Field(description="What the role allows.")
