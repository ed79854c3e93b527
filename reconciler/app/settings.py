"""reconciler.toml and RECONCILER_* variables: read once, frozen, printed by `reconciler doctor`.

This file is where trust begins (contracts: gate.md, G1): it stands on the reconciler's machine, outside Git, and
nothing in Git can change what it says. Few settings; policy lives in specs. Relative paths are relative to
the file.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reconciler.app.registry_settings import read_registries
from reconciler.approval.persons import ForgeKind
from reconciler.approval.ssh_keys import key_id
from reconciler.errors import Place, Problem, SpecError
from reconciler.registries.source import RegistrySource

FILE_NAME = "reconciler.toml"
ENVIRONMENT_PREFIX = "RECONCILER_"
NO_CREDENTIALS = "credentials do not belong into a URL; name the variable that holds the token as `token_variable`"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """A file or environment variable that a Credential may name, the project that may, and for which addresses."""

    path: Path | None
    variable: str
    project: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppSource:
    """A GitHub App: its id or client id, and where its private key is, which needs a backup."""

    id: str
    key: Path


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """Where the audit branch is. `repository`: empty where it is the desired state's own."""

    repository: str = ""
    token_variable: str = ""  # of the environment, for https alone; ssh takes the same key for both
    shared: bool = False  # others may write it, and its readers know (G24)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting; paths are absolute."""

    repository: str
    branch: str = "main"
    forge: str = "embedded"
    forge_api: str = ""  # the API's root, where it is not the usual one at the repository's host
    state: Path = Path("state")
    root_signers: tuple[str, ...] = ()
    bundle_keys: tuple[str, ...] = ()
    bundle_folders: tuple[Path, ...] = ()
    accepted_addresses: tuple[str, ...] = ()
    files: Mapping[str, SecretSource] = field(default_factory=dict)
    variables: Mapping[str, SecretSource] = field(default_factory=dict)
    git_identity: Path | None = None
    git_known_hosts: Path | None = None
    token_variable: str = ""
    webhook_secret_variable: str = ""  # without one, `serve` receives no webhooks
    listen: str = "127.0.0.1:8750"  # where it receives them
    audit: AuditPlace = AuditPlace()
    app: AppSource | None = None  # in place of a token
    registries: Mapping[str, RegistrySource] = field(default_factory=dict)  # that may be asked what a tag means
    workers: int = 4
    locale: str = ""  # empty: what the repository's Settings say

    @property
    def forge_kind(self) -> ForgeKind:
        """Which forge it is."""
        return ForgeKind(self.forge)

    @property
    def signing_key(self) -> Path:
        """Signs audit commits and our records in the forge; needs a backup."""
        return self.state / "keys" / "signing_key"

    @property
    def hmac_key(self) -> Path:
        """Says whether a secret value changed, in digests; permanent, needs a backup (G9)."""
        return self.state / "keys" / "hmac_key"

    @property
    def age_identity(self) -> Path:
        """Opens Credentials that are encrypted to this reconciler; needs a backup."""
        return self.state / "keys" / "age_identity"

    @property
    def audit_tip(self) -> Path:
        """The last audit commit that we saw, kept beside the keys (G24)."""
        return self.state / "keys" / "audit_tip"

    @property
    def cache(self) -> Path:
        """Deleting it loses nothing."""
        return self.state / "cache"


