"""Desired state cut into units, each with the digest of its desired side (contracts: gate.md, Words, G7, G9).

A unit's content is everything that a person may change about it, masked: its specs, what they refer to, its resolved
objects, the bundle's signed digest. Paths, labels of files and commit ids are not in it, so moving a file changes
nothing. Knows no target.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from reconciler.canonical import digest_of
from reconciler.names import NO_DIGEST, POLICY, Digest, ObjectRef, UnitKind, UnitRef
from reconciler.plan.change import Action
from reconciler.plan.mask import mask_object, mask_value
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Environment, Model, Release, Service
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.spec import Spec

POLICY_UNIT = UnitRef(UnitKind.POLICY, POLICY)
Place = tuple[str, str, str, str]  # of an object, in whichever version it is asked for


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit's desired side. `content` is masked JSON: "spec" and what it refers to, and "objects" by name."""

    ref: UnitRef
    environment: str
    content: Mapping[str, Any]
    artifact: Digest
    base: Digest = NO_DIGEST  # the artifact without the pins of images; empty where there are none

    @property
    def unpinned(self) -> Digest:
        """What its content is without pins: by this its pins are found again."""
        return self.base or self.artifact


class Cut(Protocol):
    """A desired state and its units."""

    @property
    def desired(self) -> Desired: ...
    @property
    def units(self) -> Mapping[UnitRef, Unit]: ...


@dataclass(frozen=True, slots=True)
class Cutter:
    """What cutting needs besides the desired state: the HMAC key and the signed digest of each bundle version."""

    key: bytes
    bundles: Mapping[str, str]

    def cut(self, desired: Desired, before: Cut | None = None) -> Mapping[UnitRef, Unit]:
        """Every unit of a desired state.

        `before`: another state cut with the same key, of which releases are taken over that are made of the very same
        values. It changes what this costs, never the answer.
        """
        return {unit.ref: unit for unit in self._units(desired, before)}

    def pinned(self, desired: Desired, unit: Unit) -> Unit:
        """A release's unit again, in a desired state whose images are pinned."""
        made = _unit(unit.ref, unit.environment, self._release(desired, unit.ref.name))
        return replace(made, base=unit.unpinned) if made.artifact != unit.unpinned else made

    def _units(self, desired: Desired, before: Cut | None) -> Iterator[Unit]:
        yield _unit(POLICY_UNIT, POLICY, self._policy(desired))
        for name, environment in desired.environments.items():
            yield _unit(UnitRef(UnitKind.ENVIRONMENT, name), name, self._environment(desired, environment))
        for name, cluster in desired.clusters.items():
            entry = cluster.spec.network_entry.lvs_vip
            credentials = self._credentials(desired, cluster.spec.credential)
            credentials |= self._credentials(desired, entry.auth_credential if entry is not None else None)
            suspended = _suspended(desired, cluster.spec.environment)
            content = {"spec": self._spec(cluster), "credentials": credentials, **suspended}
            yield _unit(UnitRef(UnitKind.CLUSTER, name), cluster.spec.environment, content)
        for name, release in desired.releases.items():
            ref = UnitRef(UnitKind.RELEASE, name)
            if before is not None and ref in before.units and _same(desired, before.desired, name):
                yield before.units[ref]
            else:
                yield _unit(ref, release.spec.environment, self._release(desired, name))

    def _policy(self, desired: Desired) -> dict[str, Any]:
        groups: tuple[tuple[str, Mapping[str, Spec[Any]]], ...] = (
            ("settings", {"settings": desired.settings_spec} if desired.settings_spec is not None else {}),
            ("roles", desired.roles),
            ("users", desired.users),
            ("bindings", desired.bindings),
        )
        return {title: {name: self._spec(spec) for name, spec in specs.items()} for title, specs in groups}

    def _environment(self, desired: Desired, environment: Spec[Environment]) -> dict[str, Any]:
        hosts = {node.host: desired.hosts[node.host] for node in environment.spec.nodes if node.host in desired.hosts}
        project = desired.projects.get(environment.spec.project)
        bundle = environment.spec.bundle
        return {
            "spec": self._spec(environment),
            "project": self._spec(project) if project is not None else None,
            "hosts": {
                name: {"spec": self._spec(host), "credentials": self._credentials(desired, host.spec.credential)}
                for name, host in hosts.items()
            },
            "bundle": self.bundles.get(bundle.version, "") if bundle is not None else "",
        }

    def _release(self, desired: Desired, name: str) -> dict[str, Any]:
        release = desired.releases[name]
        spec = self._spec(release)
        spec["source"] = {key: value for key, value in spec["source"].items() if key not in {"path", "values"}}
        service = _service(desired, release.spec)
        source = desired.sources.get(name)
        objects = {} if source is None else {str(ref_of(body)): mask_object(body, self.key) for body in source.objects}
        files: list[list[str]] = []
        variables: Mapping[str, str] = {}
        # a source that is not rendered here (helm, compose) stands for itself by its files and what fills them
        if source is not None and not source.resolved:
            files = _files(release.spec, source)
            variables = desired.variables_of(name) if release.spec.environment in desired.environments else {}
        content = {
            "spec": spec,
            "service": self._spec(service) if service is not None else None,
            "objects": objects,
            "files": files,
            "variables": mask_value(variables, self.key),
            **_suspended(desired, release.spec.environment),
        }
        jobs = source.jobs if source is not None else ()
        if jobs:  # of a release that names none, the artifact is what it was
            content["jobs"] = {str(ref_of(body)): mask_object(body, self.key) for body in jobs}
        return content

    def _credentials(self, desired: Desired, name: str | None) -> dict[str, Any]:
        if name is None or name not in desired.credentials:
            return {}
        spec = desired.credentials[name].spec.model_dump(mode="json")
        ciphertext = spec.pop("age", None)
        spec["age"] = digest_of("ciphertext", ciphertext) if ciphertext else None
        return {name: spec}

    def _spec(self, spec: Spec[Any]) -> dict[str, Any]:
        model: Model = spec.spec
        masked = mask_value(model.model_dump(mode="json"), self.key)
        assert isinstance(masked, dict)  # noqa: S101  a mapping stays a mapping
        return masked


