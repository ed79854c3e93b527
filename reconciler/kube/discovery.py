"""Which kinds an API server serves, and where: asked once for each group and version, again when a kind is missing.

Knows paths; knows no objects. The rule it keeps: only a plain "not found" of a group or kind means that it is not
served; any other failure is raised, because an answer that could not be had must not look like an absence.
"""

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from reconciler.kube.answers import error_of
from reconciler.kube.client import Client, Request

GroupKind = tuple[str, str]


@dataclass(frozen=True, slots=True, order=True)
class ApiResource:
    """Where objects of one kind are served."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of an object or collection; every part is quoted."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name] if name else [self.plural]
        return "/" + "/".join(quote(part, safe="") for part in parts)


class Discovery:
    """A cache over one client; safe to share between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], dict[str, ApiResource]] = {}
        self._lock = threading.RLock()

    def resource(self, group: str, version: str, kind: str) -> ApiResource | None:
        """Where this kind is served, or None; a miss is asked again each time, since kinds can be added."""
        with self._lock:
            found = self._known.get((group, version), {}).get(kind)
            return found or self._fetch(group, version).get(kind)

    def preferred(self, group: str, kind: str) -> ApiResource | None:
        """Where a kind is served in whichever version, the server's preferred one first."""
        with self._lock:
            for (known_group, _), kinds in self._known.items():
                if known_group == group and kind in kinds:
                    return kinds[kind]
            for version in self._versions(group):
                found = self.resource(group, version, kind)
                if found is not None:
                    return found
            return None

    def forget(self) -> None:
        """A kind that was served may not be any more: ask again. What is part of every cluster stays known."""
        with self._lock:
            self._known = {place: kinds for place, kinds in self._known.items() if not place[0]}

    def _versions(self, group: str) -> list[str]:
        if not group:
            return ["v1"]
        listed = self._ask(f"/apis/{quote(group, safe='')}", f"asking for the versions of {group}")
        versions = [entry["version"] for entry in listed.get("versions", [])]
        preferred = listed.get("preferredVersion", {}).get("version")
        return sorted(versions, key=lambda version: version != preferred)

    def _fetch(self, group: str, version: str) -> dict[str, ApiResource]:
        root = f"/apis/{quote(group, safe='')}" if group else "/api"
        listed = self._ask(
            f"{root}/{quote(version, safe='')}", f"asking which kinds {group or 'core'} {version} serves"
        )
        kinds = {
            entry["kind"]: ApiResource(group, version, entry["kind"], entry["name"], bool(entry["namespaced"]))
            for entry in listed.get("resources", [])
            if "/" not in entry["name"]
        }
        self._known[(group, version)] = kinds
        return kinds

    def _ask(self, path: str, what: str) -> dict[str, Any]:
        answer = self._client.ask(Request("GET", path, what))
        if answer.status == HTTPStatus.NOT_FOUND:
            return {}
        if answer.status != HTTPStatus.OK:
            raise error_of(answer)
        found: dict[str, Any] = answer.json
        return found
