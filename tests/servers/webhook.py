"""An admission webhook of a test: a real HTTPS server on loopback that a real kube-apiserver asks.

It says what its `verdict` says of each object, in the namespace that it was registered for. A webhook is in force some
time after it was registered, and for some time after it was taken away: wait for what the API server then answers.
AdmissionReview: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.pki import loopback_certificate

ROOT = "apis/admissionregistration.k8s.io/v1"
APPS: Mapping[str, Sequence[str]] = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
CORE: Mapping[str, Sequence[str]] = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps", "secrets"]}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it answers of an object: a refusal in words, or a JSON patch."""

    refusal: str = ""
    patch: Sequence[Mapping[str, Any]] = ()


ALLOWED = Verdict()
Asked = Mapping[str, Any]  # the review's request: operation, dryRun, object, oldObject
Judge = Callable[[Asked], Verdict]


class Webhook:
    """Use as a context manager. `verdict` may be another one at any time; `silent` makes it answer nobody."""

    def __init__(self, folder: Path, verdict: Judge = lambda _asked: ALLOWED) -> None:
        self.verdict = verdict
        self.asked: list[Asked] = []
        self._answers = threading.Event()
        self._answers.set()
        certificate = loopback_certificate()
        self._ca = base64.b64encode(certificate.ca.encode()).decode()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        chain = folder / "webhook.pem"
        chain.touch(mode=0o600)
        chain.write_text(certificate.certificate + certificate.private_key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answer_again()
        self._server.shutdown()
        self._server.server_close()

    def be_silent(self) -> None:
        """Connections are taken and nobody answers."""
        self._answers.clear()

    def answer_again(self) -> None:
        self._answers.set()

    def registration(
        self,
        kind: str,
        name: str,
        namespace: str,
        *rules: Mapping[str, Sequence[str]],
        side_effects: str = "None",
        seconds: int = 5,
    ) -> dict[str, Any]:
        """Of this kind, such as `MutatingWebhookConfiguration`; where it is not answered, nothing is let in."""
        hook = {
            "name": f"{name}.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": f"https://127.0.0.1:{self._server.server_port}/", "caBundle": self._ca},
            "failurePolicy": "Fail",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{**rule, "operations": ["CREATE", "UPDATE"]} for rule in rules or (APPS,)],
            "sideEffects": side_effects,
            "timeoutSeconds": seconds,
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "webhooks": [hook],
        }

    def _review(self, body: bytes) -> bytes:
        asked = json.loads(body)["request"]
        self.asked.append(asked)
        self._answers.wait()
        found = self.verdict(asked)
        told: dict[str, Any] = {"uid": asked["uid"], "allowed": not found.refusal}
        if found.refusal:
            told["status"] = {"message": found.refusal, "code": 403}
        elif found.patch:
            told |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(found.patch).encode()).decode()}
        answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": told}
        return json.dumps(answer).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer = webhook._review(self.rfile.read(int(self.headers["Content-Length"])))
                with contextlib.suppress(OSError):  # who asked a silent one is gone
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name
                """Nothing: the API server's audit log tells."""

        return Handler
