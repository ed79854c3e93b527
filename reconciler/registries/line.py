"""One registry over HTTP: HEAD, then GET where its answer lacks the digest, with a password or a token where asked for.

Knows the API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md, "Pulling manifests") and its
tokens (https://distribution.github.io/distribution/spec/auth/token). Rules: only the origins that the settings name
are ever asked, no redirect is followed, an answer has a bound and an end; what is read is a digest and nothing else,
and where it comes with its manifest, it is the manifest's.
"""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import httpx

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted
from reconciler.registries.challenge import Challenge, read_challenge
from reconciler.registries.source import RegistrySource, origin
from reconciler.secret import Secret, fits_a_header
from reconciler.specs.image_reference import DIGEST, ImageReference

PATIENCE: Final = 10.0  # seconds without a byte
OVERALL: Final = 20.0  # seconds for one answer with its headers, however slowly it drips
LARGEST_MANIFEST: Final = 4 * 1024 * 1024  # bytes; what registries take themselves
LARGEST_TOKEN: Final = 64 * 1024  # bytes
MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
AGAIN: Final = "`/reconciler preview` asks it again"
CREDENTIAL: Final = "correct its credential in reconciler.toml; `reconciler doctor` asks the registry, too"


@dataclass(slots=True)
class Line:
    """One registry within one look: its tokens end with it. `challenge`: what it asked for when it was last asked."""

    source: RegistrySource
    client: httpx.Client
    password: Secret | None = None
    realms: frozenset[str] = frozenset()  # origins that may be asked for tokens
    challenge: Challenge | None = None
    _tokens: dict[str, Secret] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def digest(self, image: ImageReference) -> str:
        """What the tag stands for now. Raises Unavailable, Rejected, Refused, Untrusted."""
        what = f"asking registry {self.source.host} for {image.path}:{image.tag}"
        path = f"/v2/{image.path}/manifests/{image.tag}"
        scope = f"repository:{image.path}:pull"
        answer = self._asked(what, "HEAD", path, scope, passes=frozenset({HTTPStatus.METHOD_NOT_ALLOWED}))
        said: str = answer.headers.get("Docker-Content-Digest", "")
        if DIGEST.fullmatch(said) and self._is_manifest(answer):
            return said
        return self._computed(what, self._asked(what, "GET", path, scope))

    def check(self) -> None:
        """Whether it answers, and takes who we are. Raises as `digest`."""
        self._asked(f"asking registry {self.source.host}", "GET", "/v2/", "")

    def _computed(self, what: str, answer: "_Answer") -> str:
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in {"", "identity"}:  # its digest would be of the packed bytes
            raise Rejected(f"{what}: it packs its answer ({coding[:20]!r}), unasked", key="endpoint_invalid")
        if not self._is_manifest(answer):
            kind = answer.headers.get("Content-Type", "")[:80]
            raise Rejected(f"{what}: it answers with {kind!r}, no manifest of an image", key="endpoint_invalid")
        found = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        said = answer.headers.get("Docker-Content-Digest", found)
        if said != found:
            words = "its manifest is not what its digest says" if DIGEST.fullmatch(said) else "its digest is none"
            raise Untrusted(f"{what}: {words}", key="artifact_checksum_mismatch")
        return found

    @staticmethod
    def _is_manifest(answer: "_Answer") -> bool:
        return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() in MANIFESTS

    def _asked(
        self, what: str, method: str, path: str, scope: str, passes: frozenset[HTTPStatus] = frozenset()
    ) -> "_Answer":
        """The answer, asked for once more where the registry says what it wants to see."""
        url, known = f"{self.source.url}{path}", self.challenge
        answer = self._send(what, method, url, self._remembered(what, scope), LARGEST_MANIFEST)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            wanted = read_challenge(answer.headers.get_list("WWW-Authenticate"))
            if wanted is not None and (wanted != known or self.challenge is None or self._forget(scope)):
                self.challenge = wanted
                authorization = self._authorization(what, wanted, scope)
                if authorization:
                    answer = self._send(what, method, url, authorization, LARGEST_MANIFEST)
        if answer.status not in passes:
            self._judge(what, answer)
        return answer

    def _remembered(self, what: str, scope: str) -> str:
        """What it wanted when it was last asked; nothing where that leads to no token any more: it says where to go."""
        try:
            return self._authorization(what, self.challenge, scope)
        except ReconcilerError:
            self.challenge = None
            return ""

    def _forget(self, scope: str) -> bool:
        """Whether a token was refused that may be fetched again; it ends after minutes, and a look may take as long."""
        with self._lock:
            return self._tokens.pop(scope, None) is not None

    def _authorization(self, what: str, challenge: Challenge | None, scope: str) -> str:
        if challenge is None:
            return ""
        if challenge.basic:
            return self._basic()
        with self._lock:
            if scope not in self._tokens:
                self._tokens[scope] = self._token(what, challenge, scope)
            return f"Bearer {self._tokens[scope].reveal()}"

    def _basic(self) -> str:
        if self.password is None:
            return ""
        pair = f"{self.source.username}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def _token(self, what: str, challenge: Challenge, scope: str) -> Secret:
        place = origin(challenge.realm)
        if place is None or place not in self.realms:
            named = place or "a place that is none"
            raise Refused(
                f"{what}: it sends us to {named} for a token, and the settings do not name that",
                key="endpoint_invalid",
                hint=f"add it to `realms` of [registries.{self.source.host!r}] in reconciler.toml, where it is right",
            )
        asked = {"service": challenge.service, "scope": scope}
        query = urlencode({name: value for name, value in asked.items() if value})
        bare, _, old = challenge.realm.partition("#")[0].partition("?")
        url = f"{bare}?{'&'.join(part for part in (old, query) if part)}"
        answer = self._send(what, "GET", url, self._basic(), LARGEST_TOKEN)
        self._judge(f"{what}: its tokens", answer)
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        token = (said.get("token") or said.get("access_token")) if isinstance(said, dict) else None
        if not isinstance(token, str) or not fits_a_header(Secret(token)):
            raise Rejected(f"{what}: {place} answers without a token", key="endpoint_invalid")
        return Secret(token)

    def _send(self, what: str, method: str, url: str, authorization: str, most: int) -> "_Answer":
        headers = {"Accept": ", ".join(MANIFESTS), "Accept-Encoding": "identity", "User-Agent": "reconciler"}
        if authorization:
            headers["Authorization"] = authorization
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self.client.close()

        watch = threading.Timer(OVERALL, end)  # an answer ends also before its body
        watch.daemon = True
        watch.start()
        try:
            with self.client.stream(method, url, headers=headers) as response:
                return _Answer(response.status_code, response.headers, _read(what, response, most))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, RuntimeError, ValueError) as error:
            if ended.is_set():
                raise _endless(what) from None
            said = f"{what}: {type(error).__name__}"
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                hint = "name the CA that signed it as `ca_file` in reconciler.toml"
                raise Untrusted(
                    f"{said}: its certificate does not check", key="certificate_invalid", hint=hint
                ) from None
            raise Unavailable(said, hint=AGAIN) from None
        finally:
            watch.cancel()

    def _judge(self, what: str, answer: "_Answer") -> None:
        """Raise what an answer other than a success means."""
        code = answer.status
        if HTTPStatus.OK <= code < HTTPStatus.MULTIPLE_CHOICES:
            return
        said = f"{what}: HTTP {code}"
        if code == HTTPStatus.NOT_FOUND:
            raise Rejected(f"{said}: it has no such image", key="artifact_missing", hint="push it, or correct its name")
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise self._refused(said)
        if code == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"{said}: it is asked too often", key="rate_limited", hint=AGAIN)
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(said, hint=AGAIN)
        if HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST:
            hint = "name the final address as `url` in reconciler.toml"
            raise Rejected(f"{said}: redirects are not followed", key="endpoint_invalid", hint=hint)
        raise Rejected(said, key="endpoint_invalid", hint="is it a registry? `reconciler doctor` asks it, too")

    def _refused(self, said: str) -> ReconcilerError:
        if not self.source.has_credential:
            hint = "give the registry a credential in reconciler.toml"
            return Rejected(f"{said}: it shows this to nobody without a credential", key="permission_denied", hint=hint)
        words = f"{said}: it does not show this to {self.source.username}, or has no such image"
        return Rejected(words, key="permission_denied", hint=CREDENTIAL)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


def _endless(what: str) -> Unavailable:
    return Unavailable(f"{what}: no end of the answer after {OVERALL:.0f} seconds", hint=AGAIN)


def _read(what: str, response: httpx.Response, most: int) -> bytes:
    """The body; of an answer that says no, nothing: it is nobody's word here."""
    if not response.is_success:
        return b""
    data = bytearray()
    deadline = time.monotonic() + OVERALL
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > most:
            raise Rejected(f"{what}: an answer of more than {most} bytes", key="endpoint_invalid")
        if time.monotonic() > deadline:
            raise _endless(what)
    return bytes(data)
