"""The sandbox cluster's objects and what each verb does to them. No HTTP, no threads, no clock.

Keeps resource versions, UIDs, generations and field ownership as an API server does, and lets `cluster_status` stand in
for the controllers on reads. A dry run takes the same way up to the moment of storing. Not safe to share: the server
above holds a lock.
"""

import copy
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from reconciler.sandbox import cluster_fields as fields
from reconciler.sandbox.cluster_kinds import (
    BUILT_IN,
    GENERATED_KINDS,
    Resource,
    custom_resources,
    fault_of,
    is_unreadable,
    with_defaults,
)
from reconciler.sandbox.cluster_status import status_of

EPOCH: Final = "2026-01-01T00:00:00Z"  # every creation time: the sandbox has no clock
Body = dict[str, Any]
Key = tuple[str, str, str, str]  # group, plural, namespace, name
Owner = tuple[str, str]  # manager, operation


class Refusal(Exception):
    """An answer that is not the object: becomes a Status."""

    def __init__(self, status: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details


@dataclass(frozen=True, slots=True)
class Write:
    """Who writes, and how."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False


class Store:
    """All objects of one cluster."""

    def __init__(self) -> None:
        self._objects: dict[Key, Body] = {}
        self._unsettled: dict[Key, int] = {}  # how many more reads a change needs until its status is settled
        self._version = 0
        self.resources: dict[tuple[str, str, str], Resource] = {}
        for resource in BUILT_IN:
            self._serve(resource)
        for name in ("default", "kube-system", "kube-public"):
            self.create(self.resources[("", "v1", "namespaces")], "", {"metadata": {"name": name}}, Write("sandbox"))

    @property
    def objects(self) -> Mapping[Key, Body]:
        """Every object as it is stored."""
        return self._objects

    def get(self, resource: Resource, namespace: str, name: str) -> Body:
        """One object, as the controllers have it by now."""
        key = _key(resource, namespace, name)
        if key not in self._objects:
            raise _not_found(resource.plural, name)
        self._settle(key)
        return self._objects[key]

    def peek(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """One object as it is stored."""
        return self._objects.get(_key(resource, namespace, name))

    def list(self, resource: Resource, namespace: str, matches: Callable[[Mapping[str, str]], bool]) -> list[Body]:
        """Objects of one resource in a namespace (empty: in all), by name."""
        found = []
        for key in sorted(self._objects):
            if key[:2] == (resource.group, resource.plural) and namespace in ("", key[2]):
                labels = self._objects[key]["metadata"].get("labels", {})
                if matches(labels):
                    self._settle(key)
                    found.append(self._objects[key])
        return found

    @property
    def version(self) -> str:
        """The newest resource version."""
        return str(self._version)

    def create(self, resource: Resource, namespace: str, body: Body, write: Write) -> Body:
        """POST."""
        name = body.get("metadata", {}).get("name", "")
        key = _key(resource, namespace, name)
        if key in self._objects:
            message = f'{resource.plural} "{name}" already exists'
            raise Refusal(HTTPStatus.CONFLICT, "AlreadyExists", message, kind=resource.plural, name=name)
        made = self._new(resource, namespace, body)
        owners = {(write.manager, "Update"): fields.fields_of(body)}
        return self._store(key, resource, made, None, owners, write)

    def apply(self, resource: Resource, namespace: str, name: str, body: Body, write: Write) -> tuple[Body, bool]:
        """PATCH with an apply configuration: the object and whether it was created."""
        key = _key(resource, namespace, name)
        live = self._objects.get(key)
        _check_preconditions(resource, name, live, body.get("metadata", {}))
        sent, wanted = fields.owned_part(body), fields.fields_of(body)
        base = live if live is not None else self._new(resource, namespace, {"metadata": {"name": name}})
        owners = _owners(base)
        owner = (write.manager, "Apply")
        others = {who: paths for who, paths in owners.items() if who != owner}
        if live is not None:
            others = _without_conflicts(resource, name, live, sent, wanted, others, force=write.force)
        given_up = owners.get(owner, frozenset()) - wanted - frozenset().union(*others.values())
        made = fields.without(fields.merged(base, sent), given_up)
        return self._store(key, resource, made, live, {**others, owner: wanted}, write), live is None

    def replace(self, resource: Resource, namespace: str, name: str, body: Body, write: Write) -> Body:
        """PUT."""
        live = self._live(resource, namespace, name)
        _check_preconditions(resource, name, live, body.get("metadata", {}))
        fixed = ("uid", "creationTimestamp", "resourceVersion", "generation")
        kept = {key: live["metadata"][key] for key in fixed if key in live["metadata"]}
        made = {**body, "metadata": {**body.get("metadata", {}), **kept}}
        if "status" in live:
            made["status"] = live["status"]
        owners = _after_update(live, made, write.manager)
        return self._store(_key(resource, namespace, name), resource, made, live, owners, write)

    def merge(self, resource: Resource, namespace: str, name: str, patch: Body, write: Write) -> Body:
        """PATCH with a JSON merge patch (RFC 7386)."""
        live = self._live(resource, namespace, name)
        _check_preconditions(resource, name, live, patch.get("metadata", {}))
        made = _merge_patch(copy.deepcopy(live), patch)
        owners = _after_update(live, made, write.manager)
        return self._store(_key(resource, namespace, name), resource, made, live, owners, write)

    def delete(
        self, resource: Resource, namespace: str, name: str, preconditions: Mapping[str, Any], write: Write
    ) -> Body:
        """DELETE, at once; with a namespace goes what is in it."""
        live = self._live(resource, namespace, name)
        _check_preconditions(resource, name, live, preconditions)
        if not write.dry_run:
            self._forget(_key(resource, namespace, name))
            for key in [key for key in self._objects if resource.plural == "namespaces" and key[2] == name]:
                self._forget(key)
            if resource.kind == "CustomResourceDefinition":
                for gone in custom_resources(live):
                    self.resources.pop((gone.group, gone.version, gone.plural), None)
            self._version += 1
        return live

    def _store(
        self,
        key: Key,
        resource: Resource,
        made: Body,
        live: Body | None,
        owners: Mapping[Owner, fields.FieldSet],
        write: Write,
    ) -> Body:
        self._check_place(key)
        made = with_defaults({**made, "apiVersion": resource.api_version, "kind": resource.kind})
        if is_unreadable(made):
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "", "failed to convert new object: illegal base64 data")
        fault = fault_of(made, live)
        if fault is not None:
            field, message = fault
            cause = {"field": field, "message": message, "reason": "FieldValueInvalid"}
            text = f'{resource.kind} "{key[3]}" is invalid: {field}: {message}'
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", text, kind=resource.kind, causes=[cause])
        made["metadata"]["managedFields"] = _rendered(owners, resource)
        if live is not None and made == live:
            return live
        changed = live is None or made.get("spec") != live.get("spec")
        if resource.kind in GENERATED_KINDS and live is not None and (changed or _is_annotated_anew(made, live)):
            made["metadata"]["generation"] += 1
            changed = True
        if not write.dry_run:
            self._version += 1
            made["metadata"]["resourceVersion"] = str(self._version)
            self._objects[key] = made
            if changed and status_of(made, settled=False) is not None:
                self._unsettled[key] = 1
            if resource.kind == "CustomResourceDefinition":
                for served in custom_resources(made):
                    self._serve(served)
        return made

    def _new(self, resource: Resource, namespace: str, body: Body) -> Body:
        metadata = {
            **body.get("metadata", {}),
            "uid": str(uuid.uuid4()),
            "creationTimestamp": EPOCH,
            "resourceVersion": "",
        }
        if resource.namespaced:
            metadata["namespace"] = namespace
        if resource.kind in GENERATED_KINDS:
            metadata["generation"] = 1
        made = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        made.pop("status", None)
        return made

    def _check_place(self, key: Key) -> None:
        namespace = key[2]
        if namespace and ("", "namespaces", "", namespace) not in self._objects:
            raise _not_found("namespaces", namespace)
        if not key[3]:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "metadata.name: Required value")

    def _live(self, resource: Resource, namespace: str, name: str) -> Body:
        live = self._objects.get(_key(resource, namespace, name))
        if live is None:
            raise _not_found(resource.plural, name)
        return live

    def _settle(self, key: Key) -> None:
        left = self._unsettled.pop(key, None)
        if left is None:
            return
        if left:
            self._unsettled[key] = left - 1
        body = self._objects[key]
        status = status_of(body, settled=not left)
        if status != body.get("status"):
            self._version += 1
            metadata = {**body["metadata"], "resourceVersion": str(self._version)}
            self._objects[key] = {**body, "metadata": metadata, "status": status}

    def _forget(self, key: Key) -> None:
        self._objects.pop(key, None)
        self._unsettled.pop(key, None)

    def _serve(self, resource: Resource) -> None:
        self.resources[(resource.group, resource.version, resource.plural)] = resource


def _is_annotated_anew(made: Body, live: Body) -> bool:
    """The generation of a Deployment counts changes of its annotations too."""
    now, before = made["metadata"].get("annotations"), live["metadata"].get("annotations")
    return bool(made["kind"] == "Deployment" and now != before)


def _key(resource: Resource, namespace: str, name: str) -> Key:
    return (resource.group, resource.plural, namespace if resource.namespaced else "", name)


def _not_found(plural: str, name: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, "NotFound", f'{plural} "{name}" not found', kind=plural, name=name)


def _check_preconditions(resource: Resource, name: str, live: Body | None, given: Mapping[str, Any]) -> None:
    """UID and resource version, where given, must be those of the live object."""
    for field in ("uid", "resourceVersion"):
        wanted = given.get(field)
        if wanted and (live is None or live["metadata"][field] != wanted):
            message = f'Operation cannot be fulfilled on {resource.plural} "{name}": {field} is not the one given'
            raise Refusal(HTTPStatus.CONFLICT, "Conflict", message, kind=resource.plural, name=name)


def _without_conflicts(
    resource: Resource,
    name: str,
    live: Body,
    sent: Body,
    wanted: fields.FieldSet,
    others: Mapping[Owner, fields.FieldSet],
    *,
    force: bool,
) -> dict[Owner, fields.FieldSet]:
    """Others' ownership after the apply; refused where a value would change and nothing is forced."""
    moved = {path for path in wanted if fields.value_at(sent, path) != fields.value_at(live, path)}
    held = {who: paths & moved for who, paths in others.items() if paths & moved}
    if held and not force:
        causes = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{who[0]}"', "field": _dotted(path)}
            for who, paths in sorted(held.items())
            for path in sorted(paths)
        ]
        message = f"Apply failed with {len(causes)} conflicts"
        raise Refusal(HTTPStatus.CONFLICT, "Conflict", message, kind=resource.plural, name=name, causes=causes)
    return {who: rest for who, paths in others.items() if (rest := paths - moved)}


