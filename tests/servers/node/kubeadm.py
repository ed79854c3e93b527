"""What kubeadm, the API server and the pod network are told, as values; each cluster's addresses are arguments.

https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tests.servers.apiserver import FIXTURE_USER, Tokens
from tests.servers.kube.build import kubernetes_version

PKI_FOLDER = "/etc/kubernetes/pki"  # kubeadm shows it to the API server's pod
AUDIT_FOLDER = "/var/log/kubernetes"
AUDIT_FILE = "audit.log"
INIT_FILE = "/etc/kubernetes/init.yaml"
JOIN_FILE = "/etc/kubernetes/join.yaml"
POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/16"
BOOTSTRAP_TOKEN = "abcdef.0123456789abcdef"  # of a cluster that only this machine reaches
ALONE = {"leader-elect": "false"}  # there is no other to wait for
IMPATIENT = {**ALONE, "kube-api-qps": "1000", "kube-api-burst": "1000"}  # else its start is spread over 4 s
KUBEADM = "kubeadm.k8s.io/v1beta4"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # so that one request is one record
    "rules": [
        {"level": "None", "users": [FIXTURE_USER, "kubernetes-admin"]},
        {"level": "None", "users": [f"system:{name}" for name in ("apiserver", "kube-scheduler", "kube-proxy")]},
        {"level": "None", "users": ["system:kube-controller-manager", "system:anonymous"]},
        {"level": "None", "userGroups": ["system:nodes", "system:bootstrappers", "system:serviceaccounts:kube-system"]},
        {"level": "Metadata"},
    ],
}


def policy_files(tokens: Tokens) -> dict[str, str]:
    return {"tokens.csv": tokens.file(), "audit-policy.yaml": yaml.safe_dump(AUDIT_POLICY)}


def init_settings(address: str, engine: str) -> str:
    settings = {
        "token-auth-file": f"{PKI_FOLDER}/tokens.csv",
        "audit-policy-file": f"{PKI_FOLDER}/audit-policy.yaml",
        "audit-log-path": f"{AUDIT_FOLDER}/{AUDIT_FILE}",
    }
    log = {"name": "audit", "hostPath": AUDIT_FOLDER, "mountPath": AUDIT_FOLDER, "pathType": "DirectoryOrCreate"}
    documents = [
        {
            "apiVersion": KUBEADM,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address},
            "bootstrapTokens": [{"token": BOOTSTRAP_TOKEN}],
            "nodeRegistration": {"criSocket": engine, "taints": []},
        },
        {
            "apiVersion": KUBEADM,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": f"v{kubernetes_version()}",
            "encryptionAlgorithm": "ECDSA-P256",  # made in a moment; RSA keys take seconds
            "networking": {"podSubnet": POD_SUBNET, "serviceSubnet": SERVICE_SUBNET},
            "apiServer": {"extraArgs": _arguments(settings), "extraVolumes": [log]},
            "controllerManager": {"extraArgs": _arguments(IMPATIENT)},
            "scheduler": {"extraArgs": _arguments(ALONE)},
            "etcd": {"local": {"extraArgs": _arguments({"unsafe-no-fsync": "true"})}},
        },
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "failCgroupV1": False,
            "featureGates": {"KubeletInUserNamespace": True},  # what it may not write of the machine, it does without
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "1Mi"},  # the machine's disk may be full without the test's fault
        },
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "conntrack": {"maxPerCore": 0, "min": 0},
        },
    ]
    return yaml.safe_dump_all(documents)


def join_settings(api: str, engine: str) -> str:
    token = {"token": BOOTSTRAP_TOKEN, "apiServerEndpoint": api, "unsafeSkipCAVerification": True}
    return yaml.safe_dump(
        {
            "apiVersion": KUBEADM,
            "kind": "JoinConfiguration",
            "discovery": {"bootstrapToken": token},
            "nodeRegistration": {"criSocket": engine},
        }
    )


def pod_subnet(index: int) -> str:
    return f"10.244.{index}.0/24"


def pod_network(index: int) -> str:
    """A bridge in each host; between hosts it takes one route for each."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": pod_subnet(index)}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "test", "plugins": [{**bridge, "ipam": addresses}, ports]})


def account(
    namespace: str, name: str, rules: Sequence[Mapping[str, Any]], everywhere: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A ServiceAccount with a Role of these rules, and a ClusterRole of the others where there are any."""
    rights = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    placed = {"name": name, "namespace": namespace}
    made: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": placed}]
    for role, metadata, granted in (("Role", placed, rules), ("ClusterRole", {"name": name}, everywhere)):
        if granted:
            reference = {"apiGroup": rights, "kind": role, "name": name}
            head = {"apiVersion": f"{rights}/v1", "metadata": metadata}
            made.append({**head, "kind": role, "rules": list(granted)})
            made.append({**head, "kind": f"{role}Binding", "roleRef": reference, "subjects": [subject]})
    return made


def _arguments(settings: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings.items()]
