"""What `doctor` looks at: settings with their source, keys, repository, audit, bundles, secrets. Changes nothing.

Every look is one row; a row that fails never keeps the others from being looked at.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from reconciler.app.clock import SystemClock
from reconciler.app.keys import age_recipient, load_keys
from reconciler.app.settings import ENVIRONMENT_PREFIX, FILE_NAME, AuditPlace, SecretSource, Settings
from reconciler.app.wiring import api_forge, audit_forge, charts_of, open_mirror, registries_of, renderer_of
from reconciler.approval.persons import ForgeKind
from reconciler.bundle.folder import FolderBundles
from reconciler.bundle.index import PATH as INDEX
from reconciler.bundle.keys import read_public_key
from reconciler.bundle.verify import verify
from reconciler.doors.advice import advice
from reconciler.doors.forge_health import Finding, audit_findings, forge_findings
from reconciler.doors.reading import Json, Reading, Where, operator_settings, read, settings_of
from reconciler.doors.run import alone
from reconciler.errors import ReconcilerError, Refused
from reconciler.git.keys import SigningKey
from reconciler.git.transport import Transport
from reconciler.names import SHORT
from reconciler.ports import ForgeInspector
from reconciler.registries.source import RegistrySource
from reconciler.rendering.helm import Helm
from reconciler.rendering.kustomize import Kustomize

OLDEST_GIT = (2, 38)
OTHERS = 0o077
UNWELL = {
    "failed": ("did not end well", "reconciler describe, then retry"),
    "rollback_failed": ("did not go back", "reconciler describe says the ways on; a retry goes forward again"),
}
UNSHARED = "run as root, or allow user namespaces; what it reads was looked through for addresses already"


def examine(where: Where) -> Json:
    """Everything, as plain values. Raises SpecError only where the settings themselves cannot be read."""
    operator = not where.repository
    settings = operator_settings(where) if operator else settings_of(where)
    found = list(_findings(settings, where, operator=operator))
    return {
        "settings": _settings(settings, where.config or Path(FILE_NAME), operator=operator),
        "checks": [asdict(one) for one in found],
        "backup": _backup(settings) if operator else [],
        "public": _public(settings) if operator else {},
    }


def _findings(settings: Settings, where: Where, *, operator: bool) -> Iterator[Finding]:
    yield from _git(settings_of(where))
    yield _tool("kustomize", renderer_of(settings_of(where)), "kustomizations")
    yield _tool("helm", charts_of(settings_of(where)), "charts")
    reading: list[Reading] = []
    yield from _tried("repository", lambda: _repository(where, reading))
    for one in reading:
        yield from _state(one)
    if operator:
        yield from _tried("keys", lambda: _keys(settings))
        if settings.forge_kind is not ForgeKind.EMBEDDED:
            yield from _tried("forge", lambda: _forge(settings))
        if settings.audit.repository:
            yield from _tried("audit branch", lambda: _audit_apart(settings))
        for one in reading:
            yield from _tried("audit key", lambda one=one: _audit_key(settings, one))  # type: ignore[misc]
        yield from _tried("root signers", lambda: _roots(settings))
        yield from _secrets(settings)
        yield from _bundles(settings)
        yield from _registries(settings)
        yield _webhooks(settings)
        yield _running(settings)


def _tried(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except ReconcilerError as error:
        yield Finding(name, "error", f"{error.key}: {error.message}", error.hint())


def _git(settings: Settings) -> Iterator[Finding]:
    def look() -> Iterator[Finding]:
        text = Transport(settings.cache / "git-home").run(["--version"]).text
        found = re.search(r"(\d+)\.(\d+)", text)
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        fine = version >= OLDEST_GIT
        yield Finding("git", "ok" if fine else "error", text, "" if fine else "install git 2.38 or newer")

    yield from _tried("git", look)


def _tool(name: str, renderer: Kustomize | Helm, sources: str) -> Finding:
    """Which tool renders sources, and how far it can be limited here."""
    try:
        tool = renderer.tool()
    except ReconcilerError as error:
        why = error.message.partition(": ")[2]
        return Finding(name, "ok", f"not found ({why}): releases from {sources} are blocked ({error.key})")
    words = f"{tool.version} of {tool.path}, {tool.mode}"
    if not tool.cut_off:
        return Finding(name, "warn", f"{words}; its network cannot be taken away here", UNSHARED)
    return Finding(name, "ok", f"{words}, without network")


def _repository(where: Where, reading: list[Reading]) -> Iterator[Finding]:
    one = read(settings_of(where))
    reading.append(one)
    yield Finding("repository", "ok", f"{one.settings.repository} answers")
    if one.settings.audit.repository:
        yield Finding("audit repository", "ok", f"{one.settings.audit.repository} answers")


def _state(reading: Reading) -> Iterator[Finding]:
    branch = reading.settings.branch
    if reading.tip is None:
        yield Finding("branch", "error", f"there is no branch {branch}", "push a first commit to it")
        return
    problems = len(reading.desired().problems)
    status = "error" if problems else "ok"
    hint = f"reconciler validate {reading.settings.repository} --rev {branch}" if problems else ""
    yield Finding("branch", status, f"{branch} at {reading.tip[:SHORT]}, problems in specs: {problems}", hint)
    ledger = reading.ledger
    if reading.audit is None or ledger.trusted is None:
        yield Finding("trust", "warn", "no policy is trusted yet", "reconciler run --trust COMMIT")
    else:
        yield Finding("trust", "ok", f"policy trusted at {ledger.trusted[:SHORT]}, {len(ledger.policies)} accepted")
    if reading.audit is not None:
        words = f"{len(reading.events)} events, {reading.audit[:SHORT]} signed by {reading.fingerprint}"
        yield Finding("audit", "ok", words)
    if ledger.stopped is not None:
        words = f"the branch was {ledger.stopped.reason}; it stood at {ledger.stopped.last[:SHORT]}"
        yield Finding("history", "error", f"history_rewritten: {words}", "bring the branch back to a descendant of it")
    if ledger.waiting:
        yield Finding("waiting", "warn", f"waits for people: {', '.join(sorted(ledger.waiting))}", "reconciler inbox")
    yield from _unwell(reading)


def _unwell(reading: Reading) -> Iterator[Finding]:
    for unit, one in reading.stopped().items():
        hint = "; ".join(advice(reading, unit, one)[:1])
        yield Finding("traffic", "error" if one.left else "warn", f"{unit}: {one.words}", hint)
    for outcome, (words, hint) in UNWELL.items():
        units = sorted(unit for unit, state in reading.ledger.units.items() if state.outcome == outcome)
        if units:
            yield Finding("rollouts", "warn", f"{words}: {', '.join(units)}", hint)


def _forge(settings: Settings) -> Iterator[Finding]:
    key = SigningKey.load(settings.signing_key).public.line
    forge = api_forge(settings, open_mirror(settings), SystemClock(), key)
    try:
        if isinstance(forge, ForgeInspector):
            yield from forge_findings(forge, settings, _tried)
        else:
            yield Finding("forge", "warn", f"how {settings.forge} is protected is not looked at", "see docs/forges")
    finally:
        forge.close()


def _audit_apart(settings: Settings) -> Iterator[Finding]:
    """Who else may write the audit branch, where it is in a repository of its own."""
    forge = audit_forge(settings, SystemClock(), SigningKey.load(settings.signing_key).public.line)
    if not isinstance(forge, ForgeInspector):
        words = f"who else may write {settings.audit.repository} cannot be seen from here"
        hint = "let nobody but the reconciler push to reconciler/audit there"
        yield Finding("audit branch", "ok" if settings.audit.shared else "warn", words, hint)
        return
    try:
        yield from audit_findings(forge, settings, _tried)
    finally:
        forge.close()


def _keys(settings: Settings) -> Iterator[Finding]:
    load_keys(settings)
    paths = (settings.signing_key.parent, settings.signing_key, settings.hmac_key, settings.age_identity)
    yield _private("keys", (*paths, settings.app.key) if settings.app else paths)


def _private(name: str, paths: tuple[Path, ...], status: str = "error") -> Finding:
    open_to_others = [str(path) for path in paths if path.exists() and path.stat().st_mode & OTHERS]
    if open_to_others:
        listed = ", ".join(open_to_others)
        return Finding(name, status, f"others may read {listed}", f"chmod go-rwx {' '.join(open_to_others)}")
    return Finding(name, "ok", f"{', '.join(path.name for path in paths)}: only the owner may read them")


def _audit_key(settings: Settings, reading: Reading) -> Iterator[Finding]:
    own = SigningKey.load(settings.signing_key).public
    if reading.signer and reading.signer != own.line:
        words = f"the audit branch was last signed by {reading.fingerprint}, our key is {own.fingerprint}"
        yield Finding("audit key", "warn", words, "fine where several reconcilers share it; look otherwise")


def _roots(settings: Settings) -> Iterator[Finding]:
    if not settings.root_signers:
        yield Finding("root signers", "error", "none: nobody can approve the first plan", "add your public key")
    else:
        yield Finding("root signers", "ok", f"{len(settings.root_signers)} named")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for name, source in sorted(settings.files.items()):
        if source.path is None or not source.path.is_file():
            yield Finding(f"file {name}", "error", f"{source.path} is not there", "correct files in reconciler.toml")
        else:
            yield _private(f"file {name}", (source.path,), "warn")
    for name in sorted(settings.variables):
        there = name in os.environ
        hint = "" if there else "set it where the reconciler runs"
        yield Finding(f"variable {name}", "ok" if there else "warn", "is set" if there else "is not set here", hint)


def _bundles(settings: Settings) -> Iterator[Finding]:
    if not settings.bundle_folders:
        return
    yield from _tried("bundle keys", lambda: _trusted(settings))
    for folder in settings.bundle_folders:
        roots = (
            [folder] if (folder / INDEX).is_file() else sorted(one.parent.parent for one in folder.glob(f"*/{INDEX}"))
        )
        if not roots:
            yield Finding(f"bundle {folder.name}", "warn", f"no bundle is in {folder}", "reconciler bundle index")
        for root in roots:
            yield from _tried(f"bundle {root.name}", lambda root=root: _bundle(root, settings))  # type: ignore[misc]


def _trusted(settings: Settings) -> Iterator[Finding]:
    FolderBundles((), settings.bundle_keys)  # refuses a key that cannot be used
    number = len(settings.bundle_keys)
    yield Finding("bundle keys", "ok" if number else "error", f"{number} trusted", "" if number else "add bundle_keys")


def _bundle(root: Path, settings: Settings) -> Iterator[Finding]:
    bundle = verify(root, [read_public_key(text) for text in settings.bundle_keys])
    yield Finding(f"bundle {root.name}", "ok", f"version {bundle.version}, {len(bundle.files)} files as signed")


def _registries(settings: Settings) -> Iterator[Finding]:
    def look(host: str) -> Iterator[Finding]:
        source = settings.registries[host]
        registries_of(settings).check(host)
        yield Finding(f"registry {host}", "ok", f"{source.url} answers{_as(source)}")
        if source.password_file is not None:
            yield _private(f"registry {host}", (source.password_file,), "warn")

    for host in sorted(settings.registries):
        yield from _tried(f"registry {host}", lambda host=host: look(host))  # type: ignore[misc]


def _as(source: RegistrySource) -> str:
    return f", and takes us for {source.username}" if source.has_credential else ""


def _webhooks(settings: Settings) -> Finding:
    name = settings.webhook_secret_variable
    if not name:
        return Finding("webhooks", "ok", "none are received; the repository is polled")
    if not os.environ.get(name, "").strip():
        hint = "set it where the reconciler runs; until then the repository is polled"
        return Finding("webhooks", "warn", f"the variable {name} is not set here", hint)
    return Finding("webhooks", "ok", f"`reconciler serve` receives them at {settings.listen}")


def _running(settings: Settings) -> Finding:
    try:
        with alone(settings.state):
            return Finding("process", "ok", "no reconciler runs with this state folder now")
    except Refused:
        return Finding("process", "ok", "a reconciler runs with this state folder")
    except ReconcilerError as error:
        return Finding("process", "error", error.message)


def _settings(settings: Settings, path: Path, *, operator: bool) -> list[Json]:
    """Every setting with its value and where it is from. Secrets are sources here, never values."""
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8")) if operator else {}
    except (OSError, tomllib.TOMLDecodeError):
        written = {}
    rows = []
    for item in fields(Settings):
        variable = ENVIRONMENT_PREFIX + item.name.upper()
        source = variable if variable in os.environ else path.name if item.name in written else "default"
        rows.append({"setting": item.name, "value": _value(getattr(settings, item.name)), "source": source})
    return rows


def _value(value: Any) -> Any:
    match value:
        case Mapping():
            return sorted(f"{name} ({_bounds(source)})" for name, source in value.items())
        case AuditPlace():
            return (value.repository or "in the repository") + (", shared" if value.shared else "")
        case tuple():
            return [str(one) for one in value]
        case bool() | int() | None:
            return value
        case _:
            return str(value)


def _bounds(source: SecretSource | RegistrySource) -> str:
    if isinstance(source, RegistrySource):
        return f"as {source.username}" if source.has_credential else "as nobody"
    return f"project {source.project or 'any'}"


def _backup(settings: Settings) -> list[Json]:
    """What a backup needs: everything else is rebuilt from Git."""
    wanted = (
        (settings.signing_key, "signs audit commits"),
        (settings.hmac_key, "says whether a secret changed"),
        (settings.age_identity, "opens sealed Credentials"),
        (settings.audit_tip, "the last audit commit that was seen"),
        *(((settings.app.key, "proves that we are the GitHub App"),) if settings.app else ()),
    )
    return [{"path": str(path), "what": what, "present": path.exists()} for path, what in wanted]


def _public(settings: Settings) -> Json:
    """The public halves of our keys, for people who verify and seal."""
    try:
        keys = load_keys(settings)
    except ReconcilerError:
        return {}
    public = keys.signing.public
    return {"signing_key": public.line, "fingerprint": public.fingerprint, "age_recipient": age_recipient(keys)}