_PLAIN: Mapping[str, type] = {
    "repository": str,
    "branch": str,
    "forge": str,
    "forge_api": str,
    "token_variable": str,
    "webhook_secret_variable": str,
    "listen": str,
    "workers": int,
    "locale": str,
}
_PATHS = ("state", "git_identity", "git_known_hosts")
_LISTS = ("root_signers", "bundle_keys", "accepted_addresses")
_SECRETS = ("files", "variables")
_AUDIT: Mapping[str, type] = {"repository": str, "token_variable": str, "shared": bool}
_MOVED: Mapping[str, str] = {"audit_shared": "`shared` in the table [audit]"}


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file and let RECONCILER_* variables win over its plain values. Raises SpecError with every problem."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "`reconciler init DIR` writes one"
        raise SpecError(
            [Problem(Place(str(path)), "validation_error", f"cannot be read: {error.strerror}", hint)]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError([Problem(Place(str(path)), "validation_error", f"is not TOML: {error}")]) from error
    for name, kind in _PLAIN.items():
        text = (os.environ if environment is None else environment).get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            table[name] = _from_text(text, kind)
    table |= {
        name: None
        for name in _MOVED
        if ENVIRONMENT_PREFIX + name.upper() in (os.environ if environment is None else environment)
    }
    return _Reader(path).read(table)


def _from_text(text: str, kind: type) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is int:
        return int(text) if text.isdigit() else text
    return text


def carries_credentials(url: str) -> bool:
    """Whether a repository's URL says more than where it is. Such a text is never printed, stored or hashed."""
    scheme, there, rest = url.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if not there:
        return ":" in url.partition("@")[0] and "@" in url and not url.startswith("/")
    if scheme.lower() == "ssh":
        return ":" in user
    return bool(at) or "?" in rest or "#" in rest


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[Problem] = []

    def read(self, table: dict[str, Any]) -> Settings:
        known = {item.name for item in fields(Settings)}
        for name in sorted(table.keys() - known):
            hint = f"; it is {_MOVED[name]} now" if name in _MOVED else ""
            self._problem(f"unknown setting {name!r}{hint}")
        values: dict[str, Any] = {
            name: self._typed(table, name, kind) for name, kind in _PLAIN.items() if name in table
        }
        for name in _PATHS:
            if name in table:
                values[name] = self._file(self._typed(table, name, str))
        values.setdefault("state", self._file("state"))
        for name in _LISTS:
            if name in table:
                values[name] = self._texts(table[name], name)
        if values.get("forge", ForgeKind.EMBEDDED) not in set(ForgeKind):
            self._problem(f"`forge` must be one of {', '.join(ForgeKind)}")
        if "app" in table:
            values["app"] = self._app(table["app"], values)
        for line in values.get("root_signers", ()):
            if key_id(line) is None:
                self._problem(f"`root_signers`: not an SSH public key: {line[:60]!r}")
        if "bundle_folders" in table:
            values["bundle_folders"] = tuple(map(self._file, self._texts(table["bundle_folders"], "bundle_folders")))
        values |= {name: self._secrets(table[name], name) for name in _SECRETS if name in table}
        values["registries"] = read_registries(table.get("registries", {}), self._file, self._problem)
        values["repository"] = self._repository(values.get("repository"))
        values["audit"] = self._audit(table.get("audit", {}), values["repository"])
        if self._problems:
            raise SpecError(self._problems)
        return Settings(**values)

    def _app(self, table: Any, values: Mapping[str, Any]) -> AppSource | None:
        fits = isinstance(table, dict) and table.keys() == {"id", "key"}
        if not fits or not all(isinstance(value, str) and value for value in table.values()):
            self._problem('`app` takes the id and the key file of a GitHub App: {id = "…", key = "…"}')
            return None
        if values.get("forge") != ForgeKind.GITHUB or values.get("token_variable"):
            self._problem(f'`app` is for forge = "{ForgeKind.GITHUB}" and stands in place of `token_variable`')
        return AppSource(table["id"], self._file(table["key"]))

    def _audit(self, table: Any, desired: str) -> AuditPlace:
        if not isinstance(table, dict) or table.keys() - _AUDIT.keys():
            self._problem(f"`audit` is a table of {', '.join(_AUDIT)}")
            return AuditPlace()
        wrong = [
            f"`audit.{name}` must be of type {_AUDIT[name].__name__}"
            for name in table
            if type(table[name]) is not _AUDIT[name]
        ]
        if wrong:
            self._problem("; ".join(wrong))
            return AuditPlace()
        place = AuditPlace(**table)
        if place.repository:
            place = replace(place, repository=self._repository(place.repository, "audit.repository"))
            if place.repository == desired:
                self._problem("`audit.repository` is the desired state's own, which it is without being named")
        if place.token_variable and not place.repository.startswith(("https://", "http://")):
            self._problem("`audit.token_variable` is for an `audit.repository` that is reached over https")
        return place

    def _repository(self, text: str | None, name: str = "repository") -> str:
        if not text:
            self._problem(f"`{name}` is missing: a URL or the path of a repository")
            return ""
        if carries_credentials(text):
            self._problem(f"`{name}`: {NO_CREDENTIALS}")
            return ""
        return text if "://" in text or "@" in text else str(self._file(text))

    def _secrets(self, table: Any, title: str) -> dict[str, SecretSource]:
        found: dict[str, SecretSource] = {}
        for name, entry in table.items() if isinstance(table, dict) else ():
            if not isinstance(entry, dict) or entry.keys() - {"path", "project", "addresses"}:
                self._problem(f"{title}.{name}: takes path, project and addresses")
                continue
            path = self._file(str(entry["path"])) if "path" in entry else None
            if (path is None) == (title == "files"):
                self._problem(f"{title}.{name}: `path` belongs to files, and is needed there")
            addresses = self._texts(entry.get("addresses", []), f"{title}.{name}.addresses")
            found[name] = SecretSource(
                path, name if title == "variables" else "", str(entry.get("project", "")), addresses
            )
        return found

    def _typed(self, table: dict[str, Any], name: str, kind: type) -> Any:
        value = table[name]
        if type(value) is not kind:
            self._problem(f"`{name}` must be of type {kind.__name__}")
            return None
        return value

    def _texts(self, value: Any, name: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._problem(f"`{name}` must be a list of strings")
            return ()
        return tuple(value)

    def _file(self, text: Any) -> Path:
        return (self._path.parent / str(text)).resolve()

    def _problem(self, message: str) -> None:
        self._problems.append(Problem(Place(str(self._path)), "validation_error", message))
