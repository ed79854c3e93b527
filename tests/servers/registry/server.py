"""The real registry on loopback, over TLS by a CA of its own, behind a password or behind tokens that a test signs.

Images are made by pushing small blobs over HTTP, as `docker push` would. Everything that it writes is in `folder`.
"""

import base64
import hashlib
import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import bcrypt
import httpx

from tests.servers.apiserver import free_ports
from tests.servers.pki import loopback_certificate
from tests.servers.processes import Program, kill_escaped, wait_until
from tests.servers.registry.build import registry

START_SECONDS = 120.0
USER, PASSWORD = "robot", "let me: in"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class RegistryServer:
    """Use as a context manager. `realm`: where its tokens are; behind a password without one."""

    folder: Path
    realm: str = ""
    token_certificate: str = ""  # PEM of whose tokens it takes
    tokens: dict[str, str] = field(default_factory=dict)  # by which a test pushes, by repository
    _program: Program | None = None
    _port: int = 0

    def __enter__(self) -> Self:
        kill_escaped()
        self._binary = registry()
        (self._port,) = free_ports(1)
        pki = loopback_certificate()
        for name, text in (("ca.pem", pki.ca), ("cert.pem", pki.certificate), ("key.pem", pki.private_key)):
            (self.folder / name).write_text(text)
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        (self.folder / "tokens.pem").write_text(self.token_certificate)
        (self.folder / "config.yml").write_text(json.dumps(self._configuration()))
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def start(self) -> None:
        argv: list[str | Path] = [self._binary, "serve", self.folder / "config.yml"]
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self._program = Program.start(argv, self.folder / "registry.log", environment)
        wait_until(self._answers, f"the registry at {self.host}", START_SECONDS, [self._program])

    def stop(self) -> None:
        if self._program is not None:
            self._program.kill()
            self._program = None

    def push(self, repository: str, tag: str, content: str, *, index: bool = False) -> str:
        """An image of one small layer, perhaps behind an index of one platform; its digest as the registry says it."""
        with self._client() as client:
            layer, config = (self._blob(client, repository, text.encode()) for text in (content, "{}"))
            manifest = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": config, "size": 2},
                "layers": [{"mediaType": LAYER, "digest": layer, "size": len(content.encode())}],
            }
            body = json.dumps(manifest).encode()
            name = hashlib.sha256(body).hexdigest() if index else tag
            digest = self._manifest(client, repository, f"sha256:{name}" if index else tag, OCI_MANIFEST, body)
            if not index:
                return digest
            platform = {"architecture": "amd64", "os": "linux"}
            entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(body), "platform": platform}
            whole = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
            return self._manifest(client, repository, tag, OCI_INDEX, whole)

    def _blob(self, client: httpx.Client, repository: str, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        headers = self._headers(repository)
        begun = client.post(f"/v2/{repository}/blobs/uploads/", headers=headers).raise_for_status()
        where = httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest})
        client.put(where, content=content, headers=headers).raise_for_status()
        return digest

    def _manifest(self, client: httpx.Client, repository: str, tag: str, kind: str, body: bytes) -> str:
        headers = {"Content-Type": kind, **self._headers(repository)}
        answer = client.put(f"/v2/{repository}/manifests/{tag}", content=body, headers=headers).raise_for_status()
        return str(answer.headers["Docker-Content-Digest"])

    def _headers(self, repository: str) -> dict[str, str]:
        if self.realm:
            return {"Authorization": f"Bearer {self.tokens[repository]}"}
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def _client(self) -> httpx.Client:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.Client(base_url=f"https://{self.host}", verify=trust, trust_env=False)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return client.get("/v2/").status_code == httpx.codes.UNAUTHORIZED
        except httpx.HTTPError:
            return False

    def _configuration(self) -> dict[str, object]:
        token = {
            "realm": self.realm,
            "service": "registry",
            "issuer": "test",
            "rootcertbundle": str(self.folder / "tokens.pem"),
        }
        password = {"realm": "registry", "path": str(self.folder / "htpasswd")}
        return {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "storage")}},
            "http": {
                "addr": self.host,
                "tls": {"certificate": str(self.folder / "cert.pem"), "key": str(self.folder / "key.pem")},
            },
            "auth": {"token": token} if self.realm else {"htpasswd": password},
        }
