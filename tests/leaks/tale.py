"""The whole story, told with canaries: each secret of it is one that can be searched for, and everything is kept that
anybody could read afterwards."""

import base64
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_ssh_private_key

from reconciler.app.settings import FILE_NAME
from reconciler.approval.decision import Verb
from reconciler.bundle.keys import generate_key
from reconciler.bundle.sign import sign
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.cluster_http import Asked
from reconciler.sandbox.world import BUNDLE, STAGING_TOKEN, World, example_folder
from tests.leaks import later
from tests.leaks.forms import Searcher
from tests.leaks.sinks import Text
from tests.leaks.watch import Watched, watching
from tests.story.clock import MovableClock
from tests.story.stage import RELEASE, Stage

ROOT = Path(__file__).parents[2]
MANIFESTS = "releases/svc-a/manifests"
DEPLOYMENT = f"{MANIFESTS}/deployment.yaml"
SECRET = f"{MANIFESTS}/secret.yaml"
STAGING = "releases/svc-a/staging.yaml"
CONFIG = f"{MANIFESTS}/configmap.yaml"
LIVE_SECRET = "api/v1/namespaces/svc-a/secrets/svc-a-db"


def canary(name: str) -> str:
    """A text of 24 letters and digits that stands nowhere else, the same in every run."""
    digest = sha256(f"canary {name}".encode()).digest()
    return base64.b32encode(digest).decode()[:24]


# Written by people into files of the repository, where Git keeps them whole, and taken out of everything made of them.
COMMITTED = {name: canary(name) for name in ("data", "string data", "variable", "argument", "url", "changed data")}
# Known to nobody but a target, which says them in places where it should not.
_TOLD = "hook log, hook stderr, hook key, hook flag, hook header, live data, live config, webhook"
TOLD = {name: canary(name) for name in _TOLD.split(", ")}

# In Git encrypted, or known to nobody but the cluster: in plain text nowhere.
SEALED = {name: canary(name) for name in ("sealed", "sealed anew", "sealed by hand")}


class TalkativeCluster(SandboxCluster):
    """Refuses what it is told to refuse, and quotes the object in every part of its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = ""  # a plural
        self.by_webhook = False

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if self.refusing and asked.method == "PATCH" and f"/{self.refusing}/" in asked.path:
            quoted = json.dumps(asked.body)
            said = f'admission webhook "w.invalid" denied the request: token={TOLD["webhook"]} in {quoted}'
            words = said if self.by_webhook else f"{asked.path} is invalid: data: Invalid value: {quoted}: no"
            cause = {"reason": "FieldValueInvalid", "field": "data", "message": f"Invalid value: {quoted}: no"}
            return HTTPStatus.UNPROCESSABLE_ENTITY, {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": words,
                "reason": "Invalid",
                "code": 422,
                "details": {"causes": [] if self.by_webhook else [cause]},
            }
        return super()._answer(asked)


HOOK = f"""
log INFO "password={TOLD["hook log"]}"
log INFO "kubeadm join 10.0.0.1:6443 --token {TOLD["hook flag"]} --discovery-token-ca-cert-hash sha256:00"
log INFO 'Authorization: Bearer {TOLD["hook header"]}'
printf -- '-----BEGIN PRIVATE KEY-----\\n{TOLD["hook key"]}\\n-----END PRIVATE KEY-----\\n'
printf 'registry_password: "%s"\\n' '{TOLD["hook stderr"]}' >&2
if [[ $OPS_RUNTIME_TYPE == compose && ! -e $OPSPILOT_ROOT/tried ]]; then touch "$OPSPILOT_ROOT/tried"; exit 7; fi
"""


class TalkativeWorld(World):
    """The sandbox's world, with a bundle whose first hook says what it knows, and fails once."""

    def _bundle(self) -> None:
        target = self.folder / "bundles" / BUNDLE
        shutil.copytree(example_folder() / BUNDLE, target)
        with (target / "hooks" / "preflight.sh").open("a", encoding="utf-8") as hook:
            hook.write(HOOK)
        private, public = generate_key()
        sign(target, private)
        (self.folder / "keys" / "bundle.pub").write_text(str(public), encoding="utf-8")


