"""The later parts of the tale: a Secret that SOPS encrypted, a Job before its rollout, and drift of it.

Its values stand nowhere in plain text but on the cluster.
"""

import base64
from typing import TYPE_CHECKING

import yaml

from reconciler.app.keys import age_recipient
from reconciler.specs.sealed import BOUND
from tests.failpoints.scenes import job
from tests.specs.sealing import sealed
from tests.story.stage import RELEASE, Stage

if TYPE_CHECKING:
    from tests.leaks.tale import Tale

FOLDER = "releases/svc-a/private"  # of production alone: the Secret is bound to it
SECRET, JOB = f"{FOLDER}/sealed.yaml", f"{FOLDER}/jobs.yaml"
LIVE = "api/v1/namespaces/svc-a/secrets/sealed"
HOOKS = "  hooks: [{name: up, when: before, job: upgrade}]\n"


def encrypted(stage: Stage, password: str) -> str:
    metadata = {"name": "sealed", "annotations": {BOUND: "env-k8s-prod"}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": password}}
    return yaml.safe_dump(sealed(body, age_recipient(stage.world.opened.keys)), sort_keys=False)


def play(tale: "Tale", release: str, parts: dict[str, str], values: dict[str, str]) -> None:
    """`release`: the newest text; `parts`: the other files of its source by name; `values` as tale.SEALED."""
    stage = tale.stage
    text = release.replace("/manifests}", "/private}").rstrip() + f"\n{HOOKS}"
    whole: dict[str, str | None] = {RELEASE: text, **{f"{FOLDER}/{name}": part for name, part in parts.items()}}
    land(tale, {**whole, SECRET: encrypted(stage, values["sealed"]), JOB: job("upgrade", "v1")}, "sealed")
    land(tale, {SECRET: encrypted(stage, values["sealed anew"]), JOB: job("upgrade", "v2")}, "anew")


def drifts(tale: "Tale", value: str) -> None:
    """Somebody changes the Secret that is live."""
    tale.world.sandbox("prod").edit(LIVE, {"data": {"password": base64.b64encode(value.encode()).decode()}})


def land(tale: "Tale", files: dict[str, str | None], branch: str) -> None:
    stage = tale.stage
    number = stage.propose(files, branch=branch)
    tale.faults += stage.world.opened.reconciler.faults
    stage.approve(number)
    stage.merge(number)
    tale.faults += stage.world.opened.reconciler.faults
