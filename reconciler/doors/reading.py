"""One reading of the repository for whoever stands at a door: desired state, audit, tickets, pull requests.

Needs no key of the reconciler and no secret, connects to the repository alone and writes nothing there: everything is
rebuilt from Git in the person's own mirror. The rule: who signed the audit branch is remembered at the first reading,
and another signer stops every later one, so nobody who can push there shows people a preview that is not ours.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.app.clock import SystemClock
from reconciler.app.desire import Desires
from reconciler.app.settings import FILE_NAME, NO_CREDENTIALS, AuditPlace, Settings, carries_credentials, load_settings
from reconciler.app.wiring import charts_of, keys_at, open_audit_mirror, open_mirror, renderer_of, repository_id
from reconciler.approval.persons import Person as PolicyPerson
from reconciler.approval.policy import Policy
from reconciler.bundle.folder import FolderBundles
from reconciler.doors.people import Desk
from reconciler.doors.traffic import Stopped, stopped
from reconciler.doors.view import View, read_view
from reconciler.errors import Refused, Untrusted
from reconciler.forges.embedded.ledger import Ledger as ForgeLedger
from reconciler.git.keys import PublicKey, SigningKey
from reconciler.git.mirror import Mirror
from reconciler.machine.ledger import Ledger
from reconciler.names import Revision
from reconciler.plan.change import Plan
from reconciler.ports import Clock
from reconciler.specs.cache import SqliteCache
from reconciler.specs.desired import Desired
from reconciler.state.event import Event

Json = dict[str, Any]
SIGNERS = "audit_signers"  # a file in the person's state: one public key a line


@dataclass(frozen=True, slots=True)
class Where:
    """Which repository, as a person named it: by a reconciler.toml, or by itself."""

    config: Path | None = None
    repository: str = ""
    branch: str = ""
    key: Path | None = None  # lends itself to ssh where nothing else is named


def settings_of(where: Where, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a person's machine: state in their own cache folder, whatever reconciler.toml says of state.

    Raises SpecError where the file is wrong, Refused where nothing is named.
    """
    env = os.environ if environment is None else environment
    named = where.repository or ("" if where.config else env.get("RECONCILER_REPOSITORY", ""))
    path = where.config or Path(FILE_NAME)
    if where.repository or (named and not path.exists()):
        audit = env.get("RECONCILER_AUDIT_REPOSITORY", "")
        settings = Settings(
            repository=_located(named),
            branch=where.branch or env.get("RECONCILER_BRANCH", "main"),
            audit=AuditPlace(_located(audit)) if audit else AuditPlace(),
        )
        settings = _with_ssh(settings, where.key, env)
    elif where.config or path.exists():
        settings = load_settings(path, env)
        settings = replace(settings, branch=where.branch) if where.branch else settings
    else:
        raise Refused(
            f"looking for the repository: there is no {FILE_NAME} here",
            key="validation_error",
            hint="name one with --config FILE, or the repository with --repo PATH_OR_URL",
        )
    return replace(settings, state=_cache(env) / repository_id(settings)[:16])


def operator_settings(where: Where) -> Settings:
    """The reconciler's own settings, for verbs that need its keys. Raises SpecError where the file is wrong."""
    if where.repository:
        raise Refused(
            "opening the reconciler: this needs its own settings and keys",
            key="permission_denied",
            hint="run it on its machine, with --config FILE",
        )
    settings = load_settings(where.config or Path(FILE_NAME))
    return replace(settings, branch=where.branch) if where.branch else settings


def _located(text: str) -> str:
    if carries_credentials(text):
        raise Refused(f"reading the repository's URL: {NO_CREDENTIALS}", key="validation_error")
    return text if "://" in text or "@" in text else str(Path(text).resolve())


def _with_ssh(settings: Settings, key: Path | None, env: Mapping[str, str]) -> Settings:
    identity = env.get("RECONCILER_GIT_IDENTITY", str(key.resolve()) if key is not None else "")
    known = env.get("RECONCILER_GIT_KNOWN_HOSTS", str(Path(env.get("HOME", "/")) / ".ssh" / "known_hosts"))
    return replace(settings, git_identity=Path(identity) if identity else None, git_known_hosts=Path(known))


def _cache(env: Mapping[str, str]) -> Path:
    """https://specifications.freedesktop.org/basedir-spec: a relative value is to be ignored."""
    named = env.get("XDG_CACHE_HOME", "")
    folder = Path(named) if named.startswith("/") else Path(env.get("HOME", "/tmp")) / ".cache"  # noqa: S108
    return folder / "reconciler"


