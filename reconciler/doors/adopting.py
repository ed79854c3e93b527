"""`init --adopt`: what runs already, written as specs that change nothing, and the account that the reconciler needs.

Looks with the person's own access (doors/kubectl.py) and changes nothing on the cluster: the person applies the account
and puts its token where reconciler.toml says. The rule it keeps: before anything is proposed, the server was asked what
applying the manifest would change, and it said nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from reconciler.app.credentials import normal_address
from reconciler.doors.kubectl import Kubectl
from reconciler.errors import Refused
from reconciler.kube.adopt import ACTIVE
from reconciler.kube.cleaning import WORKLOADS, beside, cleaned, literal, scaled
from reconciler.kube.connection import checked_endpoint
from reconciler.kube.marks import Marks
from reconciler.kube.target import PARENT_NAMESPACE
from reconciler.plan.adoption import HAND_OVER
from reconciler.plan.diff import diff

ACCOUNT: Final = "reconciler"
KINDS: Final = "services,configmaps,horizontalpodautoscalers"
NAMED: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z]+)/([a-z0-9][a-z0-9.-]{0,252})")
PLURALS: Final = {
    "Deployment": ("apps", "deployments"),
    "StatefulSet": ("apps", "statefulsets"),
    "DaemonSet": ("apps", "daemonsets"),
    "Service": ("", "services"),
    "ConfigMap": ("", "configmaps"),
}
PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*")
WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
OBJECT_VERBS: Final = ["get", "list", "create", "patch", "delete"]
PARENT_VERBS: Final = ["get", "list", "create", "update"]
EXPLAINING: Final = (  # why a rollout waits: nothing else is done with these
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found, as files of the repository and of our folder. `left`: what stays as it is, in words."""

    name: str
    namespace: str
    cluster: str
    address: str
    files: Mapping[str, str]
    access: str
    objects: tuple[str, ...]
    left: tuple[str, ...]


def adopted(context: str, named: str, environment: str) -> Adopted:
    """Look at NAMESPACE/KIND/NAME. Raises Refused where it cannot be adopted as it is."""
    read = NAMED.fullmatch(named)
    if read is None or read[2] not in WORKLOADS:
        raise Refused(
            f"adopting {named[:120]}: it is not NAMESPACE/KIND/NAME",
            key="validation_error",
            hint=f"KIND is one of {', '.join(WORKLOADS)}, such as shop/deployment/web",
        )
    namespace, kind, name = read.groups()
    kubectl = Kubectl(context)
    endpoint, authority = _cluster(kubectl)
    workload = kubectl.get(namespace, kind, name)
    others = kubectl.get(namespace, KINDS)["items"]
    bodies = [workload, *beside(workload, others)]
    for body in bodies:
        _check_free(body)
    manifests = [cleaned(body) for body in bodies]
    if scaled(workload, others):
        manifests[0]["spec"].pop("replicas", None)
    text = _documents(manifests)
    _check_unchanged(bodies, kubectl.would_be(namespace, text))
    cluster = _slug(context or "cluster")
    return Adopted(
        name=name,
        namespace=namespace,
        cluster=cluster,
        address=endpoint,
        files={
            f"releases/{name}.yaml": _documents(_specs(name, namespace, cluster, endpoint, authority, environment)),
            f"apps/{name}/{kind}.yaml": _documents([literal(body) for body in manifests]),
        },
        access=_documents(_access(namespace, sorted({body["kind"] for body in bodies}))),
        objects=tuple(f"{body['kind']} {namespace}/{body['metadata']['name']}" for body in bodies),
        left=tuple(_left(workload)),
    )


def _cluster(kubectl: Kubectl) -> tuple[str, str]:
    server, encoded = kubectl.cluster()
    try:
        authority = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        authority = ""
    if not authority:
        raise Refused(
            "reading the context: it names no certificate authority",
            key="certificate_invalid",
            hint="set certificate-authority in the kubeconfig; the reconciler verifies against that alone",
        )
    return checked_endpoint(server), authority


def _check_free(body: Any) -> None:
    """No controller works on it, and no release of a reconciler."""
    metadata = body["metadata"]
    owner = Marks("", "").owner(body)
    if not owner:
        managers = (entry.get("manager", "") for entry in metadata.get("managedFields") or ())
        owner = next((f"{ACTIVE[one]} (field manager {one})" for one in managers if one in ACTIVE), "")
    if owner:
        what = f"{body['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        raise Refused(
            f"adopting {what}: it is managed by {owner}",
            key="owned_by_another",
            hint=HAND_OVER.get(owner.partition(" ")[0], "have it let go first"),
        )


