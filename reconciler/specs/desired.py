"""Desired: everything that a revision says, resolved, with the answers to what others ask of it.

Knows specs and sources; decides nothing. Rule: an environment in `broken` is not planned, and while `unreadable` is set
nothing may be taken for removed: what cannot be read is never deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors import Problem
from reconciler.names import POLICY, UnitKind, UnitRef
from reconciler.specs.kinds import (
    Cluster,
    Credential,
    Environment,
    Host,
    Project,
    Release,
    Role,
    RoleBinding,
    Service,
    Settings,
    User,
)
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource, variables_of
from reconciler.specs.rendering import MISSING
from reconciler.specs.spec import Spec


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a unit belongs. The policy belongs to no project and no team."""

    project: str
    team: str
    environment: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What a revision says. Specs by name; `settings` are the defaults where the repository has none."""

    settings: Settings = field(default_factory=Settings)
    settings_spec: Spec[Settings] | None = None
    projects: Mapping[str, Spec[Project]] = field(default_factory=dict)
    roles: Mapping[str, Spec[Role]] = field(default_factory=dict)
    users: Mapping[str, Spec[User]] = field(default_factory=dict)
    bindings: Mapping[str, Spec[RoleBinding]] = field(default_factory=dict)
    credentials: Mapping[str, Spec[Credential]] = field(default_factory=dict)
    hosts: Mapping[str, Spec[Host]] = field(default_factory=dict)
    environments: Mapping[str, Spec[Environment]] = field(default_factory=dict)
    clusters: Mapping[str, Spec[Cluster]] = field(default_factory=dict)
    services: Mapping[str, Spec[Service]] = field(default_factory=dict)
    releases: Mapping[str, Spec[Release]] = field(default_factory=dict)
    sources: Mapping[str, ReleaseSource] = field(default_factory=dict)  # by release
    unsound: frozenset[str] = frozenset()  # releases whose source has problems
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()  # environments, and POLICY, whose specs or sources have problems
    unreadable: bool = False  # a file or document may belong to any environment and cannot be read

    @property
    def lacks_tool(self) -> frozenset[SourceKind]:
        """The types of sources of which one could not be rendered because the tool for it was missing."""
        found = ((source.type, source.unrendered) for source in self.sources.values())
        return frozenset(kind for kind, one in found if one is not None and one.key == MISSING)

    def may_plan(self, environment: str) -> bool:
        """Whether everything that an environment says was read and is right."""
        return not self.unreadable and environment not in self.broken

    def cluster_of(self, release: str) -> Spec[Cluster] | None:
        """The cluster that a release goes to; none for compose."""
        name = self.releases[release].spec.cluster
        return self.clusters.get(name) if name is not None else None

    def variables_of(self, release: str) -> Mapping[str, str]:
        """What `${name}` in a release's source is filled from, for those who render it. Raises KeyError."""
        spec = self.releases[release]
        return variables_of(spec, self.environments[spec.spec.environment])

    def releases_in(self, environment: str) -> tuple[Spec[Release], ...]:
        """The releases of an environment, by name."""
        found = (release for release in self.releases.values() if release.spec.environment == environment)
        return tuple(sorted(found, key=lambda release: release.name))

    def clusters_in(self, environment: str) -> tuple[Spec[Cluster], ...]:
        """The clusters of an environment, by name."""
        found = (cluster for cluster in self.clusters.values() if cluster.spec.environment == environment)
        return tuple(sorted(found, key=lambda cluster: cluster.name))

    def environment_of(self, unit: UnitRef) -> str:
        """The name of the environment that a unit is planned in. Raises KeyError for a unit that is not desired."""
        match unit.kind:
            case UnitKind.RELEASE:
                return self.releases[unit.name].spec.environment
            case UnitKind.CLUSTER:
                return self.clusters[unit.name].spec.environment
            case UnitKind.ENVIRONMENT:
                return self.environments[unit.name].name
            case UnitKind.POLICY:
                return POLICY

    def scope_of(self, unit: UnitRef) -> Scope:
        """Project, team and environment of a unit; a release's team is its service's. Raises KeyError."""
        name = self.environment_of(unit)
        if unit.kind is UnitKind.POLICY:
            return Scope("", "", POLICY)
        environment = self.environments[name].spec
        if unit.kind is UnitKind.RELEASE:
            service = self.services.get(self.releases[unit.name].spec.service or "")
            if service is not None:
                return Scope(environment.project, service.spec.team, name)
        return Scope(environment.project, environment.team, name)