@dataclass(slots=True)
class Reading:
    """The repository as it stood at one look. `tip` is the tracked branch's, `view` the audit branch."""

    settings: Settings
    desires: Desires
    clock: Clock
    tip: Revision | None
    view: View

    @property
    def mirror(self) -> Mirror:
        """The person's own mirror of the desired state."""
        return self.desires.mirror

    @property
    def ledger(self) -> Ledger:
        """What the audit branch says, folded."""
        return self.view.ledger

    @property
    def events(self) -> Sequence[Event]:
        """Every event, in the order in which it was appended."""
        return self.view.events

    @property
    def audit(self) -> Revision | None:
        """The tip of the audit branch."""
        return self.view.tip

    @property
    def signer(self) -> str:
        """The public key that signed the tip of the audit branch; empty where there is none."""
        return self.view.signer

    def stopped(self) -> Mapping[str, Stopped]:
        """Releases without traffic, by unit (G23)."""
        found = stopped(self.events, self.ledger, lambda path: Plan.model_validate_json(self.view.file(path)))
        return {one.unit: one for one in found}

    @property
    def repository(self) -> str:
        """What decisions are bound to: as the first event says, before there is one as the settings name it (G5)."""
        return self.view.repository or repository_id(self.settings)

    @property
    def fingerprint(self) -> str:
        """The signer of the audit branch as people compare keys; empty where there is no audit branch."""
        return PublicKey.parse(self.signer).fingerprint if self.signer else ""

    @property
    def revision(self) -> Revision:
        """The tip of the tracked branch. Raises Refused where there is none."""
        if self.tip is None:
            raise Refused(
                f"reading branch {self.settings.branch} of {self.settings.repository}: there is none",
                key="validation_error",
                hint="push a first commit to it, or name another with --branch",
            )
        return self.tip

    def desired(self) -> Desired:
        """What the tracked branch says."""
        return self.desires.at(self.revision).desired

    def policy(self) -> Policy:
        """The policy in force: the last accepted one (G2)."""
        forge = self.settings.forge_kind
        accepted = self.desires.at(self.ledger.policies[-1][1]).desired if self.ledger.policies else Desired()
        try:
            return Policy.of(
                accepted.settings,
                accepted.roles,
                accepted.users,
                accepted.bindings,
                root_signers=self.settings.root_signers,
                forge=forge,
            )
        except ValueError as error:
            raise Refused(str(error), key="validation_error", hint="correct reconciler.toml") from error

    def forge(self) -> ForgeLedger:
        """The embedded forge's log, for reading."""
        return ForgeLedger(
            self.mirror,
            repository_id=self.repository,
            logins=lambda login: keys_at(self.desires, self.revision, login),
            our_keys=(self.signer,) if self.signer else (),
            clock=self.clock,
        )

    def desk(self, login: str, key: Path) -> Desk:
        """The person's desk. An empty login is found by the key. Raises Refused where the key cannot be used."""
        signing = SigningKey.load(key)
        name = login or self._login(signing.public.line)
        return Desk(self.settings, self.mirror, self.desires, name, signing, self.clock, named=self.repository)

    def person(self, login: str) -> PolicyPerson:
        """Who a login is under the policy in force. Raises Refused where nobody, or more than one, is."""
        found = self.policy().persons.by_login(login) if login else None
        if found is None:
            raise Refused(
                f"looking for {login or 'you'}: no one User of the policy in force has this login",
                key="permission_denied",
                hint="name your login with --as LOGIN",
            )
        return found

    def login_of(self, key: Path) -> str:
        """The login that a key speaks for; `root` for a root signer, empty where it is nobody's."""
        return self._login(SigningKey.load(key).public.line)

    def is_root(self, key: Path | None) -> bool:
        """Whether reconciler.toml names this key among its root signers."""
        return key is not None and self.policy().is_root(SigningKey.load(key).public.line)

    def _login(self, line: str) -> str:
        for name, user in sorted(self.desired().users.items()) if self.tip is not None else ():
            if any(PublicKey.parse(known).line == line for known in user.spec.ssh_keys):
                return user.spec.logins.embedded or name
        return "root" if self.policy().is_root(line) else ""


def read(settings: Settings, clock: Clock | None = None) -> Reading:
    """Look at the repository and fold its audit. Raises Unavailable, Untrusted(audit_diverged)."""
    mirror = open_mirror(settings)
    try:
        view = read_view(mirror, open_audit_mirror(settings, mirror))
    except (ValueError, KeyError) as error:  # signed, and still not what we write: never guessed at
        raise Untrusted(f"reading the audit branch: {error}", key="audit_diverged") from error
    if view.tip is not None:
        _check_signer(view.signer, view.tip, settings.state / SIGNERS)
    # a person's machine never compares secrets, so its HMAC key only has to be stable
    tag = hashlib.sha256(b"desk").digest()
    cache = SqliteCache(settings.cache / "specs.sqlite")
    tools = renderer_of(settings), None, charts_of(settings)
    desires = Desires(mirror, cache, FolderBundles((), ()), tag, settings.branch, *tools)
    tip = mirror.refs().get(f"refs/heads/{settings.branch}")
    return Reading(settings, desires, clock or SystemClock(), tip, view)


def _check_signer(found: str, audit: Revision, remembered: Path) -> None:
    """Remember the first signer, and refuse any other until a person adds it."""
    if not found:
        raise Untrusted(f"reading the audit branch: {audit[:12]} is not verifiably signed", key="audit_diverged")
    known = remembered.read_text(encoding="utf-8").splitlines() if remembered.exists() else []
    if not known:
        remembered.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remembered.write_text(found + "\n", encoding="utf-8")
    elif found not in known:
        raise Untrusted(
            f"reading the audit branch: {audit[:12]} is signed by {PublicKey.parse(found).fingerprint}, "
            "which did not sign it before",
            key="audit_diverged",
            hint=f"ask whoever runs the reconciler; if its key did change, add the new one to {remembered}",
        )
