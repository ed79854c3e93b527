"""A GitHub App as a source of tokens: its key makes a JWT, the JWT asks for an installation token of an hour.

Knows two requests and one RSA key; where the App is installed is asked for. Rules: the key is a file that only we may
read; the token is for this one repository and these rights and no others (threat T31); a new one is asked for before
the old one ends, and once where the old one is refused, at most once a minute (fault F15).
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

import base64
import json
import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reconciler.errors import Refused, Rejected
from reconciler.forges.asking import MALFORMED, Answer, Reading
from reconciler.forges.github import requests
from reconciler.forges.github.requests import Repository
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.ports import Clock
from reconciler.secret import Secret, fits_a_header

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {"contents": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"}
)
BEFORE = timedelta(minutes=16)  # the longest git command (git/transport.py, LONG) ends with the token it began with
LIFE = timedelta(minutes=9)  # of a JWT; GitHub takes ten
BACK = timedelta(minutes=1)  # GitHub's clock may be behind ours
PEACE = timedelta(minutes=1)
LARGEST_KEY = 65_536
SMALLEST = 2_048  # bits
NEEDED = "it takes the private key that GitHub made for the App (PEM, RSA, without passphrase)"


@dataclass(frozen=True, slots=True)
class App:
    """An App as reconciler.toml names it: its id, and where its key is."""

    id: str
    key: Path


class AppJwt:
    """Proves for some minutes that we are the App. A token source: a new one each time, and never a better one."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    def token(self) -> Secret:
        """Raises Refused where the key cannot be used."""
        now = self._clock.now()
        claims = {"iat": int((now - BACK).timestamp()), "exp": int((now + LIFE).timestamp()), "iss": self._app.id}
        said = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        signature = load_key(self._app.key).sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
        return Secret(f"{said}.{_text(signature)}")

    def renew(self) -> bool:
        """It is always new."""
        return False


class AppToken:
    """The installation's token, a token source for the API and for Git over HTTPS. `asks` sends with the App's JWT."""

    def __init__(self, asks: Sender, repository: Repository, clock: Clock) -> None:
        self._asks = asks
        self._repository = repository
        self._clock = clock
        self._turn = threading.RLock()
        self._installation = 0
        self._slug = ""
        self._token: Secret | None = None
        self._made: datetime | None = None
        self._ends: datetime | None = None

    def token(self) -> Secret:
        """The one that holds for a while yet. Raises Unavailable, Rejected or Refused."""
        with self._turn:
            if self._token is None or self._ends is None or self._clock.now() >= self._ends - BEFORE:
                self._ask()
            if self._token is None:
                raise AssertionError("asking brought a token or raised")
            return self._token

    def renew(self) -> bool:
        """Forget a refused one; not more often than once a minute, so that a revoked App is no storm of requests."""
        with self._turn:
            if self._made is not None and timedelta() <= self._clock.now() - self._made < PEACE:
                return False
            self._token = None
            return True

    def login(self) -> str:
        """The name under which the App speaks."""
        with self._turn:
            self._find()
            return f"{self._slug}[bot]"

    def close(self) -> None:
        """End kept connections."""
        self._asks.close()

    def _ask(self) -> None:
        known = bool(self._slug)
        try:
            answer = self._answer()
        except ForgeRefusal as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND or not known:
                raise
            self._slug = ""  # removed, and perhaps installed again under another number
            answer = self._answer()
        reading = Reading.of(answer.what, answer.content)
        token, ends = reading.text("token"), reading.time("expires_at")
        now = self._clock.now()
        if not fits_a_header(Secret(token)):
            raise Rejected(f"{answer.what}: it holds characters that no token has", key=MALFORMED)
        if ends <= now:
            raise Rejected(f"{answer.what}: it has ended already", key=MALFORMED, hint="set this machine's clock (NTP)")
        self._token, self._made, self._ends = Secret(token), now, ends

    def _answer(self) -> Answer:
        self._find()
        return self._asks.send(requests.installation_token(self._installation, self._repository.name, PERMISSIONS))

    def _find(self) -> None:
        if not self._slug:
            answer = self._asks.send(self._repository.installation())
            reading = Reading.of(answer.what, answer.content)
            self._installation, self._slug = reading.number("id"), reading.text("app_slug")


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """The App's private key. Raises Refused on another kind of file, and on one that others may read."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                raise Refused(
                    f"reading the App's key {path}: others may read it",
                    key="permission_denied",
                    hint=f"chmod 600 {path}",
                )
            key = load_pem_private_key(file.read(LARGEST_KEY), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no private key"
        raise Refused(f"reading the App's key {path}: {said}", key="validation_error", hint=NEEDED) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST:
        raise Refused(
            f"reading the App's key {path}: it is no RSA key of {SMALLEST} bits", key="validation_error", hint=NEEDED
        )
    return key


def _encoded(content: Mapping[str, Any]) -> str:
    return _text(json.dumps(content, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
