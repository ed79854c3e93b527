"""The kinds of spec: one frozen model each, and the table of all.

Knows what a user may write about each thing, its unit and its default. Knows no file, no reference between specs and no
target. Rule: a field exists once, here, with its description; schemas and documentation are printed from it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.specs.kind import API_VERSION, Kind
from reconciler.specs.kinds.cluster import Cluster
from reconciler.specs.kinds.credential import Credential
from reconciler.specs.kinds.environment import Environment
from reconciler.specs.kinds.host import Host
from reconciler.specs.kinds.model import Metadata, Model, PersonMetadata
from reconciler.specs.kinds.project import Project
from reconciler.specs.kinds.release import Release
from reconciler.specs.kinds.role import BUILT_IN_ROLES, Permission, Role
from reconciler.specs.kinds.role_binding import RoleBinding
from reconciler.specs.kinds.service import Service
from reconciler.specs.kinds.settings import Risk, Settings
from reconciler.specs.kinds.user import User

AnySpec = Settings | Project | Role | User | RoleBinding | Credential | Host | Environment | Cluster | Service | Release

KINDS: Mapping[Kind, type[AnySpec]] = MappingProxyType(
    {
        Kind.SETTINGS: Settings,
        Kind.PROJECT: Project,
        Kind.ROLE: Role,
        Kind.USER: User,
        Kind.ROLE_BINDING: RoleBinding,
        Kind.CREDENTIAL: Credential,
        Kind.HOST: Host,
        Kind.ENVIRONMENT: Environment,
        Kind.CLUSTER: Cluster,
        Kind.SERVICE: Service,
        Kind.RELEASE: Release,
    }
)

POLICY_KINDS = frozenset(
    {Kind.SETTINGS, Kind.ROLE, Kind.ROLE_BINDING, Kind.USER}
)  # one unit: the policy (gate.md, Words)

METADATA: Mapping[Kind, type[Metadata | PersonMetadata]] = MappingProxyType(
    {kind: PersonMetadata if kind is Kind.USER else Metadata for kind in Kind}
)

__all__ = [
    "API_VERSION",
    "BUILT_IN_ROLES",
    "KINDS",
    "METADATA",
    "POLICY_KINDS",
    "AnySpec",
    "Cluster",
    "Credential",
    "Environment",
    "Host",
    "Kind",
    "Metadata",
    "Model",
    "Permission",
    "PersonMetadata",
    "Project",
    "Release",
    "Risk",
    "Role",
    "RoleBinding",
    "Service",
    "Settings",
    "User",
]
