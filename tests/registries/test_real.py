"""The same questions, asked of a real registry: over TLS by its own CA, behind a password, and behind tokens."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from reconciler.errors import ReconcilerError
from reconciler.registries.asking import HttpRegistries
from reconciler.registries.source import RegistrySource
from reconciler.secret import Secret
from reconciler.specs.image_reference import ImageReference
from tests.servers.availability import registry_lacks
from tests.servers.pki import NOT_AFTER, NOT_BEFORE
from tests.servers.registry.server import PASSWORD, USER, RegistryServer

pytestmark = pytest.mark.real


def registries(server: RegistryServer, password: str = PASSWORD, **more: Any) -> HttpRegistries:
    who = {"username": USER, "password_variable": "UNUSED", "ca_file": server.ca_file, **more}
    return HttpRegistries(
        {server.host: RegistrySource(server.host, f"https://{server.host}", **who)}, lambda _: Secret(password)
    )


def asked(server: RegistryServer, path: str, tag: str = "v1", **more: Any) -> str | ReconcilerError:
    image = ImageReference(server.host, path, tag)
    return registries(server, **more).digests([image])[image]


@pytest.mark.parametrize("index", [False, True])
def test_a_tag_stands_for_what_was_pushed_last(real_registry: RegistryServer, *, index: bool) -> None:
    path = f"shop/app-{index}".lower()
    first = real_registry.push(path, "v1", "one", index=index)
    assert asked(real_registry, path) == first
    second = real_registry.push(path, "v1", "two", index=index)
    assert second != first
    assert asked(real_registry, path) == second


def test_what_is_not_there_and_who_may_not_see_it_are_told_apart(real_registry: RegistryServer) -> None:
    real_registry.push("shop/seen", "v1", "one")
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "no tag": ("artifact_missing", {"tag": "v9"}),
        "no image": ("artifact_missing", {"path": "shop/none"}),
        "a wrong password": ("permission_denied", {"password": "wrong"}),
        "nobody": ("permission_denied", {"username": "", "password_variable": ""}),
        "another CA": ("certificate_invalid", {"ca_file": None}),
    }
    for what, (key, more) in known.items():
        found = asked(real_registry, **{"path": "shop/seen", **more})
        assert isinstance(found, ReconcilerError), what
        assert (what, found.key) == (what, key)
        assert PASSWORD not in found.message + found.hint()


def test_doctors_question_is_answered(real_registry: RegistryServer) -> None:
    registries(real_registry).check(real_registry.host)
    with pytest.raises(ReconcilerError, match="HTTP 401"):
        registries(real_registry, "wrong").check(real_registry.host)


class Notary:
    """Signs tokens as https://distribution.github.io/distribution/spec/auth/jwt says, and hands them out."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        made = made.serial_number(7).not_valid_before(NOT_BEFORE).not_valid_after(NOT_AFTER)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = made.sign(self.key, hashes.SHA256())
        self.asked: list[tuple[str, str]] = []

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def token(self, repository: str, *actions: str) -> str:
        since, until = (int(at.timestamp()) for at in (NOT_BEFORE, NOT_AFTER))
        head = {"typ": "JWT", "alg": "ES256"}
        der = base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()
        access = [{"type": "repository", "name": repository, "actions": actions}]
        said: dict[str, Any] = {"iss": "test", "sub": USER, "aud": "registry", "jti": repository, "access": access}
        said |= {"iat": since, "nbf": since, "exp": until}
        text = f"{_packed(head | {'x5c': [der]})}.{_packed(said)}"
        one, two = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_plain(one.to_bytes(32, 'big') + two.to_bytes(32, 'big'))}"

    def answer(self, path: str, authorization: str) -> bytes:
        query = parse_qs(urlsplit(path).query)
        scope = query.get("scope", [""])[0]
        self.asked.append((scope, authorization))
        repository = scope.split(":")[1] if scope else ""
        return json.dumps({"access_token": self.token(repository, "pull"), "expires_in": 300}).encode()


def _packed(value: dict[str, Any]) -> str:
    return _plain(json.dumps(value).encode())


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def notary() -> Iterator[tuple[Notary, str]]:
    signs = Notary()

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = signs.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield signs, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def behind_tokens(tmp_path: Path, notary: tuple[Notary, str]) -> Iterator[RegistryServer]:
    if (lacking := registry_lacks()) is not None:
        pytest.skip(lacking)
    signs, url = notary
    with RegistryServer(tmp_path, f"{url}/token", signs.pem) as server:
        yield server


def test_a_token_is_fetched_where_the_settings_say_so_and_nowhere_else(
    behind_tokens: RegistryServer, notary: tuple[Notary, str]
) -> None:
    signs, url = notary
    wanted: dict[ImageReference, str] = {}
    for path in ("shop/app", "shop/other"):
        behind_tokens.tokens[path] = signs.token(path, "pull", "push")
        wanted[ImageReference(behind_tokens.host, path, "v1")] = behind_tokens.push(path, "v1", path, index=True)
    refused = asked(behind_tokens, "shop/app")
    assert isinstance(refused, ReconcilerError)
    assert (refused.key, signs.asked) == ("endpoint_invalid", [])
    assert registries(behind_tokens, realms=(url,)).digests(wanted) == wanted
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert sorted(signs.asked) == [(f"repository:{path}:pull", basic) for path in ("shop/app", "shop/other")]
    missing = asked(behind_tokens, "shop/app", "v9", realms=(url,))
    assert isinstance(missing, ReconcilerError)
    assert missing.key == "artifact_missing"
