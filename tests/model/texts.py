"""The desired state of the model's world: two environments, three releases, four people; everything cheap to plan."""

from collections.abc import Mapping
from datetime import timedelta

CLUSTERS = ("prod", "staging")
NAMESPACE = "shop"
RELEASES: Mapping[str, str] = {"web": "prod", "jobs": "prod", "web-staging": "staging"}  # release -> environment
TIERS = {"prod": "production", "staging": "staging"}
GOOD = ("v1", "v2", "v3")
BROKEN = "v4-broken"  # rolls out never
TAGS = (*GOOD, BROKEN)
PEOPLE = ("dev", "lead", "ann", "ben", "outsider")  # author; author who may approve too; approvers; nobody
APPROVERS = ("ann", "ben", "lead")
SEATS = (APPROVERS, ("ann", "lead"), ("ben",))  # who may approve, as the policy may say
APPROVAL_ENDS = {"prod": timedelta(hours=24), "staging": timedelta(days=7)}  # G12: high; whatever staging is, not later


def endpoint(cluster: str) -> str:
    """Where nothing listens: the model's wire goes elsewhere."""
    return f"https://{cluster}.example.invalid:6443"


def address(cluster: str) -> str:
    return endpoint(cluster).removeprefix("https://")


def release_path(release: str) -> str:
    return f"releases/{release}.yaml"


def deployment_path(release: str) -> str:
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{release}"


def release(name: str, tag: str) -> str:
    """A release's spec."""
    environment = RELEASES[name]
    return f"""\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {{name: {name}}}
spec:
  environment: {environment}
  cluster: {environment}
  namespace: {NAMESPACE}
  source: {{type: manifests, path: sources/{name}}}
  variables: {{tag: {tag}}}
  health: {{timeout: 5s}}
  rollback: {{automatic: true}}
"""


def bindings(approvers: tuple[str, ...]) -> str:
    """Who may approve. The lead and the developer may apply; admin everything."""
    subjects = ", ".join(f"{{user: {name}}}" for name in approvers)
    return f"""\
apiVersion: opspilot.spec/v1
kind: RoleBinding
metadata: {{name: operators}}
spec: {{role: operator, subjects: [{{user: dev}}, {{user: lead}}], scope: {{project: shop}}}}
---
apiVersion: opspilot.spec/v1
kind: RoleBinding
metadata: {{name: approvers}}
spec: {{role: approver, subjects: [{subjects}], scope: {{project: shop}}}}
"""


def first(keys: Mapping[str, str]) -> dict[str, str]:
    """Every file of the first commit; `keys` are public key lines by person."""
    files = {release_path(name): release(name, "v1") for name in RELEASES}
    for name in RELEASES:
        files[f"sources/{name}/deployment.yaml"] = _deployment(name)
    for name in CLUSTERS:
        files[f"environments/{name}.yaml"] = _environment(name)
    files["policy/users.yaml"] = "---\n".join(_user(name, keys[name]) for name in PEOPLE)
    files["policy/bindings.yaml"] = bindings(APPROVERS)
    files["policy/project.yaml"] = (
        "apiVersion: opspilot.spec/v1\nkind: Project\nmetadata: {name: shop}\nspec: {teams: [team]}\n"
    )
    return files


def _user(name: str, key: str) -> str:
    return f"""\
apiVersion: opspilot.spec/v1
kind: User
metadata: {{name: {name}}}
spec:
  logins: {{github: {name}}}
  emails: [{name}@example.invalid]
  sshKeys: [{key}]
"""


def _environment(name: str) -> str:
    return f"""\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {{name: {name}}}
spec: {{project: shop, team: team, tier: {TIERS[name]}, runtimeType: k8s, mode: external_managed}}
---
apiVersion: opspilot.spec/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  environment: {name}
  sourceType: external_imported
  authType: kubeconfig
  endpoint: {endpoint(name)}
  credential: {name}
---
apiVersion: opspilot.spec/v1
kind: Credential
metadata: {{name: {name}}}
spec:
  type: kubeconfig
  project: shop
  file: {name}
  addresses: ["{endpoint(name)}"]
"""


def _deployment(name: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: main
          image: registry.example.invalid/{name}:${{tag}}
"""
