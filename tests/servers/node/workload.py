"""Bodies of small workloads for tests on a real node, all of the test image (web.sh)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.node.images import WEB, WEB_TAGS

PORT = 8080


@dataclass(frozen=True, slots=True)
class Web:
    """A Deployment of the test image, and what its pods ask for. Without `environment` it serves and is ready."""

    namespace: str
    name: str = "web"
    image: str = f"{WEB}:{WEB_TAGS[0]}"
    replicas: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    pull: str = "IfNotPresent"
    probed: bool = False
    volumes: Sequence[Mapping[str, Any]] = ()  # mounted at /volumes/<name>
    secret: str = ""  # the environment comes from it too

    def deployment(self) -> dict[str, Any]:
        labels = {"app": self.name}
        template = {"metadata": {"labels": labels}, "spec": self._pod()}
        spec = {"replicas": self.replicas, "selector": {"matchLabels": labels}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self._metadata(), "spec": spec}

    def stateful_set(self) -> dict[str, Any]:
        body = self.deployment()
        return {**body, "kind": "StatefulSet", "spec": {**body["spec"], "serviceName": self.name}}

    def service(self, kind: str = "ClusterIP") -> dict[str, Any]:
        ports = [{"name": "http", "port": 80, "targetPort": PORT}]
        spec = {"type": kind, "selector": {"app": self.name}, "ports": ports}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self._metadata(), "spec": spec}

    def _metadata(self) -> dict[str, Any]:
        return {"name": self.name, "namespace": self.namespace}

    def _pod(self) -> dict[str, Any]:
        container: dict[str, Any] = {
            "name": "web",
            "image": self.image,
            "imagePullPolicy": self.pull,
            "env": [{"name": name, "value": value} for name, value in self.environment.items()],
            "resources": {"requests": dict(self.requests), "limits": dict(self.requests)},
        }
        if self.probed:
            container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1}
        if self.secret:
            container["envFrom"] = [{"secretRef": {"name": self.secret}}]
        if self.volumes:
            names = [volume["name"] for volume in self.volumes]
            container["volumeMounts"] = [{"name": name, "mountPath": f"/volumes/{name}"} for name in names]
        return {"containers": [container], "volumes": list(self.volumes)}