def _check_unchanged(bodies: list[Any], answered: Any) -> None:
    """The server's word that applying what was written changes nothing."""
    found = answered["items"] if answered.get("kind") == "List" else [answered]
    for before, after in zip(bodies, found, strict=True):
        changed = diff(_content(before), _content(after))
        if changed:
            paths = ", ".join(one.path for one in changed[:5])
            raise Refused(
                f"adopting {before['kind']} {before['metadata']['name']}: written down it would change {paths}",
                key="target_changed",
                hint="it may have changed just now: try again; else write its manifest by hand (docs/adopting.md)",
            )


def _content(body: Any) -> Any:
    kept = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    metadata = body["metadata"]
    return {**kept, "metadata": {key: metadata.get(key) or {} for key in ("labels", "annotations")}}


def _left(workload: Any) -> list[str]:
    text = str(workload["spec"]["template"])
    secrets = "secretRef" in text or "secretKeyRef" in text or "'secret':" in text
    return ["Secrets that it uses stay as they are and are not written down"] if secrets else []


def _specs(
    name: str, namespace: str, cluster: str, endpoint: str, authority: str, environment: str
) -> list[dict[str, Any]]:
    def spec(kind: str, called: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "opspilot.spec/v1", "kind": kind, "metadata": {"name": called}, "spec": body}

    return [
        spec(
            "Credential",
            cluster,
            {"type": "token", "project": "default", "file": cluster, "addresses": [endpoint]},
        ),
        spec(
            "Cluster",
            cluster,
            {
                "environment": environment,
                "sourceType": "external_imported",
                "authType": "cert_token",
                "endpoint": endpoint,
                "credential": cluster,
                "certificateAuthority": authority,
            },
        ),
        spec(
            "Release",
            name,
            {
                "environment": environment,
                "cluster": cluster,
                "namespace": namespace,
                "source": {"type": "manifests", "path": f"apps/{name}"},
                "onRemoval": "forget",
            },
        ),
    ]


def _access(namespace: str, kinds: list[str]) -> list[dict[str, Any]]:
    """A service account with exactly the rights that are needed, and no more."""
    rbac = "rbac.authorization.k8s.io"
    named = f"{ACCOUNT}-{namespace}"
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}

    def role(kind: str, where: dict[str, str], rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        metadata = {"name": named, **where}
        bound = {"apiGroup": rbac, "kind": kind, "name": named}
        version = {"apiVersion": f"{rbac}/v1"}
        return [
            {**version, "kind": kind, "metadata": metadata, "rules": rules},
            {**version, "kind": f"{kind}Binding", "metadata": metadata, "roleRef": bound, "subjects": [subject]},
        ]

    groups: dict[str, list[str]] = {}
    for kind in kinds:
        group, plural = PLURALS[kind]
        groups.setdefault(group, []).append(plural)
    rules = [{"apiGroups": [group], "resources": found, "verbs": OBJECT_VERBS} for group, found in groups.items()]
    rules += EXPLAINING
    parents = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": PARENT_VERBS}]
    identity = [{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}]
    here = role("Role", {"namespace": namespace}, rules + (parents if namespace == PARENT_NAMESPACE else []))
    there = [] if namespace == PARENT_NAMESPACE else role("Role", {"namespace": PARENT_NAMESPACE}, parents)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}}
    return [account, *here, *there, *role("ClusterRole", {}, identity)]


def _documents(bodies: list[Any]) -> str:
    return "---\n".join(yaml.dump(body, Dumper=_Plain, sort_keys=False, allow_unicode=True) for body in bodies)


class _Plain(yaml.SafeDumper):
    """No anchors, which a spec may not have; long texts as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  yaml's own name
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Quoted wherever any reader of YAML could take it for something else than text."""
    style = None if PLAIN.fullmatch(text) and text.lower() not in WORDS else "|" if "\n" in text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def _slug(context: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", context.lower()).strip("-")[:40].strip("-") or "cluster"


def toml_lines(found: Adopted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What reconciler.toml says of it: above the first table, and tables."""
    address = normal_address(found.address)
    return (
        ("# API servers that previews may look at.", f'accepted_addresses = ["{address}"]'),
        (
            f"[files.{found.cluster}]",
            f'path = "secrets/{found.cluster}"',
            'project = "default"',
            f'addresses = ["{found.address}"]',
        ),
    )
