"""A whole small world in one folder: a bare repository, people with keys, clusters and hosts of the sandbox, a signed
bundle, and a reconciler. The demo plays in it and the tests of the whole story run in it.

The repository starts as `example-desired-state/`, with the made-up addresses and keys replaced by those of the sandbox.
Nothing outside loopback and the folder is touched; `close` ends every server and process.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from reconciler.app.clock import SystemClock
from reconciler.app.keys import make_keys
from reconciler.app.settings import FILE_NAME, AuditPlace, Settings, load_settings
from reconciler.app.trust import trust
from reconciler.app.wiring import Assembly, assemble
from reconciler.bundle.keys import generate_key
from reconciler.bundle.sign import sign
from reconciler.doors.people import Desk, open_desk
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.hosts import SandboxHost

PEOPLE = ("dev_user", "approver_user", "admin", "root")
HOSTS = {"cp-1": "10.0.0.11", "wk-1": "10.0.0.12", "wk-2": "10.0.0.13", "compose-1": "10.0.1.21"}
BRANCH = "main"
STAGING_TOKEN = "K8S_STAGING_TOKEN"
BUNDLE = "sandbox-bundle"


class Cluster(Protocol):
    """What the world asks of a cluster: the sandbox's, or a real one behind the same words."""

    @property
    def endpoint(self) -> str: ...
    @property
    def ca_pem(self) -> str: ...
    @property
    def token(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kubeconfig(self) -> str: ...
    def place(self, path: str, body: dict[str, Any]) -> None: ...
    def look(self, path: str) -> dict[str, Any] | None: ...


class MadeHost(Protocol):
    """What the world asks of a host."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def host_key(self) -> str: ...
    def stop(self) -> None: ...


Clusters = Callable[[str], Cluster]
Hosts = Callable[[str, Path, str], MadeHost]  # name, folder of its own, public key line that may log in


def _sandbox_cluster(_name: str) -> Cluster:
    return SandboxCluster()


def _sandbox_host(_name: str, folder: Path, public_key: str) -> MadeHost:
    host = SandboxHost(folder)
    host.authorize(public_key)
    return host.start()


@dataclass(slots=True)
class World:
    """The world. `start` builds it; `reconciler()` opens a new process's view, as after a restart."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    hosts_wanted: Iterable[str] = tuple(HOSTS)
    clusters_wanted: Iterable[str] = ("prod", "staging")
    make_cluster: Clusters = _sandbox_cluster
    make_host: Hosts = _sandbox_host
    address: str = ""  # by which everybody reaches the repository; its folder otherwise
    forge: str = "embedded"
    token_variable: str = ""  # of the environment: what the reconciler reaches repository and forge with
    audit_apart: bool = False  # the audit branch has a repository of its own
    login_key: str = ""  # OpenSSH private key of hosts that were made elsewhere; a new one otherwise
    clusters: dict[str, Cluster] = field(default_factory=dict)
    hosts: dict[str, MadeHost] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    desks: dict[str, Desk] = field(default_factory=dict)
    assembly: Assembly | None = None

    @property
    def origin(self) -> Path:
        """The bare repository."""
        return self.folder / "origin.git"

    @property
    def audit_origin(self) -> Path:
        """The bare repository that the audit branch is in."""
        return self.folder / "audit.git" if self.audit_apart else self.origin

    @property
    def home(self) -> Path:
        """The reconciler's own folder: reconciler.toml, keys, caches."""
        return self.folder / "reconciler"

    def start(self) -> "World":
        """Build everything, trust the first commit, and open the reconciler."""
        for name in PEOPLE:
            self.keys[name] = SigningKey.generate()
        (self.folder / "keys").mkdir(mode=0o700, parents=True)
        for name, key in self.keys.items():
            key.save(self.folder / "keys" / name)
        for name in self.clusters_wanted:
            self.clusters[name] = self.make_cluster(name)
            self.clusters[name].start()
            self.namespace(name, "svc-a")
        login = SigningKey.generate()
        path = self.folder / "keys" / "hosts-ssh"
        if self.login_key:
            path.touch(mode=0o600)
            path.write_text(self.login_key, encoding="utf-8")
        else:
            login.save(path)
        for name in self.hosts_wanted:
            self.hosts[name] = self.make_host(name, self.folder / "hosts" / name, login.public.line)
        self._bundle()
        self.create_origin()
        first = self.commit("start from the example", self.example(), author="admin")
        self._settings()
        settings = load_settings(self.home / FILE_NAME)
        make_keys(settings)
        self.open()
        opened = self.opened
        opened.journal.sync()
        opened.mirror.sync()
        trust(
            opened.mirror,
            opened.journal,
            opened.planner,
            first,
            tracked=BRANCH,
            repository=opened.repository_id,
        )
        return self

    def create_origin(self) -> None:
        """An empty repository, where everybody will find it."""
        BareRepository.create(self.origin, Transport(self.folder / "git-home"))
        if self.audit_apart:
            BareRepository.create(self.audit_origin, Transport(self.folder / "git-home"))

    @property
    def opened(self) -> Assembly:
        """The reconciler's assembly. Raises AssertionError before `open`."""
        assert self.assembly is not None, "the world was not started"  # noqa: S101
        return self.assembly

    def open(self) -> Assembly:
        """A new process's view of the same world: as after a restart."""
        if self.assembly is not None:
            self.assembly.close()
        self.assembly = assemble(load_settings(self.home / FILE_NAME), self.clock)
        return self.assembly

    def close(self) -> None:
        """End every server and process. The folder stays."""
        if self.assembly is not None:
            self.assembly.close()
        for host in self.hosts.values():
            host.stop()
        for cluster in self.clusters.values():
            cluster.stop()
        os.environ.pop(STAGING_TOKEN, None)

    def sandbox(self, name: str) -> SandboxCluster:
        """A cluster that is the sandbox's: it counts effects and lets somebody else edit."""
        found = self.clusters[name]
        assert isinstance(found, SandboxCluster), f"cluster {name} is a real one"  # noqa: S101
        return found

    def desk(self, login: str) -> Desk:
        """A person's machine."""
        if login not in self.desks:
            self.desks[login] = self.open_desk(login)
        return self.desks[login]

    def open_desk(self, login: str) -> Desk:
        """A new machine of a person."""
        state = self.folder / "people" / login
        settings = Settings(
            repository=self.address or str(self.origin),
            branch=BRANCH,
            forge=self.forge,
            token_variable=self.token_variable,
            audit=AuditPlace(str(self.audit_origin)) if self.audit_apart else AuditPlace(),
            state=state,
        )
        return open_desk(settings, login, self.keys[login], self.clock)

    def commit(
        self,
        message: str,
        files: Mapping[str, str | None],
        *,
        author: str,
        branch: str = BRANCH,
        start: str = BRANCH,
        signed: bool = True,
    ) -> Revision:
        """Commit files onto a branch of the repository, as a push would; a new branch begins at `start`."""
        repository = BareRepository(self.origin, Transport(self.folder / "git-home"))
        parent = repository.ref(f"refs/heads/{branch}") or repository.ref(f"refs/heads/{start}")
        person = Person(author, f"{author}@example.invalid", self.clock.now())
        made = commit_tree(
            repository,
            files={path: text.encode() if text is not None else None for path, text in files.items()},
            parents=[parent] if parent is not None else [],
            message=message,
            author=person,
            signer=self.keys[author] if signed else None,
        )
        repository.set_ref(f"refs/heads/{branch}", made)
        return made

    def rewind(self, revision: Revision, branch: str = BRANCH) -> None:
        """Force a branch back, as a force push would."""
        repository = BareRepository(self.origin, Transport(self.folder / "git-home"))
        repository.set_ref(f"refs/heads/{branch}", revision)

    def namespace(self, cluster: str, name: str) -> None:
        """A namespace that exists before any release."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.clusters[cluster].place("api/v1/namespaces", body)

    def example(self) -> dict[str, str]:
        """The files of the example, with the sandbox's addresses and keys."""
        root = example_folder()
        files = {
            str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for path in sorted(root.rglob("*"))
            if path.is_file() and BUNDLE not in path.parts
        }
        if "staging" not in self.clusters:
            files = {path: text for path, text in files.items() if "staging" not in path}
        if not self.hosts:
            files = {path: _without_hosts(text) for path, text in files.items() if not _about_hosts(path)}
        return {path: self._replaced(text) for path, text in files.items()}

    def _replaced(self, text: str) -> str:
        text = self._hosts_replaced(text)
        for address, name in (("10.0.2.10:6443", "prod"), ("10.0.3.10:6443", "staging")):
            if name in self.clusters:
                text = text.replace(address, self.clusters[name].endpoint.removeprefix("https://"))
        text = self._people_replaced(text)
        if "staging" not in self.clusters:
            return _without_staging(text)
        authority = self.clusters["staging"].ca_pem.strip().replace("\n", "\n    ")
        return text.replace(
            "  credential: k8s-staging\n", f"  credential: k8s-staging\n  certificateAuthority: |\n    {authority}\n"
        )

    def _people_replaced(self, text: str) -> str:
        for name in PEOPLE[:3]:
            pattern = rf"(metadata: {{name: {name}}}.*?sshKeys: \[)[^\]]*(\])"
            text = re.sub(pattern, rf"\g<1>{self.keys[name].public.line}\g<2>", text, flags=re.DOTALL)
        return text

    def _hosts_replaced(self, text: str) -> str:
        for name, address in HOSTS.items():
            if name not in self.hosts:
                continue
            host = self.hosts[name]
            text = text.replace(f'"{address}:22"', f'"{host.address}:{host.port}"')
            text = text.replace(f"  address: {address}\n", f"  address: {host.address}\n  port: {host.port}\n")
            pattern = rf"(metadata: {{name: {name}}}.*?hostKey: )ssh-ed25519 \S+"
            text = re.sub(pattern, rf"\g<1>{host.host_key}", text, count=1, flags=re.DOTALL)
        return text

    def _bundle(self) -> None:
        target = self.folder / "bundles" / BUNDLE
        shutil.copytree(example_folder() / BUNDLE, target)
        private, public = generate_key()
        sign(target, private)
        (self.folder / "keys" / "bundle.pub").write_text(str(public), encoding="utf-8")

    def _settings(self) -> None:
        self.home.mkdir(mode=0o700)
        kubeconfig = self.home / "k8s-prod-external.kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(self.clusters["prod"].kubeconfig(), encoding="utf-8")
        if "staging" in self.clusters:
            os.environ[STAGING_TOKEN] = self.clusters["staging"].token
        bundle_key = (self.folder / "keys" / "bundle.pub").read_text(encoding="utf-8").strip()
        reached = [f"{host.address}:{host.port}" for host in self.hosts.values()]
        reached += [cluster.endpoint.removeprefix("https://") for cluster in self.clusters.values()]
        lines = [
            f'repository = "{self.address or self.origin}"',
            f'branch = "{BRANCH}"',
            f'forge = "{self.forge}"',
            f'token_variable = "{self.token_variable}"',
            f'root_signers = ["{self.keys["root"].public.line}"]',
            f'bundle_keys = ["{bundle_key}"]',
            f'bundle_folders = ["{self.folder / "bundles"}"]',
            f"accepted_addresses = {reached}".replace("'", '"'),
            *(("[audit]", f'repository = "{self.audit_origin}"') if self.audit_apart else ()),
            "[files.hosts-ssh]",
            f'path = "{self.folder / "keys" / "hosts-ssh"}"',
            'project = "proj-alpha"',
            "[files.k8s-prod-external]",
            f'path = "{kubeconfig}"',
            'project = "proj-alpha"',
            f"[variables.{STAGING_TOKEN}]",
            'project = "proj-alpha"',
        ]
        (self.home / FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _without_staging(text: str) -> str:
    """Documents about staging leave files that hold others too."""
    documents = text.split("---\n")
    return "---\n".join(one for one in documents if "name: k8s-staging}" not in one)


def _about_hosts(path: str) -> bool:
    return path.startswith(("hosts/", "releases/svc-b/", "environments/env-compose-prod"))


def _without_hosts(text: str) -> str:
    """The example for a world that has no hosts: its environments exist already and nothing is installed."""
    text = re.sub(r"  nodes:\n(    - .*\n)+  bundle: .*\n(  install: .*\n)?", "", text)
    text = text.replace("  mode: platform_managed\n", "  mode: external_managed\n")
    platform = r"apiVersion: opspilot.spec/v1\nkind: Cluster\nmetadata: {name: k8s-prod-platform}\n(.*\n)*?---\n"
    return re.sub(platform, "", text)


def example_folder() -> Path:
    """Where the example lies: beside the package in a checkout, inside it when installed."""
    installed = Path(str(resources.files("reconciler"))) / "example"
    checkout = Path(str(resources.files("reconciler"))).parent / "example-desired-state"
    return installed if installed.is_dir() else checkout
