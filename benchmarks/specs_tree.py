"""A repository of many specs, one to a file: environments, clusters, credentials, hosts, services and releases.

Knows how to make it, and how one person's change looks. The rule: what is made depends on the number of specs alone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision

AT = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = Person("bench", "bench@example.invalid", AT)
SOURCES = 10  # folders of manifests that the releases share
HEAD = "apiVersion: opspilot.spec/v1\nkind: {kind}\nmetadata:\n  name: {name}\n"
LABELS = "  labels: {{owner: team-{team}, purpose: benchmark}}\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJ8eOO5kS3mQy4aqF9yfX6mj1Us2sa5ad3nVKYHxbJH"

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{number}, labels: {{app: app-{number}}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: app-{number}}}}}
  template:
    metadata: {{labels: {{app: app-{number}}}}}
    spec:
      containers:
        - name: app-{number}
          image: "registry.example.invalid/app-{number}:${{image_tag}}"
          env: [{{name: LEVEL, value: "${{log_level}}"}}]
"""
ENVIRONMENT = """\
spec:
  project: big
  team: team-{team}
  tier: dev
  runtimeType: k8s
  mode: external_managed
  region: dc-{team}
  variables: {{log_level: warn}}
  drift: report
"""
CREDENTIAL = """\
spec:
  type: kubeconfig
  project: big
  file: access-{number}
  addresses: ["https://10.{high}.{low}.10:6443"]
"""
CLUSTER = """\
spec:
  environment: env-{number}
  sourceType: external_imported
  credential: access-{number}
  endpoint: "https://10.{high}.{low}.10:6443"
"""
HOST = """\
spec:
  address: {address}
  user: ops
  become: sudo
  credential: login-{login}
  hostKey: {key}
"""
SERVICE = """\
spec:
  project: big
  team: team-{team}
  runtimeType: k8s
"""
RELEASE = """\
spec:
  service: service-{service}
  environment: env-{environment}
  cluster: cluster-{environment}
  namespace: app-{number}
  source: {{type: manifests, path: apps/app-{source}}}
  variables:
    image_tag: {tag}
  health: {{timeout: 5m}}
  rollback: {{automatic: true}}
"""


def spec(kind: str, name: str, body: str, team: int = 0) -> str:
    """One document."""
    return HEAD.format(kind=kind, name=name) + LABELS.format(team=team) + body


def release(number: int, environments: int, services: int, tag: str = "v1.0.0") -> str:
    """One release; the tag is what people change."""
    text = RELEASE.format(
        number=number,
        service=number % services,
        environment=number % environments,
        source=number % SOURCES,
        tag=tag,
    )
    return spec("Release", f"app-{number}", text, number % 20)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of each kind make this number of specs."""

    specs: int

    @property
    def environments(self) -> int:
        return max(1, self.specs // 100)

    @property
    def services(self) -> int:
        return max(1, self.specs // 5)

    @property
    def releases(self) -> int:
        return self.specs // 2

    @property
    def logins(self) -> int:
        """Credentials of hosts; each is bound to the addresses that it may be used for."""
        return max(1, self.specs // 200)

    @property
    def hosts(self) -> int:
        return self.specs - 1 - self.logins - 3 * self.environments - self.services - self.releases

    def files(self) -> Iterator[tuple[str, str]]:
        """Every spec's path and text."""
        teams = ", ".join(f"team-{team}" for team in range(20))
        yield "project.yaml", spec("Project", "big", f"spec:\n  teams: [{teams}]\n")
        for number in range(self.logins):
            reached = ", ".join(f'"{_address(host)}:22"' for host in range(number, self.hosts, self.logins))
            access = f"spec: {{type: ssh_key, project: big, file: login-{number}, addresses: [{reached}]}}\n"
            yield f"credentials/login-{number}.yaml", spec("Credential", f"login-{number}", access)
        for number in range(self.environments):
            place = {"number": number, "team": number % 20, "high": 1 + number // 250, "low": number % 250}
            yield f"environments/env-{number}.yaml", spec("Environment", f"env-{number}", ENVIRONMENT.format(**place))
            yield (
                f"credentials/access-{number}.yaml",
                spec("Credential", f"access-{number}", CREDENTIAL.format(**place)),
            )
            yield f"clusters/cluster-{number}.yaml", spec("Cluster", f"cluster-{number}", CLUSTER.format(**place))
        for number in range(self.services):
            text = SERVICE.format(team=number % 20)
            yield f"services/{number % 50}/service-{number}.yaml", spec("Service", f"service-{number}", text)
        for number in range(self.releases):
            yield release_path(number), release(number, self.environments, self.services)
        for number in range(self.hosts):
            text = HOST.format(address=_address(number), login=number % self.logins, key=KEY)
            yield f"hosts/{number % 50}/host-{number}.yaml", spec("Host", f"host-{number}", text)

    def sources(self) -> Iterator[tuple[str, str]]:
        """The manifests that the releases share."""
        for number in range(SOURCES):
            yield f"apps/app-{number}/deployment.yaml", MANIFESTS.format(number=number)


def _address(number: int) -> str:
    return f"10.{100 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def release_path(number: int) -> str:
    """Where a release's spec lies."""
    return f"releases/{number % 100}/app-{number}.yaml"


@dataclass(slots=True)
class Tree:
    """A bare repository with the specs on its branch, packed as `git gc` leaves it."""

    path: Path
    shape: Shape
    repository: BareRepository
    tip: Revision

    @classmethod
    def make(cls, folder: Path, specs: int) -> "Tree":
        """Make it in a folder that does not exist yet."""
        shape = Shape(specs)
        repository = BareRepository.create(folder / "origin.git", Transport(folder / "git-home"))
        files = {path: text.encode() for path, text in (*shape.files(), *shape.sources())}
        tip = commit_tree(repository, files=files, parents=[], message="start", author=AUTHOR)
        repository.set_ref("refs/heads/main", tip)
        repository.git("gc", "--quiet", timeout=600.0)
        return cls(folder / "origin.git", shape, repository, tip)

    def change(self, number: int, tag: str) -> Revision:
        """One release gets another tag, on the branch."""
        text = release(number, self.shape.environments, self.shape.services, tag)
        return self.commit({release_path(number): text})

    def commit(self, files: Mapping[str, str]) -> Revision:
        """These files, on the branch."""
        content = {path: text.encode() for path, text in files.items()}
        digest = hashlib.sha256(repr(sorted(files)).encode()).hexdigest()[:8]
        made = commit_tree(
            self.repository, files=content, parents=[self.tip], message=f"change {digest}", author=AUTHOR
        )
        self.repository.set_ref("refs/heads/main", made)
        self.tip = made
        return made

    def write_out(self, folder: Path) -> None:
        """The spec files in a folder, as a work tree has them."""
        for path, text in self.shape.files():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
