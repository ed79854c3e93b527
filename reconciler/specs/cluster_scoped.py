"""Kinds of Kubernetes objects that stand in no namespace, by group and kind.

Well-known ones only (https://kubernetes.io/docs/reference/kubernetes-api/); a CustomResourceDefinition beside an object
says it of its own kind.
"""

from collections.abc import Iterable
from typing import Any

_BY_GROUP = {
    "": "Namespace Node PersistentVolume ComponentStatus",
    "admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"
    " MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"
    " ValidatingWebhookConfiguration",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io": "IngressClass IPAddress ServiceCIDR",
    "node.k8s.io": "RuntimeClass",
    "policy": "PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "resource.k8s.io": "DeviceClass ResourceSlice",
    "scheduling.k8s.io": "PriorityClass",
    "snapshot.storage.k8s.io": "VolumeSnapshotClass VolumeSnapshotContent",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
    "cert-manager.io": "ClusterIssuer",
    "gateway.networking.k8s.io": "GatewayClass",
}
CLUSTER_SCOPED = frozenset((group, kind) for group, kinds in _BY_GROUP.items() for kind in kinds.split())


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`; empty for the core group."""
    return api_version.rpartition("/")[0]


def declared_cluster_scoped(objects: Iterable[dict[str, Any]]) -> frozenset[tuple[str, str]]:
    """Group and kind of every cluster-scoped CustomResourceDefinition among objects."""
    found = set()
    for item in objects:
        match item:
            case {
                "kind": "CustomResourceDefinition",
                "spec": {"scope": "Cluster", "group": str(group), "names": {"kind": str(kind)}},
            }:
                found.add((group, kind))
    return frozenset(found)