@dataclass(slots=True)
class Tale:
    """A story that was told."""

    stage: Stage
    folder: Path
    watched: Watched
    logs: io.StringIO
    faults: list[str] = field(default_factory=list)
    typed: list[Text] = field(default_factory=list)
    secrets: dict[str, str | bytes] = field(default_factory=dict)
    _searcher: Searcher | None = None
    _found: dict[bytes, list[str]] = field(default_factory=dict)

    def leaks_in(self, content: bytes) -> list[str]:
        """Which secrets of the story are in it; the same content is searched once."""
        key = sha256(content).digest()
        if key not in self._found:
            self._searcher = self._searcher or Searcher(self.secrets)
            self._found[key] = self._searcher.found(content)
        return self._found[key]

    @property
    def world(self) -> World:
        return self.stage.world

    def settle(self) -> None:
        self.faults += self.stage.settle()

    def type(self, *words: str) -> int:
        """A verb in a process of its own, with everything that it says and starts kept."""
        kept = self.folder / "kept"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "400",
            STAGING_TOKEN: os.environ[STAGING_TOKEN],
        }
        config = ("--config", str(self.world.home / FILE_NAME))
        seen = subprocess.run(
            [sys.executable, "-m", "tests.leaks.verb", str(kept), *config, *words],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        what = " ".join(words)
        self.typed += [Text("stdout", what, seen.stdout), Text("stderr", what, seen.stderr)]
        self.typed.append(Text("what a verb started or removed", what, kept.read_bytes()))
        return seen.returncode


@contextmanager
def told(folder: Path) -> Iterator[Tale]:
    """Plays it. Everything of the world lies below `folder / "world"`; TMPDIR is `folder / "tmp"`."""
    (folder / "tmp").mkdir()
    logs, clock = io.StringIO(), MovableClock()
    made = TalkativeWorld(folder / "world", clock=clock, make_cluster=lambda _: TalkativeCluster())
    before, tmp = structlog.get_config(), tempfile.tempdir
    tempfile.tempdir = str(folder / "tmp")
    handler = logging.StreamHandler(logs)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(
        processors=before["processors"],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(logs),
        cache_logger_on_first_use=False,
    )
    try:
        with watching() as watched:
            stage = Stage.on(made, clock)
            tale = Tale(stage, folder, watched, logs)
            _play(tale)
        yield tale
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.configure(**before)
        tempfile.tempdir = tmp
        made.close()


def _play(tale: Tale) -> None:
    stage = tale.stage
    _first(tale)
    number = stage.propose({RELEASE: _release(stage, "v2.0.1"), **_manifests(stage)}, branch="secrets")
    tale.faults += stage.world.opened.reconciler.faults
    stage.approve(number)
    stage.merge(number)
    _refused(tale, "secrets", "v2.0.2")
    _refused(tale, "configmaps", "v2.0.3", by_webhook=True)
    for tag in ("v2.0.4-broken", "v2.0.5"):
        number = stage.propose({RELEASE: _release(stage, tag)}, branch=tag)
        stage.approve(number)
        stage.merge(number)
    later.play(tale, _release(stage, "v2.0.5"), _parts(stage), SEALED)
    later.drifts(tale, SEALED["sealed by hand"])
    _drift(tale)
    stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="again")
    tale.settle()
    stage.restart()
    tale.settle()
    _gather(tale)


def _first(tale: Tale) -> None:
    """The first plan: hooks say too much, and one fails."""
    tale.stage.accept_first()
    tale.stage.desk("root").order("environment/env-compose-prod", Verb.RETRY, reason="again")
    tale.settle()