def _same(one: Desired, other: Desired, name: str) -> bool:
    """Whether everything that a release's unit is made of is the very same in both."""
    release = one.releases[name].spec
    return (
        other.releases.get(name) is one.releases[name]
        and other.sources.get(name) is one.sources.get(name)
        and _service(other, release) is _service(one, release)
        and other.environments.get(release.environment) is one.environments.get(release.environment)
    )


def _suspended(desired: Desired, environment: str) -> dict[str, bool]:
    """What each unit of a suspended environment says beside its own, so that lifting that plans all of them (G7)."""
    found = desired.environments.get(environment)
    return {"suspended": True} if found is not None and found.spec.suspend else {}


def _service(desired: Desired, release: Release) -> Spec[Service] | None:
    return desired.services.get(release.service) if release.service is not None else None


def _files(release: Release, source: ReleaseSource) -> list[list[str]]:
    """Each file by its place in the source, not in the repository, and its content; value files by their order."""
    root = release.source.path.rstrip("/")
    names = {root: ""}
    for number, path in enumerate(release.source.values):
        names[path] = f"{names.get(path, '')}values[{number}]"
    below = f"{root}/"
    return sorted([names.get(path, path.removeprefix(below)), str(blob)] for path, blob in source.files)


def object_in(action: Action) -> ObjectRef:
    """The object of an object action."""
    one = action.object
    assert one is not None  # noqa: S101  asked of object actions only
    return ObjectRef(one.group, one.version, one.kind, one.namespace, one.name)


def place_of(ref: ObjectRef) -> Place:
    """What tells an object from every other one on a cluster."""
    return ref.group, ref.kind, ref.namespace, ref.name


def ref_of(body: Mapping[str, Any]) -> ObjectRef:
    """The identity of a Kubernetes object that has apiVersion, kind and metadata.name."""
    group, _, version = str(body["apiVersion"]).rpartition("/")
    metadata = body["metadata"]
    return ObjectRef(group, version, str(body["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"]))


def touched(old: Mapping[UnitRef, Unit], new: Mapping[UnitRef, Unit]) -> tuple[UnitRef, ...]:
    """Units whose desired side differs between two desired states, sorted."""
    refs = old.keys() | new.keys()
    return tuple(
        sorted(
            ref
            for ref in refs
            if (old[ref].artifact if ref in old else None) != (new[ref].artifact if ref in new else None)
        )
    )


def _unit(ref: UnitRef, environment: str, content: Mapping[str, Any]) -> Unit:
    return Unit(ref, environment, content, digest_of("artifact", {"unit": str(ref), "content": content}))
