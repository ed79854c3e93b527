"""`reconciler init DIR`: keys, reconciler.toml, and a repository of three spec files that validates.

Makes files in one new or empty folder and nothing else. The person who runs it becomes the root signer and the admin.
"""

import getpass
import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.app.keys import age_recipient, make_keys
from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.errors import Refused
from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.keys import SigningKey
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision
from reconciler.ports import Clock
from reconciler.specs.kinds.fields import PERSON

POLICY = """\
apiVersion: opspilot.spec/v1
kind: Settings
metadata: {{name: settings}}
spec:
  allowSelfApproval: true # a team of one; take it out when there are two
---
apiVersion: opspilot.spec/v1
kind: User
metadata: {{name: {login}}}
spec:
  emails: [{email}]
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
ENVIRONMENT = """\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {name: dev}
spec:
  tier: dev
  runtimeType: k8s
  mode: external_managed
"""
README = """\
# Desired state

What runs where. Change a file, open a pull request, read its preview, merge.

Next: describe a cluster (kind Cluster, with a Credential) and a release (kind Release).
`reconciler schema export DIR` writes the fields of every kind for your editor.
"""


@dataclass(frozen=True, slots=True)
class Started:
    """What was made."""

    folder: Path
    config: Path
    repository: Path
    commit: Revision
    login: str
    key: Path
    recipient: str


def start(folder: Path, clock: Clock) -> Started:
    """Make everything under a folder that is new or empty. Raises Refused otherwise."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"starting in {folder}: it is not empty", key="resource_conflict", hint="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    login = _login()
    key = folder / f"{login}.key"
    signing = SigningKey.generate()
    signing.save(key)
    repository = folder / "desired-state.git"
    transport = Transport(folder / "state" / "cache" / "git-home")
    bare = BareRepository.create(repository, transport)
    files = {
        "policy.yaml": POLICY.format(login=login, email=f"{login}@localhost", key=signing.public.line).encode(),
        "environments/dev.yaml": ENVIRONMENT.encode(),
        "README.md": README.encode(),
    }
    person = Person(login, f"{login}@localhost", clock.now())
    commit = commit_tree(bare, files=files, parents=[], message="start", author=person, signer=signing)
    bare.set_ref("refs/heads/main", commit)
    config = folder / FILE_NAME
    config.write_text(_config(repository, signing.public.line), encoding="utf-8")
    keys = make_keys(load_settings(config))
    return Started(folder, config, repository, commit, login, key, age_recipient(keys))


def _login() -> str:
    name = getpass.getuser().lower()
    return name if re.fullmatch(PERSON, name) else "admin"


def _config(repository: Path, root_signer: str) -> str:
    return (
        "# Where trust begins: this file stands outside Git, and nothing in Git can change it.\n"
        f'repository = "{repository}"\n'
        'branch = "main"\n'
        'state = "state"\n'
        f'root_signers = ["{root_signer}"]\n'
        "# bundle_keys = []        keys that may sign install bundles\n"
        "# bundle_folders = []     where those bundles lie\n"
        "# accepted_addresses = [] host:port that a first preview may connect to\n"
        "# [files.NAME]            a secret file that a Credential may name: path, project, addresses\n"
    )
