"""A running object as somebody would have written it: without what the server and its controllers put in.

Pure functions over JSON. What is left says no more and no less: applied again it changes nothing, and whoever uses this
asks the server whether that is so before anything is proposed.
Defaults: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ and the pages beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.state.observed import Json

WORKLOADS: Final = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
KEPT_METADATA: Final = ("name", "namespace", "labels", "annotations")
WRITTEN_ANNOTATIONS: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
)
ROLLING: Final = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"}
# Wherever these stand with these values in a spec, the server would put them in again.
DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "progressDeadlineSeconds": (600,),
    "revisionHistoryLimit": (10,),
    "strategy": (ROLLING,),
    "updateStrategy": (
        {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"},
    ),
    "podManagementPolicy": ("OrderedReady",),
    "persistentVolumeClaimRetentionPolicy": ({"whenDeleted": "Retain", "whenScaled": "Retain"},),
    "creationTimestamp": (None,),
    "dnsPolicy": ("ClusterFirst",),
    "restartPolicy": ("Always",),
    "schedulerName": ("default-scheduler",),
    "securityContext": ({},),
    "resources": ({},),
    "terminationGracePeriodSeconds": (30,),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "protocol": ("TCP",),
    "failureThreshold": (3,),
    "periodSeconds": (10,),
    "successThreshold": (1,),
    "timeoutSeconds": (1,),
    "scheme": ("HTTP",),
    "defaultMode": (420,),
    "internalTrafficPolicy": ("Cluster",),
    "sessionAffinity": ("None",),
}
SERVICE_WRITTEN: Final = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")


def cleaned(body: Json) -> Json:
    """The object as a manifest."""
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key in KEPT_METADATA}
    notes = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k not in WRITTEN_ANNOTATIONS}
    rest = {
        key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata", "status", "spec")
    }
    made = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {**metadata, **({"annotations": notes} if notes else {})},
        **rest,
    }
    spec = body.get("spec")
    if spec is not None:
        made["spec"] = _service(spec) if body["kind"] == "Service" else _plain(spec)
    return made


def _service(spec: Json) -> Json:
    headless = spec.get("clusterIP") == "None"
    plain = _plain({key: value for key, value in spec.items() if key not in SERVICE_WRITTEN})
    if plain.get("type") == "ClusterIP":
        del plain["type"]
    for port in plain.get("ports", ()):
        if port.get("targetPort") == port.get("port"):
            del port["targetPort"]
        if plain.get("type") is None:
            port.pop("nodePort", None)
    return {**plain, **({"clusterIP": "None"} if headless else {})}


def _plain(value: Json) -> Json:
    match value:
        case dict():
            kept = {key: item for key, item in value.items() if item not in DEFAULTS.get(key, ())}
            made = {key: _plain(item) for key, item in kept.items()}
            if "image" in made and made.get("imagePullPolicy") == _pull_policy(str(made["image"])):
                del made["imagePullPolicy"]
            if "serviceAccountName" in made and made.get("serviceAccount") == made["serviceAccountName"]:
                del made["serviceAccount"]
            return made
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _pull_policy(image: str) -> str:
    name = image.rpartition("/")[2]
    return "Always" if "@" not in name and name.partition(":")[2] in ("", "latest") else "IfNotPresent"


def beside(workload: Json, others: list[Json]) -> Iterator[Json]:
    """What belongs to a workload: the Services that lead to its pods and the ConfigMaps that they use."""
    template = workload["spec"]["template"]
    labels = template.get("metadata", {}).get("labels") or {}
    used = set(_config_maps(template.get("spec", {})))
    for body in others:
        selector = (body.get("spec") or {}).get("selector") or {}
        leads = body["kind"] == "Service" and selector and selector.items() <= labels.items()
        if leads or (body["kind"] == "ConfigMap" and body["metadata"]["name"] in used):
            yield body


def scaled(workload: Json, others: list[Json]) -> bool:
    """Whether a HorizontalPodAutoscaler says how many replicas there are."""
    targets = [body["spec"]["scaleTargetRef"] for body in others if body["kind"] == "HorizontalPodAutoscaler"]
    return any((one["kind"], one["name"]) == (workload["kind"], workload["metadata"]["name"]) for one in targets)


def _config_maps(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for key in ("configMapRef", "configMapKeyRef", "configMap"):
            found = value.get(key)
            if isinstance(found, dict) and isinstance(found.get("name"), str):
                yield found["name"]
        for item in value.values():
            yield from _config_maps(item)
    elif isinstance(value, list):
        for item in value:
            yield from _config_maps(item)


def literal(value: Json) -> Json:
    """The same where `${` is not filled in: variables are no part of what runs."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {key: literal(item) for key, item in value.items()}
        case list():
            return [literal(item) for item in value]
        case _:
            return value
