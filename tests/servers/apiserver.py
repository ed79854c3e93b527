"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, without any node.

It does what a cluster does but run pods: RBAC, admission, defaulting, server-side apply, CRDs, garbage collection,
namespaces that end. Its audit log is the independent witness of what a client asked for, and how often. The
fixture and the controllers are users of their own, so that `admin` and `limited` appear there only by the tests' doing.
"""

import base64
import json
import os
import random
import secrets
import socket
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from tests.servers.kube.build import programs
from tests.servers.pki import ServingCertificate, loopback_certificate, rsa_key_pem
from tests.servers.processes import Program, StartFailed, kill_escaped, wait_until

ADMIN_USER = "admin"
LIMITED_USER = "limited"
FIXTURE_USER = "fixture"  # asks whether the server is ready, and is not in the audit log
START_SECONDS = 300.0  # 3 to 5 s on 2 idle cores
START_ATTEMPTS = 3
PORT_TAKEN = "address already in use"

# Under the range that the kernel gives to outgoing connections (ip_local_port_range, from 32768): a port from within
# it could be taken by any client on the machine while the API server is stopped.
PORTS = range(20000, 32000)

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # so that one request is one record
    "rules": [{"level": "None", "users": [FIXTURE_USER]}, {"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of the users that every server of the tests knows."""

    admin: str = field(default_factory=lambda: secrets.token_hex(16))
    limited: str = field(default_factory=lambda: secrets.token_hex(16))
    probe: str = field(default_factory=lambda: secrets.token_hex(16))

    def file(self) -> str:
        """For --token-auth-file: token, name, uid and groups, one user a line."""
        lines = [
            f'{self.admin},{ADMIN_USER},{ADMIN_USER},"system:masters"',
            f"{self.limited},{LIMITED_USER},{LIMITED_USER}",
            f'{self.probe},{FIXTURE_USER},{FIXTURE_USER},"system:masters"',
        ]
        return "\n".join(lines) + "\n"


class ApiServer:
    """Use as a context manager; everything it writes is in `folder`.

    `admin_token` may do all. `limited_token` is an authenticated user without any role: tests grant what they need.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tokens = Tokens()
        self.admin_token = self._tokens.admin
        self.limited_token = self._tokens.limited
        self._controllers_token = secrets.token_hex(16)
        self._certificate: ServingCertificate = loopback_certificate()
        self._running: dict[str, Program] = {}
        self._port = self._etcd_port = self._etcd_peer_port = 0

    def __enter__(self) -> Self:
        kill_escaped()
        self._programs = programs()
        self._write_files()
        for attempt in range(START_ATTEMPTS):
            try:
                self._start_all()
            except StartFailed as failure:
                self._kill_all()
                if PORT_TAKEN not in str(failure) or attempt == START_ATTEMPTS - 1:
                    raise
            except BaseException:
                self._kill_all()
                raise
            else:
                return self
        raise AssertionError("the last attempt returns or raises")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill_all()

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_pem(self) -> str:
        return self._certificate.ca

    @property
    def kubectl(self) -> Path:
        return self._programs / "kubectl"

    @property
    def pids(self) -> dict[str, int]:
        """By program name, of those that run."""
        return {name: program.pid for name, program in self._running.items()}

    def kubeconfig(self, token: str) -> str:
        """YAML that stands alone: it names no file."""
        return kubeconfig_of(self.endpoint, self.ca_pem, token)

    def audit_lines(self, user: str | None = None) -> list[dict[str, Any]]:
        """The audit records so far (of one user), oldest first: one for each answered request, two for each watch.

        The server may write a record just after the client has its answer: wait for the record that you expect.
        """
        return audit_records(self.folder / "audit.log", user)

    def pause(self) -> None:
        """The API server hangs: connections are taken by the kernel and never answered."""
        self._running["kube-apiserver"].pause()

    def resume(self) -> None:
        self._running["kube-apiserver"].resume()

    def stop_api(self) -> None:
        """The API server crashes: open connections break and new ones are refused. etcd keeps what was stored."""
        self._running.pop("kube-apiserver").kill()

    def start_api(self) -> None:
        """Same port, same certificate, same content; returns when it is ready."""
        self._start_apiserver()
        self._wait_ready()

    def _start_all(self) -> None:
        self._port, self._etcd_port, self._etcd_peer_port = free_ports(3)
        self._start_etcd()
        self._start_apiserver()
        self._wait_ready()
        self._start_controllers()
        # readyz comes before the default namespace, and pods are refused before its service account is there
        self._wait_found("/api/v1/namespaces/default/serviceaccounts/default")

    def _kill_all(self) -> None:
        """Last started, first ended: each loses its backend after it is gone itself."""
        while self._running:
            _, program = self._running.popitem()
            program.kill()

    def _write_files(self) -> None:
        controllers = f"{self._controllers_token},system:kube-controller-manager,controllers\n"
        files = {
            "tokens.csv": self._tokens.file() + controllers,
            "audit-policy.yaml": yaml.safe_dump(AUDIT_POLICY),
            "ca.crt": self._certificate.ca,
            "tls.crt": self._certificate.certificate,
            "tls.key": self._certificate.private_key,
            "service-accounts.key": rsa_key_pem(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name, content in files.items():
            (self.folder / name).write_text(content)

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _start_apiserver(self) -> None:
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={self.folder / 'tls.crt'}",
            f"--tls-private-key-file={self.folder / 'tls.key'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={self.folder / 'service-accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'service-accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # 127.0.0.1 is no address that an endpoint may have
            f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self.folder / 'audit.log'}",
            "--audit-log-maxsize=100000",  # MB: a log that is rotated would count backwards
        )

    def _start_controllers(self) -> None:
        kubeconfig = self.folder / "controllers.kubeconfig"
        kubeconfig.write_text(self.kubeconfig(self._controllers_token))
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
            f"--root-ca-file={self.folder / 'ca.crt'}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
            # the default of 20 requests a second would spread its own start over 4 s
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        )

    def _start(self, name: str, *arguments: str) -> None:
        # An environment of its own: a proxy setting or a KUBECONFIG of the user must not reach these programs.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        argv: list[str | Path] = [self._programs / name, *arguments]
        self._running[name] = Program.start(argv, self.folder / f"{name}.log", environment)

    def _wait_ready(self) -> None:
        self._wait_found("/readyz")

    def _wait_found(self, path: str) -> None:
        alive = list(self._running.values())
        wait_until(lambda: self._found(path), f"{self.endpoint}{path}", START_SECONDS, alive)

    def _found(self, path: str) -> bool:
        return found(self.endpoint, self.ca_pem, self._tokens.probe, path) is not None


def found(endpoint: str, ca_pem: str, token: str, path: str) -> Any:
    """What stands there as JSON (or text), or None where the answer is not 200 or there is none."""
    try:
        answer = httpx.get(
            f"{endpoint}{path}",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cadata=ca_pem),
            trust_env=False,
        )
    except httpx.TransportError:
        return None
    if answer.status_code != HTTPStatus.OK:
        return None
    return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text


def audit_records(log: Path, user: str | None) -> list[dict[str, Any]]:
    try:
        with log.open(encoding="utf-8") as lines:  # a long one is a gigabyte
            records = (json.loads(line) for line in lines if line.endswith("\n"))
            # a request that nobody's token came with has no user name
            return [record for record in records if user is None or record["user"].get("username") == user]
    except FileNotFoundError:
        return []


def kubeconfig_of(endpoint: str, ca_pem: str, token: str) -> str:
    cluster = {"server": endpoint, "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    )


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise StartFailed(f"looking for {count} free ports in {PORTS}: there are none")
