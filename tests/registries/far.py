"""A registry in this process: manifests by name and tag, behind nothing, a password, or tokens; and its bad days.

It speaks the part of https://github.com/opencontainers/distribution-spec that pulling takes, and keeps what it was
asked, so that a test counts.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD = "robot", "s3cr:et"
BASIC = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass(slots=True)
class Said:
    """An answer: code, headers, body."""

    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """What it was asked. `token`: as whom, by the scheme alone where it was a token."""

    method: str
    path: str
    authorization: str


Odd = Callable[[Asked, Said], Said | None]  # another answer in place of the right one; None: the connection is dropped


def always(code: int) -> Odd:
    """That code to everything."""

    def odd(_asked: Asked, _right: Said) -> Said:
        return Said(code)

    return odd


@dataclass(slots=True)
class FarRegistry:
    """Answers on loopback. `wants`: "", "basic" or "bearer"; `realm`: where its tokens are; itself, if empty."""

    wants: str = ""
    realm: str = ""
    odd: Odd | None = None
    images: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> Self:
        handler = type("Own", (_Handler,), {"far": self})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    def push(self, path: str, tag: str, content: str = "", kind: str = OCI_INDEX) -> str:
        """Put an image there, or another one under the same tag; its digest."""
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "of": content or tag}).encode()
        self.images[path, tag] = (kind, body)
        return digest_of(body)

    def manifests(self) -> list[tuple[str, str]]:
        """What it was asked of manifests: method, and name with tag."""
        parts = [(one.method, one.path.removeprefix("/v2/").split("/manifests/")) for one in self.asked]
        return [(method, ":".join(words)) for method, words in parts if len(words) > 1]

    def answer(self, asked: Asked) -> Said | None:
        said = self._right(asked)
        return self.odd(asked, said) if self.odd is not None else said

    def _right(self, asked: Asked) -> Said:
        place = urlsplit(asked.path)
        if place.path == "/token":
            return self._token(asked, parse_qs(place.query))
        name, between, tag = place.path.removeprefix("/v2/").partition("/manifests/")
        refused = self._refused(asked, f"repository:{name}:pull" if between else "")
        if refused is not None:
            return refused
        if not between:
            return Said(body=b"{}", headers={"Content-Type": "application/json"})
        if (name, tag) not in self.images:
            return Said(404, {"Content-Type": "application/json"}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        kind, body = self.images[name, tag]
        return Said(200, {"Content-Type": kind, "Docker-Content-Digest": digest_of(body)}, body)

    def _refused(self, asked: Asked, scope: str) -> Said | None:
        want = {"basic": BASIC, "bearer": f"Bearer {self._granted(scope)}"}.get(self.wants, asked.authorization)
        if asked.authorization == want:
            return None
        realm = self.realm or f"{self.url}/token"
        words = {"basic": 'Basic realm="far"', "bearer": f'Bearer realm="{realm}",service="far",scope="{scope}"'}
        return Said(401, {"WWW-Authenticate": words[self.wants]})

    def _token(self, asked: Asked, query: dict[str, list[str]]) -> Said:
        if asked.authorization not in {"", BASIC}:
            return Said(401)
        scope = query.get("scope", [""])[0]
        body = json.dumps({"token": self._granted(scope), "for": query.get("service")}).encode()
        return Said(200, {"Content-Type": "application/json"}, body)

    @staticmethod
    def _granted(scope: str) -> str:
        return hashlib.sha256(f"granted {scope}".encode()).hexdigest()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Who asked went away: that is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    far: FarRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = Asked(self.command, self.path, self.headers.get("Authorization", ""))
        self.far.asked.append(asked)
        said = self.far.answer(asked)
        if said is None:
            self.close_connection = True
            return
        self.send_response(said.code)
        for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(said.body)

    do_HEAD = do_GET  # noqa: N815  named by http.server

    def log_message(self, *_: object) -> None:
        pass
