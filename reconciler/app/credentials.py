"""From a Credential spec to its secret, only for an address and a project it is bound to (contracts: gate.md, G4).

An `age` secret carries its name, project and addresses inside the encryption, so that copying the text into another
Credential is useless. A `file` or `env` secret is named, with its bounds, by reconciler.toml alone (G1). Nothing is
connected to here; a use outside the bounds is refused before a connection is made.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.app.keys import Keys, age_identity, age_recipient
from reconciler.app.settings import SecretSource, Settings
from reconciler.canonical import keyed_tag
from reconciler.errors import Refused, Unavailable
from reconciler.secret import Secret
from reconciler.specs.kinds import Credential
from reconciler.specs.spec import Spec

DEFAULT_PORTS = {"https": 443, "ssh": 22}


@dataclass(frozen=True, slots=True)
class Vault:
    """Opens Credentials."""

    settings: Settings
    keys: Keys

    def open(self, credential: Spec[Credential], *, address: str, project: str) -> Secret:
        """The secret, for use towards `host:port` by a project. Raises credential_scope_denied, Unavailable."""
        spec = credential.spec
        name = credential.name
        if spec.project != project:
            raise self._denied(name, f"it belongs to project {spec.project}, and project {project} asked")
        if spec.addresses and not allows(spec.addresses, address):
            raise self._denied(name, f"it is not for {address}")
        if spec.age is not None:
            return self._sealed(name, spec.age, address, project)
        table = self.settings.files if spec.file is not None else self.settings.variables
        listed = spec.file or spec.env or ""
        source = table.get(listed)
        if source is None:
            hint = f"list it under [{'files' if spec.file else 'variables'}.{listed}] in reconciler.toml on its machine"
            raise self._denied(name, f"reconciler.toml does not list {listed}", hint)
        return self._listed(name, source, address, project)

    def _sealed(self, name: str, armored: str, address: str, project: str) -> Secret:
        plain = decrypted(armored, self.keys)
        if plain is None:
            hint = f"encrypt it with `reconciler credential seal`, to {age_recipient(self.keys)}"
            raise self._denied(name, "it is not encrypted to this reconciler", hint)
        envelope = _envelope(plain)
        if not isinstance(envelope, Mapping) or not isinstance(envelope.get("secret"), str):
            raise self._denied(name, "its sealed text has no name, project and addresses inside")
        if envelope.get("name") != name or envelope.get("project") != project:
            raise self._denied(name, "it was sealed under another name or project")
        addresses = envelope.get("addresses")
        if not isinstance(addresses, list) or not allows(tuple(map(str, addresses)), address):
            raise self._denied(name, f"it was not sealed for {address}")
        return Secret(envelope["secret"])

    def _listed(self, name: str, source: SecretSource, address: str, project: str) -> Secret:
        if source.project and source.project != project:
            raise self._denied(name, f"reconciler.toml gives it to project {source.project}")
        if source.addresses and not allows(source.addresses, address):
            raise self._denied(name, f"reconciler.toml does not allow it for {address}")
        if source.path is None:
            text = os.environ.get(source.variable)
            if text is None:
                raise Unavailable(f"opening credential {name}: variable {source.variable} is not set")
            return Secret(text)
        text = _text_of(source.path)
        if text is None:
            raise Unavailable(f"opening credential {name}: its file cannot be read")
        return Secret(text)

    @staticmethod
    def _denied(name: str, why: str, hint: str = "") -> Refused:
        return Refused(f"opening credential {name}: {why}", key="credential_scope_denied", hint=hint)


@dataclass(frozen=True, slots=True)
class AgeIdentity:
    """What opens Secrets that are encrypted to this reconciler."""

    keys: Keys

    @property
    def recipient(self) -> str:
        """What people encrypt to. Raises Unavailable for a damaged identity."""
        return age_recipient(self.keys)

    def open(self, armored: str) -> bytes | None:
        """What was encrypted to it, else None."""
        return decrypted(armored, self.keys)

    def tag(self, clear: str) -> str:
        """An HMAC under the permanent key, of its own purpose."""
        return keyed_tag(self.keys.hmac, f"value of a chart\n{clear}")


def decrypted(armored: str, keys: Keys) -> bytes | None:
    """What was encrypted to this reconciler; None where it was not. Raises Unavailable for a damaged identity."""
    import pyrage

    try:
        return bytes(pyrage.decrypt(armored.encode(), [age_identity(keys)]))
    except (pyrage.DecryptError, ValueError):
        return None


# Errors of the two that follow hold what they could not read, so neither becomes the cause or context of another.


def _envelope(plain: bytes) -> Any:
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        return None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def seal(secret: Secret, *, name: str, project: str, addresses: tuple[str, ...], recipient: str) -> str:
    """The armored text of a Credential, bound to its name, project and addresses inside the encryption."""
    import pyrage

    envelope = {"name": name, "project": project, "addresses": list(addresses), "secret": secret.reveal()}
    to = pyrage.x25519.Recipient.from_str(recipient)
    sealed: bytes = pyrage.encrypt(json.dumps(envelope).encode(), [to], armored=True)
    return sealed.decode()


def normal_address(text: str) -> str:
    """`host:port` in lower case of an https URL, a host:port or a host (port 22). IPv6 stands in brackets."""
    scheme, _, _ = text.partition("://")
    parts = urlsplit(text if "://" in text else f"ssh://{text}")
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{parts.port or DEFAULT_PORTS.get(scheme if '://' in text else 'ssh', 443)}"


def allows(addresses: tuple[str, ...], address: str) -> bool:
    """Whether one of the addresses covers `host:port`. One without a port covers every port of that host."""
    host = address.rpartition(":")[0]
    for allowed in addresses:
        bare = allowed.removeprefix("https://").rstrip("/").lower()
        has_port = bare.rpartition(":")[2].isdigit() and (bare.count(":") == 1 or "]:" in bare)
        if (normal_address(allowed) if has_port or "://" in allowed else bare) in {address.lower(), host.lower()}:
            return True
    return False
