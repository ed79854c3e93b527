"""GitHub Apps of the stand-in: a JWT is checked by its public key, a token ends after an hour."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.forges.github.hub import Hub, No

LONGEST_JWT = timedelta(minutes=10)
LIFE = timedelta(hours=1)


@dataclass(slots=True)
class Apps:
    """The Apps that a hub knows. `slugs`: id -> slug; `ends`: token -> (login, when)."""

    hub: Hub
    slugs: dict[str, str] = field(default_factory=dict)
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict)
    installations: dict[int, str] = field(default_factory=dict)
    ends: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    granted: dict[str, str] = field(default_factory=lambda: {"contents": "write", "pull_requests": "write"})
    asked: list[dict[str, Any]] = field(default_factory=list)

    def add(self, app: str, slug: str, key: rsa.RSAPublicKey, installation: int) -> None:
        self.slugs[app], self.keys[app], self.installations[installation] = slug, key, app
        self.hub.bots.add(f"{slug}[bot]")

    def of_jwt(self, token: str) -> str:
        """The slug of the App. As GitHub: RS256, begun before now, ending within ten minutes."""
        try:
            head, claims, signature = token.split(".")
            header, said = (json.loads(_decoded(part)) for part in (head, claims))
            key = self.keys[str(said["iss"])]
            key.verify(_decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, KeyError, InvalidSignature) as error:
            raise No(401, "A JSON web token could not be decoded") from error
        now = self.hub.clock.now().timestamp()
        if header["alg"] != "RS256" or said["iat"] > now or not now < said["exp"] <= now + LONGEST_JWT.total_seconds():
            raise No(401, "'Expiration time' claim ('exp') is too far in the future")
        return self.slugs[str(said["iss"])]

    def installed(self, slug: str) -> int:
        found = next((found for found, app in self.installations.items() if self.slugs[app] == slug), None)
        if found is None:
            raise No(404, "Not Found")
        return found

    def make_token(self, installation: int, slug: str, asked: dict[str, Any] | None) -> dict[str, Any]:
        if self.slugs.get(self.installations.get(installation, "")) != slug:
            raise No(404, "Not Found")
        self.asked.append(asked or {})
        wanted = (asked or {}).get("permissions", self.granted)
        if any(self.granted.get(name) not in (right, "write") for name, right in wanted.items()):
            raise No(422, "The permissions requested are not granted to this installation.")
        token = f"ghs_{secrets.token_hex(18)}"
        ends = self.hub.now() + LIFE
        self.ends[token] = (f"{slug}[bot]", ends)
        return {
            "token": token,
            "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": wanted,
            "repository_selection": "selected",
        }

    def of_token(self, token: str) -> str:
        login, ends = self.ends.get(token, ("", self.hub.now()))
        return login if self.hub.now() < ends else ""

    def revoke(self) -> None:
        self.ends.clear()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
