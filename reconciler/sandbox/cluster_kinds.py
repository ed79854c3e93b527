"""The kinds that the sandbox cluster serves, and what its server fills in: a table, and small functions over JSON.

Knows no storage and no HTTP. Defaults are a few of the real ones, enough that live objects hold fields that nobody
sent.
"""

import base64
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


BUILT_IN: Final = (
    Resource("", "v1", "Namespace", "namespaces", namespaced=False),
    Resource("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False),
    Resource("", "v1", "ConfigMap", "configmaps"),
    Resource("", "v1", "Secret", "secrets"),
    Resource("", "v1", "Service", "services"),
    Resource("", "v1", "ServiceAccount", "serviceaccounts"),
    Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("", "v1", "Pod", "pods"),
    Resource("", "v1", "Event", "events"),
    Resource("apps", "v1", "Deployment", "deployments"),
    Resource("apps", "v1", "StatefulSet", "statefulsets"),
    Resource("apps", "v1", "DaemonSet", "daemonsets"),
    Resource("apps", "v1", "ReplicaSet", "replicasets"),
    Resource("batch", "v1", "Job", "jobs"),
    Resource("batch", "v1", "CronJob", "cronjobs"),
    Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
)

GENERATED_KINDS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "CustomResourceDefinition", "HTTPRoute"}
)  # kinds whose metadata.generation counts changes of the spec


def is_unreadable(body: Mapping[str, Any]) -> bool:
    """Whether the server could not even read it: a real one answers 500 to a Secret whose data is not base64."""
    if body["kind"] != "Secret":
        return False
    try:
        for value in (body.get("data") or {}).values():
            base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        return True
    return False


def custom_resources(definition: Mapping[str, Any]) -> Iterator[Resource]:
    """What a CustomResourceDefinition adds, one for each served version."""
    spec = definition["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        if version.get("served", True):
            namespaced = spec.get("scope", "Namespaced") == "Namespaced"
            yield Resource(spec["group"], version["name"], names["kind"], names["plural"], namespaced)


def with_defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with what the server fills in."""
    result = copy.deepcopy(dict(body))
    fill = _DEFAULTS.get(result["kind"])
    if fill is not None:
        fill(result)
    return result


def fault_of(body: Mapping[str, Any], live: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """(field, message) of the first thing that the server would not take, or None."""
    if live is not None and body["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
        wanted, stands = body["spec"].get("selector"), live["spec"].get("selector")
        if wanted != stands:
            return ("spec.selector", f"Invalid value: {wanted}: field is immutable")
    if live is not None and body["kind"] == "Job" and body["spec"].get("template") != live["spec"].get("template"):
        return ("spec.template", "Invalid value: core.PodTemplateSpec: field is immutable")
    if body["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        pod = body.get("spec", {}).get("template", {}).get("spec", {})
        if not pod.get("containers"):
            return ("spec.template.spec.containers", "Required value")
    return None


def _pod_template(spec: dict[str, Any], restart: str) -> None:
    pod = spec.setdefault("template", {}).setdefault("spec", {})
    pod.setdefault("restartPolicy", restart)
    pod.setdefault("dnsPolicy", "ClusterFirst")
    pod.setdefault("terminationGracePeriodSeconds", 30)
    for container in [*pod.get("containers", []), *pod.get("initContainers", [])]:
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")


def _deployment(body: dict[str, Any]) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    _pod_template(spec, "Always")


def _stateful_set(body: dict[str, Any]) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    _pod_template(spec, "Always")


def _daemon_set(body: dict[str, Any]) -> None:
    _pod_template(body.setdefault("spec", {}), "Always")


def _job(body: dict[str, Any]) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("completions", 1)
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    _pod_template(spec, "Never")


def _service(body: dict[str, Any]) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("clusterIP", "10.96.0.10")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _secret(body: dict[str, Any]) -> None:
    body.setdefault("type", "Opaque")
    written = body.pop("stringData", None) or {}
    if written:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in written.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}


def _namespace(body: dict[str, Any]) -> None:
    body.setdefault("status", {"phase": "Active"})
    body["metadata"].setdefault("labels", {}).setdefault("kubernetes.io/metadata.name", body["metadata"]["name"])


_DEFAULTS: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
}
