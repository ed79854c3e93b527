"""A real Kubernetes cluster with nodes: kubeadm on test hosts, with containerd, a pod network, kube-proxy and CoreDNS.

`host1` is the control plane and runs workloads too; further hosts join as workers. What an API server alone cannot
show is true here: pods run, images are missing, containers crash, probes fail, Services answer. No image comes from a
registry: a node has what its layer brought (`node/`), and asks nobody outside for another.

The API server has an audit log and the same users as `apiserver.ApiServer`, so both serve the same tests.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.apiserver import Tokens, audit_records, found, kubeconfig_of
from tests.servers.hosts import Disk, Host, HostLab, Init
from tests.servers.kube.build import built_programs
from tests.servers.node import kubeadm
from tests.servers.node.images import WEB, WEB_TAGS
from tests.servers.node.layer import IMAGES, node_layer
from tests.servers.processes import StartFailed, wait_until

API_PORT = 6443
START_SECONDS = 600.0  # 12 s on 2 idle cores
KUBECTL_SECONDS = 300.0
ENGINE_SOCKET = "/run/containerd/containerd.sock"
PLAIN_FOLDERS = ("/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd", kubeadm.AUDIT_FOLDER)

Rule = Mapping[str, Sequence[str]]  # a rule of a Role: apiGroups, resources, verbs


class NodeCluster:
    """Use as a context manager; everything it writes is in `folder`, and removed at the end."""

    images = tuple(f"{WEB}:{tag}" for tag in WEB_TAGS)

    def __init__(self, folder: Path, workers: int = 0) -> None:
        self.folder = folder
        self.ca_pem = ""
        self._tokens = Tokens()
        self._lab_wanted = (folder / "hosts", workers + 1)

    def __enter__(self) -> Self:
        disk = Disk(layers=(node_layer(),), plain=PLAIN_FOLDERS)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        folder, count = self._lab_wanted
        self._lab = HostLab(folder, count, Init.SYSTEMD, disk)
        self._lab.__enter__()
        try:
            self._start()
        except BaseException:
            self._lab.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self._lab.hosts

    @property
    def number(self) -> int:
        return self._lab.number

    @property
    def endpoint(self) -> str:
        return f"https://{self.hosts[0].address}:{API_PORT}"

    @property
    def admin_token(self) -> str:
        return self._tokens.admin

    @property
    def limited_token(self) -> str:
        return self._tokens.limited

    def kubeconfig(self, token: str) -> str:
        """YAML that stands alone: it names no file."""
        return kubeconfig_of(self.endpoint, self.ca_pem, token)

    def audit_lines(self, user: str | None = None) -> list[dict[str, Any]]:
        """As `ApiServer.audit_lines`; what the cluster's own parts ask is not in it."""
        return audit_records(self.hosts[0].plain(kubeadm.AUDIT_FOLDER) / kubeadm.AUDIT_FILE, user)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl says, as `admin`. Raises StartFailed with its words where it does not end well."""
        argv = [str(built_programs() / "kubectl"), f"--kubeconfig={self.folder / 'admin.kubeconfig'}", *arguments]
        finished = subprocess.run(
            argv,
            input=stdin,
            env={"HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        if finished.returncode != 0:
            raise StartFailed(f"kubectl {' '.join(arguments)}: {finished.stderr.strip()}")
        return finished.stdout

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        """Somebody with all rights applies these objects."""
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get`, parsed."""
        read: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return read

    def limited_account(self, namespace: str, name: str, rules: Sequence[Rule], everywhere: Sequence[Rule] = ()) -> str:
        """A new ServiceAccount's token. It may do what `rules` say in its namespace, and `everywhere` in the cluster.

        In the audit log it is `system:serviceaccount:<namespace>:<name>`.
        """
        self.apply(*kubeadm.account(namespace, name, rules, everywhere))
        return self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=8h").strip()

    def offer_image(self, name: str, tag: str = WEB_TAGS[0]) -> None:
        """The test image of this tag is on every node under another name too."""
        for host in self.hosts:
            self._run(host, "ctr", "--namespace=k8s.io", "images", "tag", "--force", f"{WEB}:{tag}", name)

    def _start(self) -> None:
        first, *workers = self.hosts
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._prepare, range(len(self.hosts))))
        self._init(first)
        self._write_kubeconfig()
        for host in workers:
            self._join(host, first)
        for host in self.hosts:
            wait_until(partial(self._ready, host), f"node {host.name} to be ready", START_SECONDS)
        wait_until(self._usable, "the default service account", START_SECONDS)

    def _prepare(self, index: int) -> None:
        host = self.hosts[index]
        self._write(host, "/etc/cni/net.d/10-test.conflist", kubeadm.pod_network(index))
        self._write(host, "/etc/resolv.conf", f"nameserver {host.address}\n")  # nobody answers there, and at once
        wait_until(lambda: self._engine_runs(host), f"containerd of {host.name}", START_SECONDS)
        self._run(host, "ctr", "--namespace=k8s.io", "images", "import", f"/{IMAGES}")
        for other, peer in enumerate(self.hosts):
            if peer is not host:
                self._run(host, "ip", "route", "add", kubeadm.pod_subnet(other), "via", peer.address)

    def _init(self, host: Host) -> None:
        for name, content in kubeadm.policy_files(self._tokens).items():
            self._write(host, f"{kubeadm.PKI_FOLDER}/{name}", content, mode="0600")
        self._write(host, kubeadm.INIT_FILE, kubeadm.init_settings(host.address, f"unix://{ENGINE_SOCKET}"))
        self._run(host, "kubeadm", "init", f"--config={kubeadm.INIT_FILE}", "--skip-phases=preflight")
        self.ca_pem = self._run(host, "cat", f"{kubeadm.PKI_FOLDER}/ca.crt")

    def _join(self, host: Host, first: Host) -> None:
        settings = kubeadm.join_settings(f"{first.address}:{API_PORT}", f"unix://{ENGINE_SOCKET}")
        self._write(host, kubeadm.JOIN_FILE, settings)
        self._run(host, "kubeadm", "join", f"--config={kubeadm.JOIN_FILE}", "--skip-phases=preflight")

    def _write_kubeconfig(self) -> None:
        file = self.folder / "admin.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(self.kubeconfig(self.admin_token))

    def _ready(self, host: Host) -> bool:
        node = found(self.endpoint, self.ca_pem, self._tokens.probe, f"/api/v1/nodes/{host.name}")
        conditions = node["status"].get("conditions") or [] if node else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _usable(self) -> bool:
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        return found(self.endpoint, self.ca_pem, self._tokens.probe, path) is not None

    def _engine_runs(self, host: Host) -> bool:
        return host.exec(["ctr", "version"]).returncode == 0

    def _write(self, host: Host, path: str, content: str, mode: str = "0644") -> None:
        self._run(host, "install", "-D", f"--mode={mode}", "/dev/stdin", path, stdin=content)

    def _run(self, host: Host, *argv: str, stdin: str = "") -> str:
        finished = host.exec(argv, stdin, START_SECONDS)
        if finished.returncode != 0:
            said = f"{finished.stdout[-2000:]}{finished.stderr[-2000:]}"
            raise StartFailed(f"running {argv[0]} in {host.name}: it ended with {finished.returncode}: {said}")
        return finished.stdout