def _refused(tale: Tale, plural: str, tag: str, *, by_webhook: bool = False) -> None:
    """A change that the dry run accepts and the server refuses when it is meant."""
    stage = tale.stage
    cluster = stage.world.clusters["prod"]
    assert isinstance(cluster, TalkativeCluster)
    changed = _secret(COMMITTED["changed data"] + tag.replace(".", ""), COMMITTED["string data"])
    number = stage.propose({RELEASE: _release(stage, tag), SECRET: changed}, branch=f"refused-{plural}")
    stage.approve(number)
    cluster.refusing, cluster.by_webhook = plural, by_webhook
    stage.merge(number)
    tale.faults += stage.world.opened.reconciler.faults
    another = stage.propose({RELEASE: _release(stage, f"{tag}-again")}, branch=f"previewed-{plural}")
    tale.faults += stage.world.opened.reconciler.faults
    cluster.refusing = ""
    tale.settle()
    stage.desk("dev_user").person().close(another)
    tale.settle()


def _drift(tale: Tale) -> None:
    """Somebody changes what is live, to values that stand nowhere in Git."""
    cluster = tale.world.sandbox("prod")
    value = base64.b64encode(TOLD["live data"].encode()).decode()
    cluster.edit(LIVE_SECRET, {"data": {"password": value}})
    cluster.edit("api/v1/namespaces/svc-a/configmaps/svc-a", {"data": {"DB_PASSWORD": TOLD["live config"]}})
    tale.world.opened.reconciler.look_for_drift()
    over = tale.stage.propose({RELEASE: _release(tale.stage, "v2.0.6")}, branch="over-drift")
    tale.faults += tale.world.opened.reconciler.faults
    tale.stage.desk("dev_user").person().close(over)
    tale.settle()


def _release(stage: Stage, tag: str) -> str:
    text = stage.release_text(tag)
    return text.replace(f"image_tag: {tag}", f"image_tag: {tag}\n    db_password: {COMMITTED['variable']}")


def _manifests(stage: Stage) -> Mapping[str, str]:
    example = stage.world.example()
    environment = (
        "          env:\n"
        f"            - {{name: DB_PASSWORD, value: {COMMITTED['argument']}}}\n"
        f"            - {{name: DB, value: 'postgres://svc:{COMMITTED['url']}@db.invalid/x'}}\n"
        f"          args: [--password, {COMMITTED['argument']}, '--token={COMMITTED['argument']}']\n"
    )
    return {
        STAGING: example[STAGING] + f"    db_password: {COMMITTED['variable']}\n",
        SECRET: _secret(COMMITTED["data"], COMMITTED["string data"]),
        CONFIG: example[CONFIG] + "  DB_PASSWORD: ${db_password}\n",
        DEPLOYMENT: example[DEPLOYMENT].replace("          envFrom:\n", environment + "          envFrom:\n"),
    }


def _parts(stage: Stage) -> dict[str, str]:
    """The files of the release's source by name."""
    found = {**stage.world.example(), **_manifests(stage)}
    return {path.rpartition("/")[2]: text for path, text in found.items() if path.startswith(f"{MANIFESTS}/")}


def _secret(data: str, string_data: str) -> str:
    encoded = base64.b64encode(data.encode()).decode()
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: svc-a-db}\n"
        f"data: {{password: {encoded}}}\nstringData: {{url: 'postgres://svc:{string_data}@db.invalid/x'}}\n"
    )


def _gather(tale: Tale) -> None:
    """What is searched for: the canaries, and every secret that was made for this world."""
    world = tale.world
    tale.secrets = {**COMMITTED, **TOLD, **SEALED}
    for name, cluster in world.clusters.items():
        tale.secrets[f"token of cluster {name}"] = cluster.token
    for path in (*(world.folder / "keys").iterdir(), *(world.home / "state" / "keys").iterdir()):
        text = path.read_text(encoding="ascii").strip()
        if "OPENSSH" in text:
            private = load_ssh_private_key(text.encode(), password=None)
            raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            tale.secrets[f"key {path.name}"] = raw
        elif path.name not in {"audit_tip", "bundle.pub"}:
            # how every age identity begins is no secret, and stands in the pattern that hides them
            tale.secrets[f"key {path.name}"] = text.removeprefix("AGE-SECRET-KEY-1")