def _dotted(path: fields.Path) -> str:
    return "".join(f".{part[2:]}" if part.startswith("f:") else f"[{part[2:]}]" for part in path if part != ".")


def _after_update(live: Body, made: Body, manager: str) -> dict[Owner, fields.FieldSet]:
    """Ownership after a plain write: what changed belongs to the writer, what vanished to nobody."""
    # As on a real server: an empty list means "as it was"; one empty entry means nobody.
    given = made["metadata"].get("managedFields") or live["metadata"]["managedFields"]
    owners = _owners({"metadata": {"managedFields": [entry for entry in given if entry]}})
    new, old = fields.owned_part(made), fields.owned_part(live)
    paths = fields.fields_of(made)
    moved = frozenset(path for path in paths if fields.value_at(new, path) != fields.value_at(old, path))
    result = {who: rest for who, held in owners.items() if (rest := (held & paths) - moved)}
    writer = (manager, "Update")
    if moved:
        result[writer] = result.get(writer, frozenset()) | moved
    return result


def _owners(body: Body) -> dict[Owner, fields.FieldSet]:
    return {
        (entry["manager"], entry["operation"]): fields.from_fields_v1(entry["fieldsV1"])
        for entry in body["metadata"].get("managedFields", [])
    }


def _rendered(owners: Mapping[Owner, fields.FieldSet], resource: Resource) -> list[Body]:
    return [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": resource.api_version,
            "time": EPOCH,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.to_fields_v1(paths),
        }
        for (manager, operation), paths in sorted(owners.items())
        if paths
    ]


def _merge_patch(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = _merge_patch(result.get(key), item)
    return result


def selector(text: str) -> Callable[[Mapping[str, str]], bool]:
    """A label selector: `a=b`, `a in (b,c)` and `a`, joined by commas."""
    tests = list(_terms(text))
    return lambda labels: all(test(labels) for test in tests)


def _terms(text: str) -> Iterator[Callable[[Mapping[str, str]], bool]]:
    for term in _split(text):
        if " in (" in term:
            name, _, values = term.partition(" in (")
            yield _one_of(name.strip(), [value.strip() for value in values.rstrip(") ").split(",")])
        elif "=" in term:
            name, _, value = term.replace("==", "=").partition("=")
            yield _one_of(name.strip(), [value.strip()])
        else:
            yield _has(term.strip())


def _one_of(name: str, values: Iterable[str]) -> Callable[[Mapping[str, str]], bool]:
    accepted = frozenset(values)
    return lambda labels: labels.get(name) in accepted


def _has(name: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: name in labels


def _split(text: str) -> Iterator[str]:
    """At commas outside parentheses."""
    depth, term = 0, ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield term
            term = ""
        else:
            term += character
    if term.strip():
        yield term
