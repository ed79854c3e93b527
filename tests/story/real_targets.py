"""A real kube-apiserver and real OpenSSH hosts behind the words that the world of the story uses."""

import json
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from tests.servers.apiserver import ApiServer
from tests.servers.hosts import Host
from tests.servers.nodecluster import NodeCluster


@dataclass(slots=True)
class RealCluster:
    """The session's API server, or its node. An API server has no nodes: a workload with replicas is never ready there.

    `account` is the token that the reconciler is given; what people do there, they do as admin.
    """

    server: ApiServer | NodeCluster
    account: str = ""

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def ca_pem(self) -> str:
        return self.server.ca_pem

    @property
    def token(self) -> str:
        return self.account or self.server.admin_token

    def start(self) -> None:
        """Runs already: the fixture's."""

    def stop(self) -> None:
        """Ends with the fixture."""

    def kubeconfig(self) -> str:
        return self.server.kubeconfig(self.token)

    def place(self, path: str, body: dict[str, Any]) -> None:
        answer = self._ask("POST", path, body)
        assert answer.status_code in {201, 409}, answer.text

    def look(self, path: str) -> dict[str, Any] | None:
        answer = self._ask("GET", path)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def edit(self, path: str, patch: dict[str, Any]) -> None:
        """Somebody else's merge patch."""
        answer = self._ask("PATCH", path, patch, {"Content-Type": "application/merge-patch+json"})
        assert answer.status_code == 200, answer.text

    def delete(self, path: str) -> None:
        """Clean up between tests; absent is fine."""
        self._ask("DELETE", path)

    def parents(self) -> tuple[str, ...]:
        """The names of what remembers our releases there."""
        answer = self._ask("GET", "api/v1/namespaces/default/configmaps")
        names = [item["metadata"]["name"] for item in answer.json()["items"]]
        return tuple(name for name in names if name.startswith("reconciler."))

    def _ask(
        self, verb: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        context = ssl.create_default_context(cadata=self.ca_pem)
        sent = {
            "Authorization": f"Bearer {self.server.admin_token}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            content = json.dumps(body) if body is not None else None
            return client.request(verb, f"{self.endpoint}/{path}", content=content, headers=sent)


@dataclass(slots=True)
class RealHost:
    """One of the session's hosts, by the name that the example gives it."""

    host: Host

    @property
    def address(self) -> str:
        return self.host.address

    @property
    def port(self) -> int:
        return self.host.port

    @property
    def host_key(self) -> str:
        return " ".join(self.host.host_key.split()[:2])

    def stop(self) -> None:
        """Ends with the fixture."""


def by_name(hosts: tuple[Host, ...], names: tuple[str, ...]) -> dict[str, RealHost]:
    """The session's hosts under the example's names."""
    return {name: RealHost(host) for name, host in zip(names, hosts, strict=False)}
