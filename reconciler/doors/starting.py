"""`reconciler init`: everything that a first reconciler needs, in one folder, and nothing that is there is replaced.

Makes the reconciler's keys, a key for the person where none is named, reconciler.toml that trusts that person, and a
repository whose two spec files say who they are and where something may run. Connects to nothing.
"""

import getpass
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.app.keys import age_recipient, make_keys
from reconciler.app.settings import FILE_NAME, NO_CREDENTIALS, Settings, carries_credentials, load_settings
from reconciler.doors.adopting import Adopted, toml_lines
from reconciler.doors.orders import propose
from reconciler.doors.reading import read
from reconciler.errors import Refused, Unavailable
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.push import PushResult, push
from reconciler.git.refnames import branch as branch_ref
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.specs.kinds.fields import PERSON

REPOSITORY = "repository.git"
POLICY_PATH = "policy.yaml"
ACCESS = "access.yaml"
SECRETS = "secrets"
EXAMPLE = ("# [files.my-kubeconfig]", '# path = "secrets/my-kubeconfig"', '# project = "default"')
SPECS = "specs"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person said. Without `repository` one is made in the folder; without `key` one is made there."""

    folder: Path
    login: str
    email: str
    key: Path | None = None
    repository: str = ""
    branch: str = "main"
    adopted: Adopted | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What was made. `commit` is None where the specs are left for the person to commit."""

    config: Path
    repository: str
    key: Path
    commit: Revision | None
    specs: tuple[str, ...]
    signer: str
    recipient: str


def login_here() -> str:
    """The name of whoever runs this, where a User may have it."""
    name = getpass.getuser().lower()
    return name if re.fullmatch(PERSON, name) else "admin"


def begin(wanted: Wanted, clock: Clock) -> Begun:
    """Make it all. Raises Refused where a reconciler is there already, Unavailable where nothing can be written."""
    config = check_free(wanted)
    if not re.fullmatch(PERSON, wanted.login):
        raise Refused(f"starting as {wanted.login[:60]!r}: no User can have this name", key="validation_error")
    if carries_credentials(wanted.repository):
        raise Refused(f"starting with the repository's URL: {NO_CREDENTIALS}", key="validation_error")
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        key_path, key = _key(wanted)
        specs = first_specs(wanted.login, wanted.email, key.public.line)
        if wanted.adopted is not None and not wanted.repository:
            specs = {POLICY_PATH: specs[POLICY_PATH]}  # all else comes with what is adopted, in one plan
        _write_new(config, _toml(wanted, key.public.line))
        settings = load_settings(config, {})
        keys = make_keys(settings)
        commit = None if wanted.repository else _repository(wanted, settings, specs, key, clock)
        if wanted.adopted is not None:
            _write_new(wanted.folder / ACCESS, wanted.adopted.access)
            (wanted.folder / SECRETS).mkdir(mode=0o700, exist_ok=True)
        elif wanted.repository:
            _leave(wanted.folder / SPECS, specs)
    except OSError as error:
        raise Unavailable(f"writing to {wanted.folder}: {error.strerror}") from error
    return Begun(
        config=config,
        repository=settings.repository,
        key=key_path,
        commit=commit,
        specs=tuple(specs),
        signer=keys.signing.public.line,
        recipient=age_recipient(keys),
    )


def check_free(wanted: Wanted) -> Path:
    """Where its settings will stand. Raises Refused where a reconciler is there already."""
    config = wanted.folder / FILE_NAME
    if config.exists() or (wanted.folder / REPOSITORY).exists():
        raise Refused(
            f"starting in {wanted.folder}: there is a reconciler already",
            key="resource_conflict",
            hint="use it, or name another folder",
        )
    return config


