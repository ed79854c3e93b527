"""What each kind refers to, as one table; unknown names, and which environments a bad spec touches.

Knows names and the ways to them. Rule: what refers to something that is bad is itself not to be relied on, so its
environments are broken; rights (RoleBinding) and soaks do not spread in this way, they only have to exist.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.names import POLICY
from reconciler.specs.kinds import (
    POLICY_KINDS,
    AnySpec,
    Cluster,
    Credential,
    Environment,
    Host,
    Kind,
    Release,
    RoleBinding,
    Service,
    Settings,
)
from reconciler.specs.spec import Spec

Steps = tuple[str | int, ...]
Target = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Reference:
    """One name that a spec uses. `spreads`: whether a bad target makes the spec bad."""

    kind: Kind
    name: str
    steps: Steps
    spreads: bool = True


def _host(spec: Host) -> Iterator[Reference]:
    yield Reference(Kind.CREDENTIAL, spec.credential, ("credential",))


def _environment(spec: Environment) -> Iterator[Reference]:
    yield Reference(Kind.PROJECT, spec.project, ("project",))
    for number, node in enumerate(spec.nodes):
        yield Reference(Kind.HOST, node.host, ("nodes", number, "host"))
    for number, alert in enumerate(spec.monitoring.alerts):
        if alert.credential is not None:
            yield Reference(Kind.CREDENTIAL, alert.credential, ("monitoring", "alerts", number, "credential"))
    if spec.gates.soak is not None:
        yield Reference(Kind.ENVIRONMENT, spec.gates.soak.environment, ("gates", "soak", "environment"), spreads=False)


def _cluster(spec: Cluster) -> Iterator[Reference]:
    yield Reference(Kind.ENVIRONMENT, spec.environment, ("environment",))
    if spec.credential is not None:
        yield Reference(Kind.CREDENTIAL, spec.credential, ("credential",))
    vip = spec.network_entry.lvs_vip
    if vip is not None:
        yield Reference(Kind.CREDENTIAL, vip.auth_credential, ("networkEntry", "lvsVip", "authCredential"))
        for number, name in enumerate(vip.backend_nodes):
            yield Reference(Kind.HOST, name, ("networkEntry", "lvsVip", "backendNodes", number))


def _service(spec: Service) -> Iterator[Reference]:
    yield Reference(Kind.PROJECT, spec.project, ("project",))


def _release(spec: Release) -> Iterator[Reference]:
    yield Reference(Kind.ENVIRONMENT, spec.environment, ("environment",))
    if spec.service is not None:
        yield Reference(Kind.SERVICE, spec.service, ("service",))
    if spec.cluster is not None:
        yield Reference(Kind.CLUSTER, spec.cluster, ("cluster",))
    for number, name in enumerate(spec.depends_on):
        yield Reference(Kind.RELEASE, name, ("dependsOn", number))


def _credential(spec: Credential) -> Iterator[Reference]:
    yield Reference(Kind.PROJECT, spec.project, ("project",))


def _binding(spec: RoleBinding) -> Iterator[Reference]:
    yield Reference(Kind.ROLE, spec.role, ("role",), spreads=False)
    for number, subject in enumerate(spec.subjects):
        if subject.user is not None:
            yield Reference(Kind.USER, subject.user, ("subjects", number, "user"), spreads=False)
    if spec.scope.project is not None:
        yield Reference(Kind.PROJECT, spec.scope.project, ("scope", "project"), spreads=False)
    if spec.scope.environment is not None:
        yield Reference(Kind.ENVIRONMENT, spec.scope.environment, ("scope", "environment"), spreads=False)


def _settings(spec: Settings) -> Iterator[Reference]:
    for number, webhook in enumerate(spec.emergency.notify):
        if webhook.credential is not None:
            yield Reference(Kind.CREDENTIAL, webhook.credential, ("emergency", "notify", number, "credential"))


_OF: Mapping[Kind, Callable[[Any], Iterator[Reference]]] = MappingProxyType(
    {
        Kind.HOST: _host,
        Kind.ENVIRONMENT: _environment,
        Kind.CLUSTER: _cluster,
        Kind.SERVICE: _service,
        Kind.RELEASE: _release,
        Kind.CREDENTIAL: _credential,
        Kind.ROLE_BINDING: _binding,
        Kind.SETTINGS: _settings,
    }
)


def references(spec: Spec[AnySpec]) -> tuple[Reference, ...]:
    """Every name that a spec uses, in the order of its fields."""
    find = _OF.get(spec.kind)
    return tuple(find(spec.spec)) if find is not None else ()


class Reach:
    """Which environments something touches, through everything that refers to it."""

    def __init__(self, specs: Iterable[Spec[AnySpec]]) -> None:
        self._direct: dict[Target, set[str]] = defaultdict(set)
        self._referrers: dict[Target, set[Target]] = defaultdict(set)
        for spec in specs:
            own = (spec.kind, spec.name)
            self._direct[own] |= _direct(spec)
            for reference in references(spec):
                if reference.spreads:
                    self._referrers[(reference.kind, reference.name)].add(own)

    def environments(self, targets: Iterable[Target]) -> frozenset[str]:
        """The environments (POLICY among them) that these specs touch; each spec is looked at once for all of them."""
        waiting = list(targets)
        found = {name for kind, name in waiting if kind is Kind.ENVIRONMENT}
        seen: set[Target] = set()
        while waiting:
            target = waiting.pop()
            if target in seen:
                continue
            seen.add(target)
            found |= self._direct.get(target, set())
            waiting.extend(self._referrers.get(target, ()))
        return frozenset(found)


def _direct(spec: Spec[AnySpec]) -> set[str]:
    if spec.kind in POLICY_KINDS:
        return {POLICY}
    match spec.spec:
        case Environment():
            return {spec.name}
        case Cluster(environment=name) | Release(environment=name):
            return {name}
        case _:
            return set()