def propose_adoption(wanted: Wanted, begun: Begun, clock: Clock) -> tuple[str, int | None]:
    """The branch that adopts, and its pull request; None where another forge has pages for that.

    In a repository that exists the branch brings the first policy, too: nothing is pushed to its tracked branch.
    Raises Refused, Unavailable.
    """
    found = wanted.adopted
    assert found is not None  # noqa: S101  asked where something is adopted
    reading = read(load_settings(begun.config, {}))
    key = SigningKey.load(begun.key)
    first = dict(first_specs(wanted.login, wanted.email, key.public.line))
    if not wanted.repository:
        del first[POLICY_PATH]  # it is there already, and travels alone
    files = {**first, **found.files}
    title = f"Adopt {found.namespace}/{found.name}"
    commit = commit_tree(
        reading.mirror.repository,
        files={path: text.encode() for path, text in files.items()},
        parents=(reading.revision,),
        message=f"{title}\n\nIt runs already; this changes nothing of it.\n",
        author=Person(wanted.login, wanted.email, clock.now()),
        signer=key,
    )
    branch = f"adopt-{found.name}"
    if not wanted.repository:
        body = (
            "What runs already becomes a release. The preview lists each field whose ownership moves; nothing restarts."
        )
        proposed = propose(reading, reading.desk(wanted.login, begun.key), branch, commit, title, body)
        return proposed.branch, proposed.number
    if push(reading.mirror.repository, reading.mirror.remote, branch_ref(branch), None, commit) is not PushResult.DONE:
        raise Refused(f"pushing {branch}: the branch exists already", key="resource_conflict")
    return branch, None


def first_specs(login: str, email: str, key: str) -> Mapping[str, str]:
    """The first spec files, by path: who may do what, and where something may run."""
    return {POLICY_PATH: _policy(login, email, key), "environments/dev.yaml": ENVIRONMENT}


def _key(wanted: Wanted) -> tuple[Path, SigningKey]:
    if wanted.key is not None:
        return wanted.key, SigningKey.load(wanted.key)
    path = wanted.folder / "keys" / wanted.login
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        SigningKey.generate().save(path)
    return path, SigningKey.load(path)


def _repository(
    wanted: Wanted, settings: Settings, specs: Mapping[str, str], key: SigningKey, clock: Clock
) -> Revision:
    made = BareRepository.create(Path(settings.repository), Transport(settings.cache / "git-home"))
    commit = commit_tree(
        made,
        files={path: text.encode() for path, text in specs.items()},
        parents=(),
        message="Start: who may do what, and a first environment\n",
        author=Person(wanted.login, wanted.email, clock.now()),
        signer=key,
    )
    made.set_ref(f"refs/heads/{wanted.branch}", commit)
    return commit


def _leave(folder: Path, specs: Mapping[str, str]) -> None:
    for path, text in specs.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _write_new(folder / path, text)


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _toml(wanted: Wanted, key: str) -> str:
    above, tables = toml_lines(wanted.adopted) if wanted.adopted is not None else ((), EXAMPLE)
    named = wanted.repository
    if named and "://" not in named and "@" not in named:
        named = str(Path(named).resolve())
    return "\n".join(
        (
            "# Where trust begins: this file stays on the reconciler's machine and nothing in Git can change it.",
            f"repository = {json.dumps(named or REPOSITORY)}",
            f"branch = {json.dumps(wanted.branch)}",
            "",
            "# Whoever holds one of these keys may approve the first plan and every later change of policy.",
            f"root_signers = [{json.dumps(key)}]",
            "",
            *((*above, "") if above else ()),
            "# Secrets that Credential specs may name; each is for one project, and where given for these addresses.",
            *tables,
            "",
        )
    )


def _policy(login: str, email: str, key: str) -> str:
    return f"""\
# Who may do what. Changes of policy travel in a pull request of their own.
apiVersion: opspilot.spec/v1
kind: Settings
metadata: {{name: settings}}
spec:
  allowSelfApproval: true # for a team of one: the approver's own merge is the approval
---
apiVersion: opspilot.spec/v1
kind: User
metadata: {{name: {login}}}
spec:
  emails: [{json.dumps(email)}]
  sshKeys: [{key}]
---
apiVersion: opspilot.spec/v1
kind: RoleBinding
metadata: {{name: admins}}
spec:
  role: admin
  subjects: [{{user: {login}}}]
  scope: {{}} # everywhere
"""


ENVIRONMENT_NAME = "dev"
ENVIRONMENT = """\
# A place where releases run. It exists already; `mode: platform_managed` has it installed on hosts of yours.
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {name: dev}
spec:
  tier: dev
  runtimeType: k8s
  mode: external_managed
"""
